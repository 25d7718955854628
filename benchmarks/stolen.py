"""Time that other virtual machines took from ours: what happened meanwhile says nothing of us."""

import threading
import time
from collections.abc import Callable
from pathlib import Path

_STAT = Path("/proc/stat")
_FIELD = 8


def stolen() -> int:
    """Read for how many clock ticks our cores had to wait since boot (proc(5), /proc/stat, steal).

    Always 0 where nobody else has a share in the machine, or the hypervisor does not tell.
    """
    try:
        with _STAT.open("rb") as file:
            fields = file.readline().split()
    except OSError:
        return 0
    return int(fields[_FIELD]) if len(fields) > _FIELD else 0


class Waits(list[float]):
    """Milliseconds that were waited, without those during which the machine was somebody else's.

    Args:
        taken_away: a count that goes up whenever the machine was.
    """

    def __init__(self, taken_away: Callable[[], int] = stolen) -> None:
        super().__init__()
        self.lost = 0
        self._taken_away = taken_away

    def add(self, work: Callable[[], float]) -> None:
        """Do the work, which says how many seconds it took."""
        before = self._taken_away()
        taken = work() * 1000
        if self._taken_away() == before:
            self.append(taken)
        else:
            self.lost += 1


class Heartbeat:
    """A thread with nothing to do but to wake up: where even that comes late, it was the machine.

    A host that pauses a virtual machine does not always count that as stolen.
    """

    PAUSE = 0.005
    """Seconds between two beats."""
    LATE = 0.02
    """Seconds by which a beat is so late that no program could have done better."""

    def __init__(self) -> None:
        self._standstills = 0
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> "Heartbeat":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ending.set()
        self._thread.join()

    def standstills(self) -> int:
        """Say how often a beat was late so far."""
        return self._standstills

    def _run(self) -> None:
        last = time.perf_counter()
        while not self._ending.wait(self.PAUSE):
            now = time.perf_counter()
            self._standstills += now - last > self.PAUSE + self.LATE
            last = now
