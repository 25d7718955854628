"""The hairline between table and lower pane: it carries the tabs, and what the pane is doing."""

from collections.abc import Sequence
from enum import StrEnum

from textual.message import Message
from textual.reactive import reactive

from tunnel_tui.tui.format.glyphs import Glyphs
from tunnel_tui.tui.format.line import LineWidget, spans_width
from tunnel_tui.tui.format.text import Span, Tone, clean, cut, width_of


class Tab(StrEnum):
    """What the lower pane can show."""

    LOG = "log"
    DETAILS = "details"
    LOGIN = "login"


class PaneRule(LineWidget):
    """The tabs; the chosen one is held by the hairline, visible without colour."""

    tab: reactive[Tab] = reactive(Tab.LOG)
    live: reactive[bool] = reactive(False)

    class TabChosen(Message):
        """Another tab is to be shown."""

        def __init__(self, tab: Tab) -> None:
            super().__init__()
            self.tab = tab

    def watch_tab(self, tab: Tab) -> None:
        """Tell the screen."""
        self.post_message(self.TabChosen(tab))

    def __init__(self, glyphs: Glyphs) -> None:
        super().__init__(id="pane-rule")
        self._glyphs = glyphs
        self._tunnel = ""
        self._note = ""

    def show(self, name: str, note: str) -> None:
        """Say whose log or details these are, and what the pane is doing."""
        self._tunnel, self._note = clean(name), note
        self.update_line()

    def spans(self, width: int) -> Sequence[Span]:
        """Draw tabs to the left, name and note to the right, hairline between."""
        rule = self._glyphs.rule
        line = Tone.ACCENT if self.live else Tone.FAINT
        left = [Span(rule, line)]
        for tab in Tab:
            left += self._tab(tab, line)
        note = self._note if width >= 60 else ""
        room = width - spans_width(left) - width_of(note) - 8
        name = cut(self._tunnel, max(0, room), self._glyphs) if room > 3 else ""
        right: list[Span] = []
        if name:
            right += [Span(f" {name} ", Tone.NAME)]
        if note:
            right += [Span(f"{rule} " if name else " ", line), Span(f"{note} ", Tone.DIM)]
        right.append(Span(rule, line))
        gap = max(0, width - spans_width(left) - spans_width(right))
        return [*left, Span(rule * gap, line), *right]

    def _tab(self, tab: Tab, line: Tone) -> list[Span]:
        title, rule = tab.value.capitalize(), self._glyphs.rule
        action = f"screen.tab('{tab.value}')"
        opening, closing = ("[", "]") if self._glyphs.ascii else ("┤", "├")
        if tab is self.tab:
            return [
                Span(f"{opening} ", line),
                Span(title, Tone.NAME, action),
                Span(f" {closing}", line),
            ]
        return [Span(f"{rule} ", line), Span(title, Tone.DIM, action), Span(f" {rule}", line)]
