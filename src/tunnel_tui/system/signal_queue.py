"""Waiting for signals where one is never missed, whenever and in whichever thread it arrives."""

import signal
from queue import Empty, SimpleQueue
from types import TracebackType
from typing import Any

_LOOK = 0.5
"""Seconds after which a signal is seen that came just before the thread fell asleep."""


class Signals:
    """Signals that are taken note of from `with` on, and asked for one after the other.

    A handler that sets a `threading.Event` for which the main thread waits can hang for ever:
    where the signal comes while that thread holds the event's lock, and where it comes between
    the interpreter's look at signals and the wait, which it then does not interrupt. The `put`
    of a `SimpleQueue` is made for handlers (docs of `queue`: reentrant); the second case ends
    with the next look. A pipe would do as well, but not where descriptors are scarce.
    """

    def __init__(self, *signums: signal.Signals) -> None:
        """Name the signals; only for the main thread."""
        self._signums = signums
        self._before: dict[int, Any] = {}
        self._heard: SimpleQueue[int] = SimpleQueue()

    def __enter__(self) -> "Signals":
        for signum in self._signums:
            self._before[signum] = signal.signal(signum, self._take_note)
        return self

    def __exit__(
        self,
        _type: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        for signum, handler in self._before.items():
            signal.signal(signum, handler)

    def wait(self) -> signal.Signals:
        """Wait for the next signal, or return at once one that has come already."""
        while True:
            try:
                return signal.Signals(self._heard.get(timeout=_LOOK))
            except Empty:
                continue

    def _take_note(self, signum: int, _frame: object) -> None:
        self._heard.put(signum)
