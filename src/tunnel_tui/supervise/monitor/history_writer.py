"""What goes into the history: every change of state, and what happened while nobody looked."""

import time
from collections.abc import Iterable

from tunnel_tui.model import State, TunnelStatus
from tunnel_tui.settings import Settings
from tunnel_tui.state.history import History, Record
from tunnel_tui.supervise.monitor.snapshot import Change, Snapshot, records_of


class HistoryWriter:
    """Writes the history of one state file."""

    def __init__(self, settings: Settings) -> None:
        self._history = History(settings.history_file)

    def write(self, before: Snapshot | None, snapshot: Snapshot | None) -> str:
        """Write what changed between two snapshots; at the first, what is not known yet.

        Returns:
            What keeps it from being written; "": nothing.
        """
        if snapshot is None or snapshot is before:
            return ""
        try:
            if before is None:
                records = self._unknown(snapshot)
            else:
                records = records_of(snapshot.changes, snapshot.statuses, snapshot.taken_at)
            for record in records:
                self._history.append(record)
        except OSError as error:
            return f"the history cannot be written: {error.strerror or error}"
        return ""

    def _unknown(self, snapshot: Snapshot) -> list[Record]:
        last = {record.hash: record for record in self._history.read()}
        records = []
        for status in snapshot.statuses:
            known = last.get(status.spec.hash)
            before = known.state if known else State.STOPPED.value
            at_rest = status.state in (State.STOPPED, State.INTERACTIVE)
            if at_rest and before in (status.state.value, State.STOPPED.value):
                continue
            change = Change(
                status.spec.hash, status.spec.name, State.STOPPED, status.state, status.reason
            )
            records += records_of([change], [status], _beginning(status, known, snapshot.taken_at))
        return records


def record_stops(settings: Settings, tunnels: Iterable[tuple[str, str]]) -> None:
    """Write down that tunnels (hash, name) were stopped; their logs are gone with them."""
    history = History(settings.history_file)
    now = time.time()
    try:
        for tunnel_hash, name in tunnels:
            stopped = State.STOPPED.value
            history.append(Record(now, tunnel_hash, name, stopped, None, "", ""))
    except OSError:
        return  # a full disk must not keep anything from being stopped


def _beginning(status: TunnelStatus, known: Record | None, now: float) -> float:
    """When a state began that nobody saw begin: never before what is known already."""
    since = status.since or now
    return min(now, max(since, known.time)) if known else min(now, since)
