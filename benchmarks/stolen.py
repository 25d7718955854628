"""Time that other virtual machines took from ours: what happened meanwhile says nothing of us."""

import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

_STAT = Path("/proc/stat")
_FIELD = 8
_TICK = 1000 / os.sysconf("SC_CLK_TCK")


def stolen() -> float:
    """Read for how many milliseconds our cores had to wait since boot (proc(5), /proc/stat, steal).

    Always 0 where nobody else has a share in the machine, or the hypervisor does not tell.
    """
    try:
        with _STAT.open("rb") as file:
            fields = file.readline().split()
    except OSError:
        return 0.0
    return int(fields[_FIELD]) * _TICK if len(fields) > _FIELD else 0.0


class Waits(list[float]):
    """Milliseconds that were waited, without those during which the machine was somebody else's."""

    def __init__(self) -> None:
        super().__init__()
        self.lost = 0

    def add(self, work: Callable[[], float]) -> None:
        """Do the work, which says how many seconds it took."""
        before = stolen()
        taken = work() * 1000
        if stolen() == before:
            self.append(taken)
        else:
            self.lost += 1


class Heartbeat:
    """A thread with nothing to do but to wake up: where even that comes late, it was the machine.

    A host that pauses a virtual machine does not always count that as stolen.
    """

    PAUSE = 0.005
    """Seconds between two beats."""

    def __init__(self) -> None:
        self._longest = 0.0
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> "Heartbeat":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ending.set()
        self._thread.join()

    def take(self) -> float:
        """Say by how many milliseconds a beat was late at most since the last time."""
        longest, self._longest = self._longest, 0.0
        return longest * 1000

    def _run(self) -> None:
        last = time.perf_counter()
        while not self._ending.wait(self.PAUSE):
            now = time.perf_counter()
            self._longest = max(self._longest, now - last - self.PAUSE)
            last = now
