"""Which of the state file's lines are shown although no configuration names their tunnels.

Anybody can write any number of them. All that run are wanted; of the rest a few are enough.
"""

from collections.abc import Iterable

from tunnel_tui.model import TunnelEntry
from tunnel_tui.observe.identity import PROGRAMS, find_tagged
from tunnel_tui.system.proc import scan

MOST = 200


def choose(entries: Iterable[TunnelEntry], state_file: str) -> tuple[list[TunnelEntry], int]:
    """Choose the entries to show, in their order, and count those that are left out."""
    known = list(entries)
    if len(known) <= MOST:
        return known, 0
    tagged = {process.hash for process in find_tagged(state_file)}
    live = {stat.pid for stat in scan(PROGRAMS)}

    def rank(place: int) -> tuple[int, int]:
        entry = known[place]
        return (0 if entry.hash in tagged else 1 if entry.pid in live else 2), place

    chosen = sorted(sorted(range(len(known)), key=rank)[:MOST])
    return [known[place] for place in chosen], len(known) - MOST
