"""A session and its screen in an asyncio loop: reads, paints at 30 Hz, never blocks it."""

import asyncio
import os
from collections.abc import Callable

from tunnel_tui.terminal.screen import Screen
from tunnel_tui.terminal.session import PtySession

FRAME = 1 / 30
SLICE = 0.010  # seconds of emulation before the loop has its turn
BREAK = 0.004  # seconds that the loop gets between two slices
POLL = 0.1  # seconds between looks at the child where there are no pidfds


class AsyncSession:
    """Drives a `PtySession`: always drained, one read per wake, batched painting."""

    def __init__(
        self,
        session: PtySession,
        screen: Screen,
        on_paint: Callable[[], None],
        on_exit: Callable[[int], None] | None = None,
    ) -> None:
        """Begin to drive; must be called inside a running loop.

        Args:
            session: The session; ends with this object's `close`.
            screen: What it writes to.
            on_paint: Called at most 30 times a second when the screen or `hidden` changed.
            on_exit: Called once, with the exit status, after the last paint.
        """
        self.session = session
        self.screen = screen
        self._on_paint = on_paint
        self._on_exit = on_exit
        self._loop = asyncio.get_running_loop()
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._last_paint = 0.0
        self._reading = -1
        self._writing = -1
        # A duplicate, because whoever notices the end first closes the session's own.
        self._watching = os.dup(session.exit_fileno) if session.exit_fileno >= 0 else -1
        self._done = False
        self._start_reading()
        if self._watching >= 0:
            self._loop.add_reader(self._watching, self._look_at_child)
        else:
            self._later("child", POLL, self._look_at_child)

    @property
    def hidden(self) -> bool:
        """Whether the child is asking for a secret."""
        return self.session.hidden

    def write(self, data: bytes | bytearray) -> bool:
        """Send bytes to the child; see `PtySession.write`."""
        accepted = self.session.write(data)
        self._watch_writing()
        self._paint_soon()  # `hidden` may change without output
        return accepted

    def resize(self, columns: int, rows: int) -> None:
        """Change the size of the screen and of the child's window."""
        self.screen.resize(columns, rows)
        self.session.resize(*self.screen.size)
        self._paint_soon()

    def cancel(self, grace: float = 2.0) -> None:
        """End the child: SIGTERM now, SIGKILL after `grace` seconds if it is still there."""
        if self.session.cancel(grace):
            self._later("kill", grace, self.session.kill)
        self._watch_writing()

    def close(self, grace: float = 2.0) -> None:
        """Let go of the PTY now; a child that still runs is ended and reaped in the background."""
        self._on_exit = None
        self._stop_reading()
        self._stop("paint", "slice", "drain")
        self.cancel(grace)
        self._watch_writing(closing=True)
        self.session.close()

    # Reading ---------------------------------------------------------------------------------

    def _start_reading(self) -> None:
        fd = self.session.fileno()
        if self._reading < 0 <= fd and not self.session.eof:
            self._reading = fd
            self._loop.add_reader(fd, self._read)

    def _stop_reading(self) -> None:
        if self._reading >= 0:
            self._loop.remove_reader(self._reading)
            self._reading = -1

    def _read(self) -> None:
        data = self.session.read_ready()
        if data is None:
            self._stop_reading()
        self._work(data or b"")

    def _work(self, data: bytes = b"") -> None:
        """Emulate for one slice; while something is left, nothing more is read."""
        busy = self.screen.feed(data, SLICE)
        self._answer()
        self._paint_soon()
        if busy:
            self._stop_reading()
            self._later("slice", BREAK, self._work)
        else:
            self._start_reading()
            self._maybe_finish()

    def _answer(self) -> None:
        """Send the screen's replies, but never into an answer that is being typed unseen."""
        reply = self.screen.take_reply()
        if reply and not self.session.asks_unseen:
            self.session.write(reply)
            self._watch_writing()

    # Writing ---------------------------------------------------------------------------------

    def _watch_writing(self, closing: bool = False) -> None:
        wants = self.session.wants_write and not closing
        if wants and self._writing < 0:
            self._writing = self.session.fileno()
            self._loop.add_writer(self._writing, self._write_more)
        elif not wants and self._writing >= 0:
            self._loop.remove_writer(self._writing)
            self._writing = -1

    def _write_more(self) -> None:
        self.session.write_ready()
        self._watch_writing()

    # Painting and ending ---------------------------------------------------------------------

    def _paint_soon(self) -> None:
        if "paint" not in self._timers and not self._done and self.session.fileno() >= 0:
            wait = self._last_paint + FRAME - self._loop.time()
            self._later("paint", max(0.0, wait), self._paint)

    def _paint(self) -> None:
        self._last_paint = self._loop.time()
        self._on_paint()

    def _look_at_child(self) -> None:
        if self.session.check_exit() is None:
            if self._watching < 0:
                self._later("child", POLL, self._look_at_child)
            return
        if self._watching >= 0:
            self._loop.remove_reader(self._watching)
            os.close(self._watching)
            self._watching = -1
        self._stop("kill")
        self._maybe_finish()

    def _maybe_finish(self) -> None:
        """After the child's end: read what is left, paint, tell."""
        if self._done or self.session.running or self.screen.busy:
            return
        if not self.session.finished:
            self._later("drain", 0, self._read)
            return
        self._done = True
        self._stop("paint", "drain")
        if self._on_exit is not None and self.session.exit_status is not None:
            self._paint()
            self._on_exit(self.session.exit_status)

    def _later(self, name: str, delay: float, action: Callable[[], None]) -> None:
        """Call `action` once after a delay, unless that is already planned."""

        def run() -> None:
            del self._timers[name]
            action()

        if name not in self._timers:
            self._timers[name] = self._loop.call_later(delay, run)

    def _stop(self, *names: str) -> None:
        for name in names:
            timer = self._timers.pop(name, None)
            if timer is not None:
                timer.cancel()
