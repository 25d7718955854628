"""A clock for patience: it goes slower while other programs keep the processors busy."""

import math
import os
import threading
import time


class Clock:
    """Seconds in which the machine could have worked for us.

    Grace times are meant for a machine that has time. Where more processes want to run than
    there are cores, a second of this clock takes longer, as the work does.

    Attributes:
        slowest: the lowest rate that it went at since `reset`.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._wall = time.monotonic()
        self._seconds = 0.0
        self._rate = 1.0
        self._cores = os.cpu_count() or 1
        self.began = self._wall

    def now(self) -> float:
        """Seconds since the beginning, as far as they counted."""
        with self._lock:
            return self._seconds + (time.monotonic() - self._wall) * self._rate

    def elapsed(self) -> float:
        """Seconds since the beginning by the wall."""
        return time.monotonic() - self.began

    @property
    def share(self) -> float:
        """How much of the time counted."""
        return self.now() / max(0.001, self.elapsed())

    def skip(self, seconds: float) -> None:
        """Leave out the last so many seconds by the wall: the whole machine stood still."""
        with self._lock:
            self._seconds -= seconds * self._rate

    def tick(self) -> None:
        """Look how busy the machine is; about once a second."""
        with open("/proc/loadavg") as file:
            runnable = int(file.read().split()[3].partition("/")[0])
        # Most of what is waited for is timers, not work: a busy machine is not slower by as much.
        rate = min(1.0, math.sqrt(2.0 * self._cores / max(1, runnable)))
        with self._lock:
            moment = time.monotonic()
            self._seconds += (moment - self._wall) * self._rate
            self._wall = moment
            self._rate = 0.7 * self._rate + 0.3 * rate


def stamp() -> str:
    """The time of day, as logs have it."""
    return time.strftime("%H:%M:%S")
