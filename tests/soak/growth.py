"""Do the watcher and the app grow? Descriptors and memory after warm-up and at the end."""

import os
from collections.abc import Iterator
from typing import NamedTuple

WARM = 120.0
"""Seconds after which a process has loaded what it needs, and its histories are full."""
_LOOKS = 30
"""Looks in a row at which there must be more descriptors than at first."""
SPARE_DESCRIPTORS = 3
"""A look, a start or a stop may be under way at the moment of counting."""
SPARE_MEMORY = 15.0
"""MB: what is taken once, when it is first needed: a pane full of wrapped hostile lines takes 5,
each dialog and the longer histories their share."""


class Size(NamedTuple):
    """What a process takes; `watched` are its pidfds, one for each live process it watches."""

    descriptors: int
    watched: int
    memory: float


def measure(pid: int) -> Size | None:
    """Count the descriptors of a process, and its megabytes."""
    try:
        with open(f"/proc/{pid}/statm") as file:
            memory = int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6
        names = list(_targets(pid))
    except OSError:
        return None
    watched = sum("pidfd" in name for name in names)
    return Size(len(names) - watched, watched, memory)


def _targets(pid: int) -> Iterator[str]:
    for name in os.listdir(f"/proc/{pid}/fd"):
        try:
            yield os.readlink(f"/proc/{pid}/fd/{name}")
        except OSError:
            continue


class Growth:
    """Follows one kind of process through all its lives."""

    def __init__(self, what: str) -> None:
        self.what = what
        self.worst = self.latest = 0.0
        self._pid = 0
        self._began = 0.0
        self._base: Size | None = None
        self._latest: list[int] = []

    def look(self, pid: int, now: float) -> str:
        """Compare a process with what it was when warm; "" where it has not grown."""
        size = measure(pid) if pid else None
        if size is None:
            return ""
        if pid != self._pid:
            self._pid, self._began, self._base, self._latest = pid, now, None, []
        if now - self._began < WARM:
            return ""
        if self._base is None:
            self._base = size
        # The least of the last looks: what is open only while many are started is no leak.
        self._latest = [*self._latest[1 - _LOOKS :], size.descriptors]
        self.latest = size.memory - self._base.memory
        self.worst = max(self.worst, self.latest)
        most = self._base.descriptors + SPARE_DESCRIPTORS
        if len(self._latest) == _LOOKS and min(self._latest) > most:
            return f"{self.what} (pid {pid}) has {size}, had {self._base}"
        if size.memory > self._base.memory + SPARE_MEMORY:
            return f"{self.what} (pid {pid}) has {size}, had {self._base}"
        return ""
