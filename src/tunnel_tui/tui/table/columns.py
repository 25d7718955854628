"""Which columns a table of a given width has, and how wide each is.

Widths depend on the terminal and on what is configured, never on what happens: nothing jumps.
"""

from collections.abc import Iterable
from typing import NamedTuple

from tunnel_tui.tui.format.glyphs import Glyphs
from tunnel_tui.tui.format.text import Ends, width_of

GUTTER = 2
BADGE = 13
GAP = 2
BRIEF = 24
"""Cells below which a reason is only its first words."""
REASON = 17
"""Cells that a reason has at least, however narrow the terminal."""
FIGURES = {"up": 7, "rtt": 8, "down": 9, "sent": 9, "again": 4, "hash": 10, "spark": 14}
"""Widths including the gap to the left of each."""
SMALLEST = {"name": 8, "listener": 9, "target": 9, "via": 6}
LARGEST = {"name": 26, "listener": 30, "target": 30, "via": 22}
SLACK = 3
"""Cells that each text column may gain where there is plenty of room."""


class Columns(NamedTuple):
    """A layout; a width of 0 means that the column is not shown.

    Attributes:
        figures: names and widths of the right-aligned columns, left to right.
        gap: cells between columns; one in narrow terminals.
        reason: cells from the end of the text columns to the right edge.
    """

    name: int
    listener: int
    arrow: int
    target: int
    via: int
    gap: int
    figures: tuple[tuple[str, int], ...]
    reason: int


def choose_figures(width: int) -> tuple[tuple[str, int], ...]:
    """Decide which figures fit a table `width` cells wide."""
    if width < 70:
        names: tuple[str, ...] = ("up",)
    elif width < 100:
        names = ("up", "rtt")
    elif width < 118:
        names = ("up", "rtt", "again")
    elif width < 148:
        names = ("up", "rtt", "down", "sent", "again")
    elif width < 168:
        names = ("up", "rtt", "down", "sent", "spark", "again")
    else:
        names = ("up", "rtt", "down", "sent", "spark", "again", "hash")
    return tuple((name, FIGURES[name]) for name in names)


def wanted_widths(
    names: Iterable[str], ends: Iterable[Ends], hosts: Iterable[str]
) -> dict[str, int]:
    """Measure what the text columns would take if there were room for all of it."""
    both = list(ends)
    measured = {
        "name": max(map(width_of, names), default=0),
        "listener": max((width_of(e.listener) for e in both), default=0),
        "target": max((width_of(e.target) for e in both), default=0),
        "via": max(map(width_of, hosts), default=0),
    }
    return {key: min(LARGEST[key], max(SMALLEST[key], size)) for key, size in measured.items()}


def share(wanted: dict[str, int], room: int) -> dict[str, int]:
    """Take cells from the widest column until all fit into `room`."""
    widths = dict(wanted)
    while sum(widths.values()) > room:
        widest = max(widths, key=lambda key: widths[key] - SMALLEST[key])
        if widths[widest] <= 4:
            break
        widths[widest] -= 1
    return widths


def plan_columns(width: int, wanted: dict[str, int], glyphs: Glyphs) -> Columns:
    """Lay out a table that is `width` cells wide.

    Args:
        width: cells between the edges, without the scroll bar.
        wanted: from `wanted_widths`.
        glyphs: the arrow of the ASCII set is one cell wider.
    """
    keys = ["name", "listener", "target", "via"]
    if width < 100:
        keys.remove("via")
    if width < 72:
        keys.remove("target")
    if width < 52:
        keys.remove("listener")
    figures = choose_figures(width)
    arrow = width_of(glyphs.arrow) + 2 if "target" in keys else 0
    gap = GAP if width >= 90 else 1
    gaps = gap * (1 + sum(key in {"name", "via"} for key in keys) + ("listener" in keys))
    figures_width = max(sum(size for _, size in figures), REASON)
    fixed = GUTTER + BADGE + arrow + gaps + figures_width
    room = max(0, width - fixed)
    widths = share({key: wanted[key] for key in keys}, room)
    spare = room - sum(widths.values()) - max(0, BRIEF - figures_width)
    for key in keys:
        widths[key] += max(0, min(SLACK, spare // (len(keys) + 1)))
    used = GUTTER + BADGE + arrow + gaps + sum(widths.values())
    return Columns(
        widths["name"],
        widths.get("listener", 0),
        arrow,
        widths.get("target", 0),
        widths.get("via", 0),
        gap,
        figures,
        max(0, width - used),
    )
