"""A `tunnel-tui daemon` of one test, and what it says."""

import shlex
import signal
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path

from tests.support.home import Home
from tests.support.waiting import wait_until
from tunnel_tui.model import TunnelSpec
from tunnel_tui.state.state_file import StateFile

Line = dict[str, str]


class Daemon:
    """The watcher as a process."""

    def __init__(
        self, home: Home, *arguments: str, variables: Mapping[str, str] | None = None
    ) -> None:
        self.home = home
        self.output = home.path / f"daemon-{time.monotonic_ns()}.out"
        with self.output.open("wb") as file:
            self.process = subprocess.Popen(
                home.command("daemon", *arguments),
                env=home.variables | dict(variables or {}),
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
            )

    @property
    def pid(self) -> int:
        return self.process.pid

    def lines(self, event: str = "", **fields: str) -> list[Line]:
        """What it said so far, of one event, with these fields."""
        found = []
        for text in self.output.read_text(errors="replace").splitlines():
            words = (word.partition("=") for word in shlex.split(text))
            line = {key: value for key, _, value in words}
            if event in ("", line.get("event")) and fields.items() <= line.items():
                found.append(line)
        return found

    def wait_for(self, event: str, deadline: float = 15.0, count: int = 1, **fields: str) -> Line:
        """Wait until it has said something so often; return the last such line."""

        def said() -> list[Line]:
            if self.process.poll() is not None and not self.lines(event, **fields):
                raise AssertionError(f"ended: {self.output.read_text(errors='replace')}")
            lines = self.lines(event, **fields)
            return lines if len(lines) >= count else []

        try:
            return wait_until(said, deadline, what=f"{event} {fields}")[-1]
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.output.read_text(errors='replace')}") from None

    def wait_running(self, *specs: TunnelSpec, deadline: float = 20.0) -> dict[str, int]:
        """Wait until it has seen these running; return the pids by name."""
        for spec in specs:
            self.wait_for("running", deadline, tunnel=spec.name, hash=spec.hash[:8])
        return self.pids()

    def pids(self) -> dict[str, int]:
        """The registered pids by name."""
        entries = StateFile(str(self.home.state_file)).read().entries
        return {entry.name: entry.pid for entry in entries}

    def hang_up(self) -> None:
        self.process.send_signal(signal.SIGHUP)

    def end(self, signum: int = signal.SIGTERM, timeout: float = 15.0) -> tuple[int, float]:
        """Signal it; return its exit code and how many seconds it took."""
        began = time.monotonic()
        self.process.send_signal(signum)
        code = self.process.wait(timeout)
        return code, time.monotonic() - began

    def close(self) -> None:
        """Kill it if it still lives."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()


def zombies_of(pid: int) -> list[str]:
    """The dead children that a process has not buried."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    for task in Path(f"/proc/{pid}/task").iterdir():
        children += (task / "children").read_text().split()
    found = []
    for child in set(children):
        try:
            text = Path(f"/proc/{child}/stat").read_text(errors="replace")
        except OSError:
            continue
        if text.rpartition(")")[2].split()[0] == "Z":
            found.append(text)
    return found
