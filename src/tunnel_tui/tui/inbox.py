"""Where the engine's thread leaves snapshots for the app: the newest counts, no change is lost."""

import threading
from collections.abc import Callable
from typing import NamedTuple

from tunnel_tui.supervise.monitor import Change, Snapshot


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
        if listener and not waiting:
            listener()

    def listen(self, listener: Callable[[], object]) -> None:
        """Have `listener` called when something lies here; at once if something does."""
        with self._lock:
            self._listener = listener
            waiting = self._snapshot is not None
        if waiting:
            listener()

    def take(self) -> Delivery | None:
        """Take out what lies here."""
        with self._lock:
            snapshot, self._snapshot = self._snapshot, None
            changes, self._changes = tuple(self._changes), []
        return Delivery(snapshot, changes) if snapshot else None
