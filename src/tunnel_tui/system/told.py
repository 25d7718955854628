"""Waiting for signals where one is never missed, whenever and in whichever thread it arrives."""

import os
import signal
from types import TracebackType
from typing import Any


class Signals:
    """Signals that are taken note of from `with` on, and asked for one after the other.

    A handler that sets a `threading.Event` for which the main thread waits can hang for ever:
    where the signal comes while that thread holds the event's lock, and where it comes just
    before it blocks. The interpreter's wakeup descriptor (signal(3py), `set_wakeup_fd`) is
    written to at the moment of delivery, takes no lock, and ends a read that has begun.
    """

    def __init__(self, *signums: signal.Signals) -> None:
        """Name the signals; only for the main thread, and one object at a time."""
        self._signums = signums
        self._before: dict[int, Any] = {}
        self._wakeup = self._read = self._write = -1

    def __enter__(self) -> "Signals":
        self._read, self._write = os.pipe2(os.O_CLOEXEC)
        os.set_blocking(self._write, False)
        self._wakeup = signal.set_wakeup_fd(self._write, warn_on_full_buffer=False)
        for signum in self._signums:
            self._before[signum] = signal.signal(signum, _take_note)
        return self

    def __exit__(
        self,
        _type: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        for signum, handler in self._before.items():
            signal.signal(signum, handler)
        signal.set_wakeup_fd(self._wakeup)
        os.close(self._read)
        os.close(self._write)

    def wait(self) -> signal.Signals:
        """Wait for the next signal, or return at once one that has come already."""
        while True:
            (number,) = os.read(self._read, 1)
            if number in self._signums:
                return signal.Signals(number)


def _take_note(_signum: int, _frame: object) -> None:
    """Do nothing: the byte in the pipe says it all."""
