"""The rows of the table as a model: merged, measured, filtered, sorted. Knows no widget."""

from collections import Counter, deque
from collections.abc import Iterable, Sequence
from enum import StrEnum
from typing import NamedTuple

from tunnel_tui.model import STATE_ORDER, Reason, State, TunnelStatus
from tunnel_tui.tui.table.filter_query import matches, parse_query

HISTORY = 12
"""Samples of traffic kept for the little graph."""
PAST = 90
"""Samples kept of each tunnel for its details."""
MIN_INTERVAL = 0.7
"""Seconds between two samples: a rate over less is noise."""


class Order(StrEnum):
    """How the rows are sorted; the value is what the screen says."""

    STATE = "worst first"
    NAME = "by name"
    HOST = "by host"
    FILE = "as in the file"


class Rate(NamedTuple):
    """Bytes per second through the ssh connection, with the recent past of their sum."""

    received: float
    sent: float
    history: tuple[float, ...] = ()


class TrafficHistory(NamedTuple):
    """The recent past of a connection, oldest first: bytes per second, and seconds."""

    received: tuple[float, ...] = ()
    sent: tuple[float, ...] = ()
    round_trip: tuple[float, ...] = ()


class Row(NamedTuple):
    """One tunnel as the table holds it. `guide` says where in a tree it hangs."""

    status: TunnelStatus
    rate: Rate | None = None
    busy: str = ""
    login: str = ""
    marked: bool = False
    guide: str = ""

    @property
    def key(self) -> str:
        """The tunnel's hash."""
        return self.status.spec.hash


class Meter:
    """Turns the kernel's totals of one connection into rates."""

    def __init__(self) -> None:
        self._last: tuple[int | None, float, int, int] | None = None
        self._history: deque[float] = deque(maxlen=HISTORY)
        self._past: deque[tuple[float, float, float]] = deque(maxlen=PAST)
        self.rate: Rate | None = None

    def measure(self, status: TunnelStatus, now: float) -> Rate | None:
        """Take the totals of `status` at `now`; None while there is nothing to compare with."""
        traffic = status.traffic
        if traffic is None:
            self._last = self.rate = None
            self._history.clear()
            self._past.clear()
            return None
        sample = (status.ssh_pid, now, traffic.sent, traffic.received)
        last = self._last
        if last is None or last[0] != sample[0] or traffic.sent < last[2]:
            self._last, self.rate = sample, None
            return None
        elapsed = now - last[1]
        if elapsed < MIN_INTERVAL:
            return self.rate
        received, sent = (traffic.received - last[3]) / elapsed, (traffic.sent - last[2]) / elapsed
        self._history.append(received + sent)
        self._past.append((received, sent, traffic.rtt))
        self._last, self.rate = sample, Rate(received, sent, tuple(self._history))
        return self.rate

    @property
    def past(self) -> TrafficHistory:
        """What was measured lately."""
        received, sent, round_trip = zip(*self._past, strict=True) if self._past else ((), (), ())
        return TrafficHistory(received, sent, round_trip)


class RowModel:
    """All rows, and those that the filter lets through, in order."""

    def __init__(self) -> None:
        self.order = Order.STATE
        self.filter = ""
        self.tree = False
        self.folded: set[str] = set()
        self._rows: dict[str, Row] = {}
        self._places: dict[str, int] = {}
        self._meters: dict[str, Meter] = {}
        self._busy: dict[str, str] = {}
        self._logins: dict[str, str] = {}
        self._failures: dict[str, Reason] = {}
        self._marks: set[str] = set()

    def update(self, statuses: Sequence[TunnelStatus], now: float) -> None:
        """Take in what is true at `now` (epoch seconds)."""
        rows: dict[str, Row] = {}
        for status in statuses:
            key = status.spec.hash
            if key in rows:
                continue
            meter = self._meters.get(key)
            if meter is None:
                meter = self._meters[key] = Meter()
            rate = meter.measure(status, now)
            if status.state is State.RUNNING:
                self._failures.pop(key, None)
            status = self._with_failure(status)
            busy, login = self._busy.get(key, ""), self._logins.get(key, "")
            rows[key] = Row(status, rate, busy, login, key in self._marks)
        self._rows = rows
        self._places = {key: place for place, key in enumerate(rows)}
        self._marks &= rows.keys()
        for gone in self._meters.keys() - rows.keys():
            del self._meters[gone]

    def past(self, key: str) -> TrafficHistory:
        """Tell how a tunnel's connection fared lately."""
        meter = self._meters.get(key)
        return meter.past if meter else TrafficHistory()

    def set_busy(self, key: str, what: str) -> None:
        """Say what is being done to a tunnel right now; empty: nothing."""
        if what:
            self._busy[key] = what
        else:
            self._busy.pop(key, None)
        if key in self._rows:
            self._rows[key] = self._rows[key]._replace(busy=what)

    def busy(self, key: str) -> str:
        """Tell what is being done to a tunnel right now."""
        return self._busy.get(key, "")

    def mark(self, keys: Iterable[str], on: bool) -> None:
        """Mark tunnels, or take their marks away."""
        for key in keys:
            if key in self._rows:
                self._rows[key] = self._rows[key]._replace(marked=on)
                (self._marks.add if on else self._marks.discard)(key)

    def unmark_all(self) -> None:
        """Take all marks away."""
        self.mark(tuple(self._marks), False)

    @property
    def marked(self) -> list[Row]:
        """The marked tunnels, in the order of the configuration."""
        return [row for row in self._rows.values() if row.marked]

    def set_login(self, key: str, what: str) -> None:
        """Say how far a login under way for a tunnel is; empty: there is none."""
        if what:
            self._logins[key] = what
        else:
            self._logins.pop(key, None)
        if key in self._rows:
            self._rows[key] = self._rows[key]._replace(login=what)

    def set_failure(self, key: str, reason: Reason | None) -> None:
        """Remember why the last login for a tunnel failed; None: it did not."""
        if reason is not None:
            self._failures[key] = reason
        else:
            self._failures.pop(key, None)
        if key in self._rows:
            row = self._rows[key]
            self._rows[key] = row._replace(status=self._with_failure(row.status))

    def _with_failure(self, status: TunnelStatus) -> TunnelStatus:
        """Let a tunnel that is down for want of a login say why the last one failed."""
        reason = self._failures.get(status.spec.hash)
        if reason is None or status.state not in {State.INTERACTIVE, State.DEAD}:
            return status
        return status._replace(reason=reason)

    def get(self, key: str | None) -> Row | None:
        """Find a row by the tunnel's hash."""
        return self._rows.get(key) if key else None

    @property
    def rows(self) -> Iterable[Row]:
        """All rows in the order of the configuration."""
        return self._rows.values()

    def __len__(self) -> int:
        return len(self._rows)

    def counts(self) -> Counter[State]:
        """Count the tunnels per state."""
        return Counter(row.status.state for row in self._rows.values())

    def visible(self) -> list[Row]:
        """List the rows that the filter lets through, sorted."""
        terms = parse_query(self.filter)
        chosen = [row for row in self._rows.values() if matches(row.status, terms)]
        return sorted(chosen, key=self._sort_key)

    def _sort_key(self, row: Row) -> tuple[int, str, str, int]:
        spec, place = row.status.spec, self._places[row.key]
        if self.order is Order.STATE:
            return (STATE_ORDER[row.status.state], "", "", place)
        if self.order is Order.NAME:
            return (0, spec.name.casefold(), "", place)
        if self.order is Order.HOST:
            return (0, spec.remote_host.rpartition("@")[2].casefold(), "", place)
        return (0, "", "", place)


def next_order(order: Order) -> Order:
    """Go to the next way of sorting."""
    orders = list(Order)
    return orders[(orders.index(order) + 1) % len(orders)]
