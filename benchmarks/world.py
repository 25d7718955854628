"""A home of its own with tunnels that really run: autossh itself, and an ssh that connects at once.

The stand-in prints what ssh prints when a forward stands, and waits. It is a shell that reads from
a pipe to which nobody writes, so it costs next to nothing and takes no CPU.
"""

import ctypes
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.configuration import configuration

SSH = """\
#!/bin/sh
[ "$1" = -G ] && exit 0
echo 'Authenticated to host ([127.0.0.1]:22) using "publickey".' >&2
echo "debug1: clientloop.c:client_loop():1290 (pid=$$): Entering interactive session." >&2
read nothing <>"${0%/*}/nothing"
"""
LISTEN = "127.77.0.1"
"""An address of the loopback network at which nothing else listens."""
COMMAND = Path(sys.executable).parent / "tunnel-tui"


class World:
    """Tunnels, their files and their environment, gone when the block ends."""

    def __init__(self, count: int) -> None:
        self.root = Path(tempfile.mkdtemp(prefix="tunnel-tui-bench-"))
        self.config = self.root / "config.yaml"
        self.config.write_text(configuration(count, LISTEN))
        self.state = self.root / "state"
        self.logs = self.root / "logs"
        programs = self.root / "bin"
        programs.mkdir()
        os.mkfifo(programs / "nothing")
        ssh = programs / "ssh"
        ssh.write_text(SSH)
        ssh.chmod(0o755)
        kept = {name: os.environ[name] for name in ("LANG", "LC_ALL") if name in os.environ}
        self.environment = kept | {
            "PATH": f"{programs}:{os.environ['PATH']}",
            "HOME": str(self.root),
            "AUTOSSH_CONFIG_FILE": str(self.config),
            "AUTOSSH_STATE_FILE": str(self.state),
            "AUTOSSH_LOG_DIR": str(self.logs),
        }

    def __enter__(self) -> "World":
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        shutil.rmtree(self.root)

    def run(self, *words: str) -> str:
        """Run a command of ours; return what it printed."""
        return subprocess.run(
            [COMMAND, *words], env=self.environment, capture_output=True, text=True, check=True
        ).stdout

    def pids(self) -> list[int]:
        """The processes that are registered: leaders of their groups."""
        lines = self.state.read_text().splitlines() if self.state.exists() else []
        return [int(line.rpartition("\t")[2]) for line in lines]

    def stop(self) -> None:
        """End every tunnel at once and forget it: state and logs are empty afterwards."""
        end_groups(self.pids())
        self.state.write_text("")
        shutil.rmtree(self.logs, ignore_errors=True)


def end_groups(leaders: Sequence[int]) -> None:
    """Kill process groups, and wait until nothing of them is left."""
    for pid in leaders:
        try:
            os.killpg(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
    for pid in leaders:
        while True:
            try:
                while os.waitpid(-pid, os.WNOHANG)[0]:  # those that are our own children
                    pass
            except ChildProcessError:
                pass
            try:
                os.killpg(pid, 0)
            except ProcessLookupError:
                break
            time.sleep(0.001)


def adopt_orphans() -> None:
    """Become the parent of what loses its own (prctl(2), PR_SET_CHILD_SUBREAPER).

    The first process of a machine may take two seconds to bury them, as that of a small virtual
    machine does; `end_groups` waits for it.
    """
    ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)


def timed(argv: Sequence[str | Path], environment: dict[str, str]) -> float:
    """Run a program with its output thrown away; return the milliseconds from start to end."""
    null = os.open(os.devnull, os.O_RDWR)
    actions = [(os.POSIX_SPAWN_DUP2, null, number) for number in (0, 1, 2)]
    words = [os.fspath(word) for word in argv]
    begin = time.perf_counter()
    pid = os.posix_spawn(words[0], words, environment, file_actions=actions)
    _, status = os.waitpid(pid, 0)
    taken = (time.perf_counter() - begin) * 1000
    os.close(null)
    if status:
        raise RuntimeError(f"{words} ended with {os.waitstatus_to_exitcode(status)}")
    return taken


def main() -> int:
    """Run a command beside tunnels that run; return its exit code."""
    count, *command = sys.argv[1:]
    with World(int(count)) as world:
        world.run("start", "--quiet")
        return subprocess.run(command, env=world.environment, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
