"""One branch of the tree as spans: a host, how many of its tunnels are up, and what is wrong."""

from tunnel_tui.model import STATE_ORDER, State
from tunnel_tui.tui.format.glyphs import Glyphs
from tunnel_tui.tui.format.text import (
    NEEDS_LOGIN,
    STATE_TONES,
    Span,
    Tone,
    clean,
    cut,
    fit,
    width_of,
)
from tunnel_tui.tui.table.columns import BADGE, Columns
from tunnel_tui.tui.table.tree import Branch


def draw_branch(branch: Branch, columns: Columns, glyphs: Glyphs, *, chosen: bool) -> list[Span]:
    """Draw a branch: cursor, fold, tally of those up, host, tally of the others, the reason."""
    tone = Tone.RUNNING if branch.up == len(branch.rows) else STATE_TONES[branch.worst]
    fold = glyphs.folded if branch.folded else glyphs.unfolded
    spans = [
        Span(glyphs.cursor if chosen else " ", Tone.ACCENT),
        Span("+" if branch.marked else " ", Tone.ACCENT),
        Span(f"{fold} ", Tone.ACCENT),
        Span(fit(_tally(branch), BADGE - 2, glyphs), tone),
        Span(" " * columns.gap),
    ]
    room = _text_width(columns)
    others = _others(branch, glyphs)
    taken = sum(width_of(span.text) for span in others)
    if taken > room - 8:
        others, taken = [], 0
    name = cut(branch.host, room - taken, glyphs)
    spans += [Span(name, Tone.DEAD if branch.broken else Tone.NAME), *others]
    spans.append(Span(" " * max(0, room - taken - width_of(name))))
    return [*spans, *_trouble(branch, columns.reason, glyphs)]


def _tally(branch: Branch) -> str:
    long = f"{branch.up} of {len(branch.rows)} up"
    return long if len(long) <= BADGE - 2 else f"{branch.up}/{len(branch.rows)} up"


def _text_width(columns: Columns) -> int:
    """Add up the cells from the name to where the reasons begin."""
    gap = columns.gap
    width = columns.name + gap + columns.listener + columns.arrow + columns.target
    width += gap if columns.listener else 0
    return width + (columns.via + gap if columns.via else 0)


def _others(branch: Branch, glyphs: Glyphs) -> list[Span]:
    """Count those that are not up, by state."""
    spans: list[Span] = []
    for state, count in sorted(branch.counts().items(), key=lambda item: STATE_ORDER[item[0]]):
        if state is not State.RUNNING:
            spans.append(Span(f"  {glyphs.badges[state]} ", STATE_TONES[state]))
            spans.append(Span(str(count), Tone.PLAIN))
    return spans


def _trouble(branch: Branch, room: int, glyphs: Glyphs) -> list[Span]:
    text, times, total = branch.trouble()
    if text:
        tone = STATE_TONES[branch.worst]
        more = f" {glyphs.dot} {times} of {total}" if times < total else ""
        if times > 1 and times == total:
            more = f" {glyphs.dot} all {times}"
        shown = cut(clean(text), room - len(more) if room - len(more) > 12 else room, glyphs)
        return [
            Span(shown, tone),
            Span(more if width_of(shown) + len(more) <= room else "", Tone.DIM),
        ]
    if branch.worst is State.INTERACTIVE:
        return [Span(cut(NEEDS_LOGIN, room, glyphs), Tone.INTERACTIVE)]
    return []
