"""What happens to the terminal: resized, without a size, closed, and one that stops reading."""

import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import termios
import threading
from collections.abc import Callable, Iterator

import pytest

from tests.support import processes
from tests.support.faults import Fault, Site
from tests.support.home import Home
from tests.support.waiting import wait_until
from tunnel_tui.model import State
from tunnel_tui.terminal.screen import Screen

pytestmark = pytest.mark.process

STALL = 10.0


class RawTerminal:
    """A terminal that can have no size, stop reading, and go away."""

    def __init__(self, home: Home, size: tuple[int, int]) -> None:
        self.screen = Screen(*(size if all(size) else (80, 24)))
        self.reads = threading.Event()
        self.reads.set()
        self._ending = False
        self._master, slave = pty.openpty()
        self.resize(*size)
        self.process = subprocess.Popen(
            home.command(),
            env=home.variables,
            stdin=slave,
            stdout=slave,
            stderr=slave,
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        )
        os.close(slave)
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        while not self._ending:
            if self.reads.wait(0.1) and select.select([self._master], [], [], 0.1)[0]:
                try:
                    self.screen.feed(os.read(self._master, 65536))
                except OSError:
                    return

    def resize(self, columns: int, rows: int) -> None:
        fcntl.ioctl(self._master, termios.TIOCSWINSZ, struct.pack("4H", rows, columns, 0, 0))
        if columns and rows:
            self.screen.resize(columns, rows)

    def type(self, text: str) -> None:
        os.write(self._master, text.encode())

    @property
    def text(self) -> str:
        return "\n".join(self.screen.display)

    def shows(self, text: str, deadline: float = 20.0) -> None:
        try:
            wait_until(lambda: text in self.text, deadline)
        except AssertionError:
            raise AssertionError(f"never showed {text!r}:\n{self.text}") from None

    def hang_up(self) -> None:
        """Go away, as a closed window does."""
        self._ending = True
        self._thread.join()
        os.close(self._master)

    def close(self) -> None:
        if not self._ending:
            self.hang_up()
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()


OpenTerminal = Callable[..., RawTerminal]


@pytest.fixture
def terminal(site: Site) -> Iterator[OpenTerminal]:
    opened: list[RawTerminal] = []

    def make(size: tuple[int, int] = (140, 40)) -> RawTerminal:
        opened.append(RawTerminal(site.home, size))
        return opened[-1]

    yield make
    for one in opened:
        one.close()


def test_resized_100_times(site: Site, fault: Fault) -> None:
    fault.describe(
        "Input", "terminal resized to 20x5 and back 100 times", "an ssh killed at every tenth"
    )
    specs = site.tunnels()
    site.watch()
    app = site.open_app()
    site.start_all(60)
    for number in range(100):
        app._run("resize-window", "-x", "20", "-y", "5")
        if number % 10 == 0:
            for pid in processes.descendants(site.pid(specs[number // 10 % 3])):
                os.kill(pid, signal.SIGKILL)
        app._run("resize-window", "-x", "140", "-y", "40")
    with fault.recovering():
        with fault.noticing():
            app.shows(r"tunnel-tui .*● \d")
        site.wait_well()
    app.press("?")
    app.shows("esc closes")
    app.press("Escape")
    site.check(*specs)


def test_a_terminal_without_a_size(site: Site, fault: Fault, terminal: OpenTerminal) -> None:
    fault.describe("Input", "terminal of 0x0", "as `docker exec` gives at first; then 100x30")
    specs = site.tunnels()
    site.watch()
    site.start_all(60)
    window = terminal((0, 0))
    window.shows("web-0")
    with fault.noticing():
        window.resize(100, 30)
        window.shows("● 3")
        wait_until(lambda: window.text.splitlines()[-1].strip(), 10, "the footer in the last line")
    window.resize(0, 0)
    window.resize(100, 30)
    window.type("?")
    window.shows("esc closes")
    window.type("\x1b")
    wait_until(lambda: "esc closes" not in window.text)
    window.type("q")
    assert window.process.wait(15) == 0
    site.check(*specs)


def test_stdin_closed(site: Site, fault: Fault, terminal: OpenTerminal) -> None:
    fault.describe("Input", "stdin closed", "at the start of app, watcher, commands; under the app")
    specs = site.tunnels()
    command = site.home.command
    site.home.command = lambda *words: ["sh", "-c", 'exec "$@" <&-', "sh", *command(*words)]  # type: ignore[method-assign]
    site.watch()
    site.start_all(60)
    for arguments in ((), ("status",), ("restart-tunnel", "web-0"), ("auth", "web-0")):
        done = site.home.cli(*arguments)
        assert "Traceback" not in done.stdout + done.stderr, done
        assert done.returncode in ((1, 2) if arguments in ((), ("auth", "web-0")) else (0,)), done
        assert done.stdout + done.stderr
    site.home.command = command  # type: ignore[method-assign]
    window = terminal()
    window.shows("● 3")
    with fault.noticing():
        window.hang_up()
        window.process.wait(15)
    site.wait_well()
    site.check(*specs)


def test_output_stalled(site: Site, fault: Fault, terminal: OpenTerminal) -> None:
    fault.describe("Input", "output stalled for 10 s", "the app itself watches; a tunnel is killed")
    specs = site.tunnels()
    window = terminal()
    window.shows("web-0")
    site.start_all(60)
    window.shows("● 3")
    window.reads.clear()
    for _ in range(200):
        window.type("jk")
    victim = site.pid(specs[0])
    for pid in (victim, *processes.descendants(victim)):
        os.kill(pid, signal.SIGKILL)
    stalled = threading.Event()
    threading.Timer(STALL, stalled.set).start()
    with fault.recovering():
        wait_until(lambda: site.status(specs[0]).pid != victim, 30, "started again")
        site.wait_state(specs[0], State.RUNNING, deadline=30)
    assert stalled.wait(STALL * 2)
    with fault.noticing():
        window.type("?")
        window.reads.set()
        window.shows("esc closes", 60)  # behind 400 keys, each with its picture
    window.type("\x1b")
    wait_until(lambda: "esc closes" not in window.text)
    window.shows("● 3")
    window.type("q")
    assert window.process.wait(15) == 0
    site.wait_well()
    site.check(*specs)
