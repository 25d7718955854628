"""Where the engine's thread leaves snapshots for the app: the newest counts, no change is lost."""

import threading
from collections import deque
from collections.abc import Callable, Iterable
from typing import NamedTuple

from tunnel_tui.model import State
from tunnel_tui.supervise.monitor.monitor import Change, Snapshot


class Delivery(NamedTuple):
    """The newest snapshot and all changes since the last delivery."""

    snapshot: Snapshot
    changes: tuple[Change, ...]


class Inbox:
    """Coalesces snapshots while the app is busy; announces the first at once, without delay."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._snapshot: Snapshot | None = None
        self._changes: list[Change] = []
        self._listener: Callable[[], object] | None = None

    def put(self, snapshot: Snapshot) -> None:
        """Leave a snapshot. Called by the engine's thread."""
        with self._lock:
            waiting = self._snapshot is not None
            self._snapshot = snapshot
            self._changes.extend(snapshot.changes)
            listener = self._listener
        if listener and (not waiting or tells_of_death(snapshot.changes)):
            listener()

    def listen(self, listener: Callable[[], object]) -> None:
        """Have `listener` called when something lies here; at once if something does."""
        with self._lock:
            self._listener = listener
            waiting = self._snapshot is not None
        if waiting:
            listener()

    @property
    def urgent(self) -> bool:
        """Whether a death lies here."""
        with self._lock:
            return tells_of_death(self._changes)

    def take(self) -> Delivery | None:
        """Take out what lies here."""
        with self._lock:
            snapshot, self._snapshot = self._snapshot, None
            changes, self._changes = tuple(self._changes), []
        return Delivery(snapshot, changes) if snapshot else None


def tells_of_death(changes: Iterable[Change]) -> bool:
    """Say whether a tunnel died among these changes."""
    return any(change.after is State.DEAD for change in changes)


class RateLimit:
    """How often the screen takes in what is new: at once, but not without end.

    A single change must show within a frame. Where changes come in a stream, nobody can read more
    than a few pictures a second, and drawing them would take the time that keys need.
    """

    BURST = 6
    """Snapshots in quick succession that are shown at once."""
    STEP = 0.25
    """Seconds between two where there are more."""

    def __init__(self) -> None:
        self._taken: deque[float] = deque(maxlen=self.BURST)

    def wait(self, now: float) -> float:
        """Say in how many seconds to look again; 0: now. `now` is of a monotonic clock."""
        taken = self._taken
        if len(taken) == self.BURST and now - taken[0] < self.STEP * self.BURST:
            due = taken[-1] + self.STEP
            if now < due - 0.005:
                return due - now
        taken.append(now)
        return 0.0
