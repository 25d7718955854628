"""The line at the top: where we are, what holds, and the one thing that needs attention."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from tunnel_tui.model import State
from tunnel_tui.tui.format.glyphs import Glyphs
from tunnel_tui.tui.format.line import LineWidget, spans_width
from tunnel_tui.tui.format.text import STATE_TONES, Span, Tone, cut, width_of

COUNTED = (State.DEAD, State.STARTING, State.INTERACTIVE, State.RUNNING, State.STOPPED)
BAR = 12
ROOMY = 96
"""From this width on the header says who watches, not only that somebody does."""
SMALL = 72
"""Below this width what is not there is not counted."""


class Notice(NamedTuple):
    """The one thing that needs attention, with a shorter form for narrow terminals."""

    text: str
    short: str
    tone: Tone
    action: str = ""


class HeaderState(NamedTuple):
    """All that the header shows.

    Attributes:
        progress: what is being done, steps done, steps in all.
    """

    host: str = ""
    config: str = ""
    counts: Mapping[State, int] = {}
    watcher: str = ""
    notice: Notice | None = None
    progress: tuple[str, int, int] | None = None


class Header(LineWidget):
    """The header line."""

    def __init__(self, glyphs: Glyphs) -> None:
        super().__init__(id="header")
        self._glyphs = glyphs
        self._state = HeaderState()

    def show(self, state: HeaderState) -> None:
        """Show this state."""
        self._state = state
        self.update_line()

    def spans(self, width: int) -> Sequence[Span]:
        """Lay out: who and where on the left, counts on the right, news before all else."""
        right = self._right(width)
        room = width - spans_width(right) - 2
        left = self._left(room)
        return [*left, Span(" " * max(0, width - spans_width(left) - spans_width(right))), *right]

    def _right(self, width: int) -> list[Span]:
        spans: list[Span] = []
        for state in COUNTED:
            count = self._state.counts.get(state, 0)
            if not count and width < SMALL:
                continue
            glyph = self._glyphs.badges[state]
            tone = STATE_TONES[state] if count else Tone.FAINT
            spans.append(Span(f"{glyph} ", tone))
            spans.append(Span(f"{count}  ", Tone.PLAIN if count else Tone.FAINT))
        if (watcher := self._state.watcher) and width >= 76:
            on = watcher != "off"
            said = watcher if width >= ROOMY or not on else "on"
            tone = Tone.DIM if on else Tone.FAINT
            spans += [Span(" watcher ", Tone.FAINT), Span(f"{said} ", tone)]
        return spans

    def _left(self, room: int) -> list[Span]:
        state, glyphs = self._state, self._glyphs
        news = self._news(room)
        brand = [Span(" tunnel-tui", Tone.KEY)]
        where = [Span("  ")] + ([Span(state.host, Tone.PLAIN)] if state.host else [])
        if news:
            for lead in ([*brand, *where, Span("  ")], [*brand, Span("  ")], [Span(" ")]):
                if spans_width(lead) + spans_width(news) <= room:
                    return [*lead, *news]
            first, rest = news[0], room - 1
            return [Span(" "), first._replace(text=cut(first.text, rest, glyphs))]
        spare = room - spans_width(brand) - spans_width(where) - 2
        if spare < 0:
            return brand
        return [*brand, *where, Span("  "), Span(_tail(state.config, spare, glyphs), Tone.FAINT)]

    def _news(self, room: int) -> list[Span]:
        state, glyphs = self._state, self._glyphs
        if state.progress:
            what, done, total = state.progress
            full = BAR * done // max(1, total)
            return [
                Span(f"{what} ", Tone.ACCENT),
                Span(glyphs.bar_full * full, Tone.ACCENT),
                Span(glyphs.bar_empty * (BAR - full), Tone.FAINT),
                Span(f" {done}/{total}", Tone.DIM),
            ]
        if state.notice:
            notice = state.notice
            fits = width_of(notice.text) + 1 <= room
            return [Span(notice.text if fits else notice.short, notice.tone, notice.action)]
        return []


def _tail(path: str, width: int, glyphs: Glyphs) -> str:
    """Shorten a path from its beginning; nothing rather than a stump."""
    if width_of(path) <= width:
        return path
    return glyphs.cut + path[-(width - 1) :] if width >= 16 else ""
