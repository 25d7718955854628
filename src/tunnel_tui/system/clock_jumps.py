"""Clock jumps: a suspended machine, a paused virtual one, a clock that was set."""

import time
from collections.abc import Callable

_ASLEEP = 2.0
"""Seconds asleep (CLOCK_BOOTTIME goes on, CLOCK_MONOTONIC does not) that count."""
_SET = 10.0
"""Seconds by which the wall clock must leave the steady one; corrections are smaller."""


def _since_boot() -> float:
    clock = getattr(time, "CLOCK_BOOTTIME", None)
    return time.monotonic() if clock is None else time.clock_gettime(clock)


class Jumps:
    """Compares three clocks from look to look.

    Args:
        steady: seconds that pass while the machine is awake.
        boot: seconds that pass while it sleeps, too.
        wall: epoch seconds.
    """

    def __init__(
        self,
        steady: Callable[[], float] = time.monotonic,
        boot: Callable[[], float] = _since_boot,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._steady, self._boot, self._wall = steady, boot, wall
        self._asleep, self._offset = self._read()

    def jumped(self) -> float:
        """Return the seconds by which a clock has jumped since the last look; 0: none has."""
        asleep, offset = self._read()
        slept, was_set = asleep - self._asleep, offset - self._offset
        self._asleep, self._offset = asleep, offset
        if slept > _ASLEEP:
            return slept
        return was_set if abs(was_set) > _SET else 0.0

    def _read(self) -> tuple[float, float]:
        steady = self._steady()
        return self._boot() - steady, self._wall() - steady
