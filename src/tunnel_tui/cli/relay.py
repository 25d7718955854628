"""A child on a pseudo-terminal of its own, shown in the person's plain terminal."""

import codecs
import os
import re
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

from tunnel_tui.cli.output import safe
from tunnel_tui.ssh.command import Command
from tunnel_tui.system.files import write_all
from tunnel_tui.terminal.screen import Screen
from tunnel_tui.terminal.session import PtySession

_READ = 4096
_GRACE = 2.0
_SETTLED = 0.1
"""Seconds of silence after which a question is complete."""
_LINE_ENDS = re.compile(r"\r+\n|\r+(?!\Z)")
_REST = re.compile(r"[^\r\n\t\x08]+")


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


class Harmless:
    """What is shown of a child's output: text and line ends.

    No escape sequence of a server or a proxy program reaches the person's terminal, and no line
    goes back to its beginning to be written over.
    """

    def __init__(self) -> None:
        self._decode = codecs.getincrementaldecoder("utf-8")("replace").decode
        self._held = ""

    def show(self, data: bytes) -> str:
        """Make the next piece of output fit to be shown."""
        text = self._held + self._decode(data)
        shown = text.rstrip("\r")  # a line feed may follow
        self._held = text[len(shown) :]
        shown = _LINE_ENDS.sub("\r\n", shown)
        return _REST.sub(lambda found: safe(found[0]), shown)


def relay(command: Command, patience: float, askers: str) -> Ended:
    """Run a command between the person's keyboard and screen until it ends.

    Args:
        command: what to run; must be called in the main thread, whose end ends the child.
        patience: seconds without a key or output after which the child is ended.
        askers: who gets what is typed; it is told after each question for a secret, where no
            server can write.

    Raises:
        OSError: the program cannot be started.
    """
    size = shutil.get_terminal_size()
    session = PtySession.start(
        command.argv, command.environment, size.columns, size.lines, orphaned=signal.SIGTERM
    )
    try:
        with _raw_keyboard(), _following_size(session):
            return _Relay(session, Screen(size.columns, size.lines), patience, askers).run()
    finally:
        _end(session)


class _Relay:
    def __init__(self, session: PtySession, screen: Screen, patience: float, askers: str) -> None:
        self._askers = askers
        self._told = False
        self._harmless = Harmless()
        self._last_output = 0.0
        self._session = session
        self._screen = screen
        self._patience = patience
        self._deadline = time.monotonic() + patience
        self._keyboard = sys.stdin.fileno()

    def run(self) -> Ended:
        idle = False
        while not self._session.finished:
            self._wait()
            self._tell()
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
        ready = dict(poll.poll(50 if not self._told else 200))
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
            if b"\r" in keys or b"\n" in keys:
                self._told = False
                self._last_output = time.monotonic()  # ssh has yet to take the answer
            self._deadline = time.monotonic() + self._patience
        else:
            self._keyboard = -1  # the terminal is gone
            self._session.cancel(_GRACE)

    def _show(self) -> None:
        while data := self._session.read_ready():
            self._screen.feed(data)
            self._last_output = time.monotonic()
            self._deadline = self._last_output + self._patience
            write_all(sys.stdout.fileno(), self._harmless.show(data).encode())

    def _tell(self) -> None:
        """Say behind a question for a secret who gets the answer."""
        quiet = time.monotonic() - self._last_output > _SETTLED
        if not self._told and quiet and self._session.asks_unseen:
            self._told = True
            word = f"\x1b[7m {safe(self._askers)} gets what you type \x1b[0m "
            write_all(sys.stdout.fileno(), word.encode("utf-8", "replace"))


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
