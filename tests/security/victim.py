"""Somebody who runs tunnels beside a hostile user, and what the kernel says is true of them."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

from tests.support import processes
from tests.support.home import Home
from tests.support.network import EchoService, free_port
from tests.support.sshd import Keys, Sshd
from tests.support.tunnels import as_yaml, inward, outward
from tests.support.users import User, interpreter, variables_for
from tunnel_tui.model import TunnelSpec
from tunnel_tui.ssh.command import build_command

SLOW = 3.0
"""Seconds after which a command tells where it is."""
STRANGER = """
import os, signal, sys, time
def write(number, _frame):
    with open(sys.argv[1], "a") as note:
        note.write(f"{number}\\n")
for number in (1, 2, 3, 10, 12, 15, 18):
    signal.signal(number, write)
print("ready", flush=True)
time.sleep(100000)
"""


class Account(Home):
    """A home of root or of another user, with the shared places outside it."""

    def __init__(self, user: User | None, product: Path, shared: Path, keys: Keys) -> None:
        super().__init__(None)
        self.errors = self.path / "errors"
        self.user, self.uid = user, user.uid if user else 0
        self.state_file, self.log_dir = shared / "tunnels.state", shared / "logs"
        self.variables |= {
            "AUTOSSH_STATE_FILE": str(self.state_file),
            "AUTOSSH_LOG_DIR": str(self.log_dir),
        }
        if user:
            self.variables = variables_for(product, self.variables)
        key = self.path / "id"
        shutil.copy(keys.client, key)
        self.add_ssh_config(
            "Host *",
            f"IdentityFile {key}",
            "IdentitiesOnly yes",
            "IdentityAgent none",
            "GlobalKnownHostsFile /dev/null",
        )
        self.own()

    def own(self) -> None:
        """Give everything in the home to its user."""
        if not self.user:
            return
        for path in (self.path, *self.path.rglob("*")):
            os.chown(path, self.user.uid, self.user.gid, follow_symlinks=False)

    def command(self, *arguments: str) -> list[str]:
        python, *rest = super().command(*arguments)
        rest[1] = f"import faulthandler; faulthandler.dump_traceback_later({SLOW}); {rest[1]}"
        return [interpreter() if self.user else python, *rest]

    def popen(self, argv: list[str], **options: object) -> "subprocess.Popen[str]":
        """Start a program as the user of this home."""
        who = self.user or User("root", 0, 0)
        return who.popen(argv, env=self.variables, cwd=str(self.path), **options)

    def run(self, *arguments: str, timeout: float) -> tuple[int, str, float]:
        """Run a command; returns its exit code (-9: it took too long), its output, its seconds."""
        began = time.monotonic()
        with self.errors.open("wb") as errors:
            process = self.popen(self.command(*arguments), stdin=subprocess.DEVNULL, stderr=errors)
        try:
            output, _ = process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            processes.end([*processes.descendants(process.pid), process.pid])
            process.communicate()
            return -9, "", time.monotonic() - began
        return process.returncode, output, time.monotonic() - began


class Victim:
    """The tunnels of one account, and beside them what is nobody's business.

    Attributes:
        stopped: hashes of the tunnels that must not run, and since when (monotonic).
    """

    def __init__(self, account: Account, sshd: Sshd, echo: EchoService) -> None:
        self.account = account
        account.add_host("server", sshd.port, StrictHostKeyChecking="no", User="root")
        self.specs = [inward(echo.port, free_port(), name=f"web-{n}") for n in range(3)]
        self.specs.append(outward(echo.port, free_port(), name="back"))
        account.write_config(as_yaml(*self.specs))
        now = time.monotonic()
        self.stopped = {spec.hash: now for spec in self.specs}
        self.daemon: subprocess.Popen[str] | None = None
        self.daemon_output = account.path / "daemon.out"
        account.own()
        self.note = account.path / "signals"
        python = [interpreter() if account.user else sys.executable, "-c", STRANGER, self.note]
        self.stranger = account.popen([str(word) for word in python])
        assert self.stranger.stdout
        assert self.stranger.stdout.readline() == "ready\n"
        self.by_hand = self._type_ssh(sshd, echo)

    def _type_ssh(self, sshd: Sshd, echo: EchoService) -> "subprocess.Popen[str]":
        """An ssh that the victim has typed: the same host as the tunnels', another forward."""
        forward = f"127.0.0.1:{free_port()}:127.0.0.1:{echo.port}"
        known = f"UserKnownHostsFile={self.account.path / 'typed_hosts'}"
        argv = ["ssh", "-F", str(self.account.ssh_config), "-o", known, "-N", "-L", forward]
        return self.account.popen([*argv, "server"], stderr=subprocess.DEVNULL)

    def aim(self) -> list[dict[str, object]]:
        """What a stranger can know of the tunnels."""
        found = []
        settings = self.account.settings
        for spec in self.specs:
            forward = spec.forward()
            argv = list(build_command(settings, spec, self.account.variables).argv)
            found.append({
                "remote_host": spec.remote_host,
                "remote_port": spec.remote_port,
                "local_port": spec.local_port,
                "direction": spec.direction.value,
                "name": spec.name,
                "hash": spec.hash,
                "listener": forward.listener.port,
                "argv": argv,
                "forward": [forward.kind.value, forward.argument],
            })  # fmt: skip
        self.account.own()  # we were root in it
        return found

    # -- what is true

    def processes(self) -> dict[str, list[int]]:
        """The real ssh and autossh of this account that carry a tag, by it."""
        found: dict[str, list[int]] = {}
        for name in filter(str.isdigit, os.listdir("/proc")):
            pid = int(name)
            line = processes.command_line(pid)
            tags = [word for word in line if word.startswith("SetEnv=TUNNEL_HASH=")]
            if not tags or not processes.alive(pid):
                continue
            try:
                owner = os.stat(f"/proc/{pid}").st_uid
                program = os.path.basename(os.readlink(f"/proc/{pid}/exe"))
                parent = Path(f"/proc/{pid}/environ").read_bytes()
            except OSError:
                continue
            ours = owner == self.account.uid and f"HOME={self.account.path}".encode() in parent
            if ours and program in ("ssh", "autossh"):
                found.setdefault(tags[0].rpartition("=")[2], []).append(pid)
        return found

    def stands(self, spec: TunnelSpec, running: dict[str, list[int]]) -> bool:
        """Say whether it runs at all, and (`-L`) whether its port is in its user's hands."""
        if spec.hash not in running:
            return False
        forward = spec.forward()
        if not forward.listens_here:
            return True
        wanted = f"0100007F:{forward.listener.port:04X}"
        for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[1] == wanted and fields[3] == "0A":
                return int(fields[7]) == self.account.uid
        return False

    def statuses(self, timeout: float) -> tuple[dict[str, str], float]:
        """What `status` shows, by hash; empty where it says nothing; and its seconds."""
        code, output, seconds = self.account.run("status", "--json", timeout=timeout)
        try:
            records = json.loads(output[output.index("[") :]) if code == 0 else []
        except ValueError:
            records = []
        return {record["hash"]: record["state"] for record in records}, seconds

    # -- the watcher

    def watch(self) -> None:
        """Run a watcher."""
        with self.daemon_output.open("ab") as output:
            self.daemon = self.account.popen(
                self.account.command("daemon"), stdout=output, stderr=output
            )

    def end_watch(self, timeout: float) -> float:
        """End the watcher; returns the seconds that its TERM took."""
        began = time.monotonic()
        if self.daemon is not None:
            self.daemon.send_signal(signal.SIGTERM)
            try:
                self.daemon.wait(timeout)
            except subprocess.TimeoutExpired:
                self.daemon.kill()
                self.daemon.wait()
            self.daemon = None
        return time.monotonic() - began

    def close(self) -> None:
        """End everything of this account."""
        self.end_watch(10)
        for process in (self.stranger, self.by_hand):
            process.kill()
            process.wait()
        self.account.close()
