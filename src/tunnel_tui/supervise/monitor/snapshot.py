"""What the monitor hands out: everything that is true at one moment, and what has changed."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from tunnel_tui.config.config import Config
from tunnel_tui.config.plan import Plan
from tunnel_tui.model import Reason, State, TunnelStatus
from tunnel_tui.state.history import Record

STOPPING = "stopping"
"""Detail of a tunnel that somebody is just ending."""


class Change(NamedTuple):
    """A tunnel went from one state to another."""

    hash: str
    name: str
    before: State
    after: State
    reason: Reason | None


class Snapshot(NamedTuple):
    """Everything at one moment.

    Attributes:
        statuses: the configured tunnels in order, then those that only run.
        config: the last good configuration, which stays in force.
        broken: the newest file, where it has mistakes; None: `config` is the newest.
        changes: since the snapshot before.
        plan: what applying the configuration would do, where the file has changed or something
            runs that it does not want; None: nothing to offer.
        watcher: who applies changes by itself; "": nobody.
        taken_at: epoch seconds.
        trouble: what keeps the monitor from seeing everything; "": nothing.
        lost: hashes of tunnels that are up although the state file no longer has them.
    """

    statuses: tuple[TunnelStatus, ...]
    config: Config
    broken: Config | None
    changes: tuple[Change, ...]
    plan: Plan | None
    watcher: str
    taken_at: float
    trouble: str = ""
    lost: frozenset[str] = frozenset()


def find_changes(before: Iterable[TunnelStatus], after: Iterable[TunnelStatus]) -> list[Change]:
    """List the tunnels whose state is another now; one that appears comes from rest."""
    old = {status.spec.hash: status for status in before}
    changes = []
    for status in after:
        spec = status.spec
        known = old.pop(spec.hash, None)
        rest = State.INTERACTIVE if spec.interactive else State.STOPPED
        past = known.state if known else rest
        if past is not status.state:
            changes.append(Change(spec.hash, spec.name, past, status.state, status.reason))
    changes += (
        Change(gone.spec.hash, gone.spec.name, gone.state, State.STOPPED, None)
        for gone in old.values()
        if gone.state in (State.RUNNING, State.STARTING, State.DEAD)
    )
    return changes


def records_of(
    changes: Iterable[Change], statuses: Sequence[TunnelStatus], now: float
) -> list[Record]:
    """Put changes of state into the words of the history."""
    known = {status.spec.hash: status for status in statuses}
    records = []
    for change in changes:
        status = known.get(change.hash)
        if status is not None and status.detail == STOPPING:
            continue  # the end of it will be recorded, not the way there
        if change.before is State.DEAD and change.after is State.STARTING:
            continue  # one of many attempts, perhaps: what comes of it is recorded
        records.append(_record(change, status.pid if status else None, now))
    return records


def _record(change: Change, pid: int | None, now: float) -> Record:
    code = change.reason.code.value if change.reason else ""
    text = change.reason.text if change.reason else ""
    return Record(now, change.hash, change.name, change.after.value, pid, code, text)
