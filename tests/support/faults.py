"""A machine to do harm to: tunnels over a real sshd, a watcher, the app in a terminal, and a tally.

`Site` is the machine. `Fault` is the row that a test fills in: what was done, how long it took to
be noticed and to be mended, and what was lost, doubled or left over at the end.
"""

import os
import re
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from tests.support import processes
from tests.support.daemon import Daemon, zombies_of
from tests.support.home import Home
from tests.support.network import EchoService, free_port, passes
from tests.support.sshd import Sshd
from tests.support.tmux import Tmux
from tests.support.tunnels import as_yaml, inward, outward
from tests.support.waiting import wait_until
from tunnel_tui.model import Direction, State, TunnelSpec, TunnelStatus
from tunnel_tui.observe.identity import find_tagged
from tunnel_tui.observe.observer import Observer
from tunnel_tui.state.state_file import StateFile
from tunnel_tui.supervise.monitor.monitor import POLL
from tunnel_tui.supervise.watch.watcher import watcher_state

PROPERTY = "fault"
SECTIONS = ("Processes", "Network and servers", "Files", "Input", "Many at once")


class Row(NamedTuple):
    """One line of the table; seconds, or None where there is nothing to wait for."""

    section: str
    fault: str
    injected: str
    noticed: float | None
    recovered: float | None
    lost: int
    doubled: int
    left_over: int


class Fault:
    """What one test did and found."""

    def __init__(self) -> None:
        self.section = self.name = self.injected = ""
        self.noticed: float | None = None
        self.recovered: float | None = None
        self.lost = self.doubled = self.left_over = 0

    def describe(self, section: str, name: str, injected: str) -> None:
        """Say what is done; `section` is one of SECTIONS, `name` a line of the table."""
        assert section in SECTIONS
        self.section, self.name, self.injected = section, name, injected

    @contextmanager
    def noticing(self) -> Iterator[None]:
        """Measure the block as the time until the fault is seen (the worst one counts)."""
        began = time.monotonic()
        yield
        self.noticed = max(self.noticed or 0.0, time.monotonic() - began)

    @contextmanager
    def recovering(self) -> Iterator[None]:
        """Measure the block as the time until everything is well again (the worst one counts)."""
        began = time.monotonic()
        yield
        self.recovered = max(self.recovered or 0.0, time.monotonic() - began)

    @property
    def row(self) -> Row:
        return Row(
            self.section,
            self.name,
            self.injected,
            self.noticed,
            self.recovered,
            self.lost,
            self.doubled,
            self.left_over,
        )


class Site:
    """One person's machine with tunnels that really run, watched by the watcher and by the app.

    Attributes:
        specs: the tunnels in the configuration file.
        daemon: the watcher, None until `watch()`.
        app: the app in its terminal, None until `open_app()`.
    """

    def __init__(self, home: Home, sshd: Sshd, echo: EchoService, fault: Fault) -> None:
        self.home, self.sshd, self.echo, self.fault = home, sshd, echo, fault
        self.specs: list[TunnelSpec] = []
        self.daemon: Daemon | None = None
        self.app: Tmux | None = None
        self._daemons: list[Daemon] = []
        self._apps: list[Tmux] = []
        self._screens: list[str] = []
        self._expected_deaths: set[int] = set()

    # -- building

    def configure(self, *specs: TunnelSpec) -> None:
        """Write these tunnels into the configuration file."""
        self.specs = list(specs)
        self.home.write_config(as_yaml(*specs))

    def tunnels(self, count: int = 3, host: str = "server") -> list[TunnelSpec]:
        """Make `-L` tunnels to the echo service, and one `-R` as the last; configure them."""
        specs = [
            inward(self.echo.port, free_port(), name=f"web-{number}", host=host)
            for number in range(count - 1)
        ]
        specs.append(outward(self.echo.port, free_port(), name="back", host=host))
        self.configure(*specs)
        return specs

    def watch(self, *arguments: str) -> Daemon:
        """Start the watcher, which starts the tunnels; an app that is opened now leaves it that."""
        daemon = self.daemon = Daemon(self.home, *arguments)
        self._daemons.append(daemon)
        wait_until(lambda: watcher_state(self.home.settings).pid == daemon.pid, 20, "the watch")
        return daemon

    def open_app(self, size: tuple[int, int] = (140, 40), *arguments: str) -> Tmux:
        """Open the app in a terminal of its own and wait for its first table."""
        directory = Path(f"{self.home.path}-{len(self._apps)}")
        directory.mkdir()
        self.app = Tmux(directory, self.home.command(*arguments), self.home.variables, size)
        self._apps.append(self.app)
        if self.specs:
            self.app.shows(self.specs[0].name)
        return self.app

    def start_all(self, deadline: float = 30.0) -> None:
        """Start the tunnels by the command, if no watcher does, and wait until traffic passes."""
        if self.daemon is None:
            assert self.home.cli("start").returncode == 0
        self.wait_well(*self.specs, deadline=deadline)

    # -- looking

    def pid(self, spec: TunnelSpec) -> int:
        """The registered pid of a tunnel."""
        entries = StateFile(str(self.home.state_file)).read().entries
        return next(entry.pid for entry in entries if entry.hash == spec.hash)

    def ssh_pid(self, spec: TunnelSpec) -> int:
        """The pid of the ssh below a tunnel's autossh."""
        return wait_until(lambda: processes.descendants(self.pid(spec)), what="ssh child")[0]

    def status(self, spec: TunnelSpec) -> TunnelStatus:
        """What is true of a tunnel, seen by somebody who looks for the first time."""
        found = Observer(self.home.settings).observe([spec])
        return next(status for status in found if status.spec.hash == spec.hash)

    def wait_state(self, spec: TunnelSpec, *states: State, deadline: float = 15.0) -> TunnelStatus:
        """Wait until a tunnel is in one of these states, by the command line's eyes."""

        def look() -> TunnelStatus | None:
            status = self.status(spec)
            return status if status.state in states else None

        return wait_until(look, deadline, f"{spec.name} {states}: {self.home.log(spec.hash)}")

    def wait_well(self, *specs: TunnelSpec, deadline: float = 30.0) -> None:
        """Wait until these are RUNNING and carry traffic, and the app says so."""
        for spec in specs or self.specs:
            self.wait_state(spec, State.RUNNING, deadline=deadline)
            assert self.carries(spec), f"{spec.name} is RUNNING and passes nothing"
            if self.app is not None:
                self.wait_badge(spec, "RUNNING", deadline)

    def wait_badge(self, spec: TunnelSpec, badge: str, deadline: float = 15.0) -> str:
        """Wait until the tunnel's row of the app matches a regular expression; return the row."""
        app = self.app
        assert app
        screen = ""

        def look() -> str:
            nonlocal screen
            screen = app.text
            named = (line for line in screen.splitlines() if re.search(rf"\b{spec.name}\b", line))
            return next((line for line in named if re.search(badge, line)), "")

        try:
            return wait_until(look, deadline, interval=0.05)
        except AssertionError:
            raise AssertionError(f"{spec.name} never showed {badge!r}:\n{screen}") from None

    def carries(self, spec: TunnelSpec) -> bool:
        """Say whether traffic passes through a tunnel."""
        return passes(self.listener(spec))

    def listener(self, spec: TunnelSpec) -> int:
        """The port that a tunnel listens at (here, or at the server, which is here too)."""
        inward = spec.direction is Direction.REMOTE_TO_LOCAL
        return int((spec.local_port if inward else spec.remote_port).rpartition(":")[2])

    # -- judging

    def expect_death(self, pid: int) -> None:
        """A watcher or an app of this pid is killed on purpose."""
        self._expected_deaths.add(pid)

    def check(self, *running: TunnelSpec) -> None:
        """Judge the end: exactly these tunnels run, once each, and nothing else does.

        Fills in `lost`, `doubled` and `left_over` of the fault and asserts that they are 0, that
        the watcher and the app live, and that nobody was shown a traceback.
        """
        fault = self.fault
        wanted = {spec.hash for spec in running}
        entries = StateFile(str(self.home.state_file)).read().entries
        recorded = Counter(entry.hash for entry in entries)
        pids = {entry.pid for entry in entries}
        ours = [found for found in find_tagged() if self._is_here(found.stat.pid)]
        leaders = Counter(found.hash for found in ours if _is_autossh(found.stat.pid))
        strays = [
            found
            for found in ours
            if found.hash not in wanted or not {found.stat.pid, found.stat.ppid} & pids
        ]
        zombies = self._lasting_zombies()
        scraps = list(self._scraps())
        fault.lost += len(wanted - set(recorded))
        fault.doubled += sum(max(recorded[name], leaders[name]) > 1 for name in recorded | leaders)
        fault.left_over += len(strays) + len(zombies) + len(scraps)
        tally = (fault.lost, fault.doubled, fault.left_over)
        assert tally == (0, 0, 0), f"{tally}: {strays} {zombies} {scraps} {entries}"
        self.check_nobody_crashed()

    def check_nobody_crashed(self) -> None:
        """Assert that the watcher and the app live, unless told otherwise, without a traceback."""
        for daemon in self._daemons:
            said = daemon.output.read_text(errors="replace")
            assert "Traceback" not in said, said
            if daemon.pid not in self._expected_deaths:
                assert daemon.process.poll() is None, f"the watcher has ended: {said}"
        for app in self._apps:
            said = app.everything
            assert "Traceback" not in said, said
            assert app.exit_status in ((None,) if app is self.app else (None, 0)), said

    def _lasting_zombies(self) -> list[str]:
        """Those that are not buried by the next look at the latest."""
        deadline = time.monotonic() + 2 * POLL
        while zombies := [line for pid in self._living() for line in zombies_of(pid)]:
            if time.monotonic() > deadline:
                break
            time.sleep(0.1)
        return zombies

    def _living(self) -> list[int]:
        pids = [daemon.pid for daemon in self._daemons] + [app.pid for app in self._apps[-1:]]
        return [pid for pid in pids if processes.alive(pid)]

    def _is_here(self, pid: int) -> bool:
        try:
            data = Path(f"/proc/{pid}/environ").read_bytes()
        except OSError:
            return False
        return f"HOME={self.home.path}".encode() in data.split(b"\0")

    def _scraps(self) -> Iterator[str]:
        """Temporary files that nobody needs any more."""
        places = (self.home.path, self.home.log_dir, self.home.path / "xdg-state" / "tunnel-tui")
        for place in places:
            if place.is_dir():
                yield from (str(path) for path in place.iterdir() if ".tmp" in path.name)

    # -- ending

    def close(self) -> None:
        """End the app and the watcher; `home` ends everything else."""
        for app in self._apps:
            app.close()
        for daemon in self._daemons:
            daemon.close()


def _is_autossh(pid: int) -> bool:
    line = processes.command_line(pid)
    return bool(line) and os.path.basename(line[0]) == "autossh"
