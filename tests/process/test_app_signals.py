"""Signals end the app as its own key does: the terminal is put right, nothing is left behind."""

import os
import pty
import select
import signal
import time

import pytest

from tests.support.home import Home

OPENED, LEFT = b"\x1b[?1049h", b"\x1b[?1049l"


class Opened:
    """The app in a pseudo terminal whose other end can be taken away."""

    def __init__(self, home: Home) -> None:
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            command = home.command()
            try:
                os.execve(command[0], command, home.variables)
            finally:
                os._exit(127)
        self.output = b""

    def read(self, until: bytes, timeout: float = 30.0) -> bool:
        end = time.monotonic() + timeout
        while until not in self.output and time.monotonic() < end:
            if select.select([self.fd], [], [], 0.1)[0]:
                try:
                    self.output += os.read(self.fd, 65536)
                except OSError:
                    break
        return until in self.output

    def exit_code(self, timeout: float = 10.0) -> int | None:
        end = time.monotonic() + timeout
        while time.monotonic() < end:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                return os.waitstatus_to_exitcode(status)
            time.sleep(0.02)
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        return None


@pytest.fixture
def app(home: Home) -> Opened:
    home.write_config("tunnels: []\n")
    opened = Opened(home)
    assert opened.read(OPENED)
    assert opened.read(b"watcher"), "the header"
    return opened


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_puts_the_terminal_right(app: Opened, signum: int) -> None:
    os.kill(app.pid, signum)
    assert app.read(LEFT), "the screen is given back"
    assert app.exit_code() == 128 + signum
    os.close(app.fd)


def test_a_terminal_that_is_gone_ends_the_app(app: Opened, home: Home) -> None:
    os.close(app.fd)
    assert app.exit_code() is not None, "nobody is left who could be told the code"
    assert not home.processes(), "nothing of it runs on"
