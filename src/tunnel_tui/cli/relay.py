"""A child on a pseudo-terminal of its own, shown in the person's plain terminal."""

import os
import select
import shutil
import signal
import sys
import termios
import time
import tty
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

from tunnel_tui.supervise.command import Command
from tunnel_tui.system.files import write_all
from tunnel_tui.terminal.screen import Screen
from tunnel_tui.terminal.session import PtySession

_READ = 4096
_GRACE = 2.0


class Ended(NamedTuple):
    """How the child ended.

    Attributes:
        status: its exit status, negative for a signal.
        lines: what it left on its screen, for finding the reason; never what was typed.
        idle: True where it was ended because nobody answered its prompt.
    """

    status: int
    lines: list[str]
    idle: bool


def relay(command: Command, patience: float) -> Ended:
    """Run a command between the person's keyboard and screen until it ends.

    Args:
        command: what to run; must be called in the main thread, whose end ends the child.
        patience: seconds without a key or output after which the child is ended.

    Raises:
        OSError: the program cannot be started.
    """
    size = shutil.get_terminal_size()
    session = PtySession.start(
        command.argv, command.environment, size.columns, size.lines, orphaned=signal.SIGTERM
    )
    try:
        with _raw_keyboard(), _following_size(session):
            return _Relay(session, Screen(size.columns, size.lines), patience).run()
    finally:
        _end(session)


class _Relay:
    def __init__(self, session: PtySession, screen: Screen, patience: float) -> None:
        self._session = session
        self._screen = screen
        self._patience = patience
        self._deadline = time.monotonic() + patience
        self._keyboard = sys.stdin.fileno()

    def run(self) -> Ended:
        idle = False
        while not self._session.finished:
            self._wait()
            if time.monotonic() > self._deadline and not idle:
                idle = True
                self._session.cancel(_GRACE)
        status = self._session.exit_status
        lines = [*self._screen.history, *self._screen.display]
        return Ended(255 if status is None else status, [line.rstrip() for line in lines], idle)

    def _wait(self) -> None:
        session = self._session
        poll = select.poll()
        if session.fileno() >= 0 and not session.eof:
            wanted = select.POLLIN | (select.POLLOUT if session.wants_write else 0)
            poll.register(session.fileno(), wanted)
        if session.exit_fileno >= 0:
            poll.register(session.exit_fileno, select.POLLIN)
        if self._keyboard >= 0:
            poll.register(self._keyboard, select.POLLIN)
        ready = dict(poll.poll(200))
        session.check_exit()
        if ready.get(self._keyboard):
            self._type()
        if session.wants_write:
            session.write_ready()
        self._show()

    def _type(self) -> None:
        keys = os.read(self._keyboard, _READ)
        if keys:
            self._session.write(keys)
            self._deadline = time.monotonic() + self._patience
        else:
            self._keyboard = -1  # the terminal is gone
            self._session.cancel(_GRACE)

    def _show(self) -> None:
        while data := self._session.read_ready():
            self._screen.feed(data)
            self._deadline = time.monotonic() + self._patience
            write_all(sys.stdout.fileno(), data)


def _end(session: PtySession) -> None:
    if session.running:
        session.cancel(_GRACE)
        deadline = time.monotonic() + _GRACE
        while session.check_exit() is None and time.monotonic() < deadline:
            time.sleep(0.02)
        session.kill()
        while session.check_exit() is None:
            time.sleep(0.01)
    session.close()


@contextmanager
def _raw_keyboard() -> Iterator[None]:
    """Pass every key on as it is; the child's own terminal decides what is echoed."""
    descriptor = sys.stdin.fileno()
    before = termios.tcgetattr(descriptor)
    tty.setraw(descriptor, termios.TCSADRAIN)
    try:
        yield
    finally:
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)


@contextmanager
def _following_size(session: PtySession) -> Iterator[None]:
    def follow(_number: int, _frame: object) -> None:
        size = shutil.get_terminal_size()
        session.resize(size.columns, size.lines)

    before = signal.signal(signal.SIGWINCH, follow)
    try:
        yield
    finally:
        signal.signal(signal.SIGWINCH, before)
