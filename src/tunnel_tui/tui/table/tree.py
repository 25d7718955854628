"""Rows grouped by their remote host: each host is a branch that can be folded. Pure."""

from collections import Counter
from collections.abc import Collection, Iterable
from typing import NamedTuple

from tunnel_tui.model import STATE_ORDER, State
from tunnel_tui.tui.format.text import host_label
from tunnel_tui.tui.table.rows import Row

MIDDLE, LAST = "middle", "last"
_BROKEN = frozenset({State.DEAD, State.STARTING})


class Branch(NamedTuple):
    """A remote host with the tunnels through it."""

    host: str
    rows: tuple[Row, ...]
    folded: bool

    @property
    def key(self) -> str:
        """What the cursor holds on to; no tunnel's hash begins like this."""
        return branch_key(self.host)

    @property
    def up(self) -> int:
        """How many of its tunnels are RUNNING."""
        return sum(row.status.state is State.RUNNING for row in self.rows)

    @property
    def worst(self) -> State:
        """The state that a person wants to hear of first."""
        return min((row.status.state for row in self.rows), key=STATE_ORDER.__getitem__)

    @property
    def broken(self) -> bool:
        """True where nothing gets through, though it should: perhaps the host itself is gone."""
        states = [row.status.state for row in self.rows]
        return State.RUNNING not in states and any(state in _BROKEN for state in states)

    @property
    def marked(self) -> bool:
        """True where every tunnel of it is marked."""
        return all(row.marked for row in self.rows)

    def counts(self) -> Counter[State]:
        """Count its tunnels per state."""
        return Counter(row.status.state for row in self.rows)

    def trouble(self) -> tuple[str, int, int]:
        """Say the commonest reason among its tunnels, how many have it, how many have any."""
        texts = Counter(row.status.reason.text for row in self.rows if row.status.reason)
        if not texts:
            return "", 0, 0
        text, times = texts.most_common(1)[0]
        return text, times, texts.total()


Item = Row | Branch


def branch_key(host: str) -> str:
    """Name the branch of a host."""
    return f"@{host}"


def branch_of(row: Row) -> str:
    """Name the branch on which a row grows."""
    return branch_key(host_label(row.status.spec.remote_host))


def grow(rows: Iterable[Row], folded: Collection[str]) -> list[Item]:
    """Group rows by host; hosts come in the order of their first rows.

    Args:
        rows: as filtered and sorted.
        folded: keys of the branches whose rows are hidden.
    """
    groups: dict[str, list[Row]] = {}
    for row in rows:
        groups.setdefault(host_label(row.status.spec.remote_host), []).append(row)
    items: list[Item] = []
    for host, members in groups.items():
        branch = Branch(host, tuple(members), branch_key(host) in folded)
        items.append(branch)
        if not branch.folded:
            items += (row._replace(guide=MIDDLE) for row in members[:-1])
            items.append(members[-1]._replace(guide=LAST))
    return items
