"""All keys, generated from the bindings, and what the badges mean."""

from typing import ClassVar

from rich.table import Table
from rich.text import Text
from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Static

from tunnel_tui.model import State
from tunnel_tui.tui.format.glyphs import Glyphs
from tunnel_tui.tui.format.line import TONE_CLASSES, Toned
from tunnel_tui.tui.format.text import STATE_TONES, Tone
from tunnel_tui.tui.keys.bindings import SECTIONS, key_text

MEANINGS = {
    State.RUNNING: "traffic passes",
    State.STARTING: "alive, but the forward does not stand yet (or no longer)",
    State.DEAD: "its process is gone; the reason stands in the row",
    State.INTERACTIVE: "needs a person to log in",
    State.STOPPED: "not started",
}


class HelpPage(Static, Toned):
    """The page of keys."""

    COMPONENT_CLASSES: ClassVar[set[str]] = set(TONE_CLASSES)

    def __init__(self, glyphs: Glyphs) -> None:
        super().__init__(id="help-page")
        self._glyphs = glyphs

    def on_resize(self, event: events.Resize) -> None:
        """Set the sections in two columns where there is room."""
        blocks = [self._section(title, keys) for title, keys in SECTIONS] + [self._badges()]
        page = Table.grid(padding=(0, 3), expand=True)
        if event.size.width < 92:
            page.add_column()
            for block in blocks:
                page.add_row(block)
        else:
            page.add_column(ratio=1)
            page.add_column(ratio=1)
            left, right = Table.grid(), Table.grid()
            for index, block in enumerate(blocks):
                (left if index in {0, 1, 2} else right).add_row(block)
            page.add_row(left, right)
        self.update(page)

    def _section(self, title: str, keys: list[Binding]) -> Table:
        grid = Table.grid(padding=(0, 1))
        grid.add_column(width=8, no_wrap=True)
        grid.add_column()
        grid.add_row("", Text(title, self.tone_style(Tone.FAINT)))
        for key in keys:
            grid.add_row(
                Text(key_text(key), self.tone_style(Tone.KEY), justify="right"),
                Text(key.tooltip, self.tone_style(Tone.PLAIN)),
            )
        grid.add_row("", "")
        return grid

    def _badges(self) -> Table:
        grid = Table.grid(padding=(0, 1))
        grid.add_column(width=14, no_wrap=True)
        grid.add_column()
        for state, meaning in MEANINGS.items():
            label = f" {self._glyphs.badges[state]} {state.value}"
            grid.add_row(
                Text(label, self.tone_style(STATE_TONES[state])),
                Text(meaning, self.tone_style(Tone.DIM)),
            )
        return grid


class Help(ModalScreen[None]):
    """The help screen."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,question_mark,enter", "close", "close", id="help.close", show=False),
        Binding("j,down", "scroll(1)", "down", id="help.down", show=False),
        Binding("k,up", "scroll(-1)", "up", id="help.up", show=False),
    ]

    def __init__(self, glyphs: Glyphs) -> None:
        super().__init__()
        self._glyphs = glyphs

    def compose(self) -> ComposeResult:
        """Lay out the page."""
        with VerticalScroll(id="help-box") as box:
            box.border_title = "Keys"
            box.border_subtitle = "esc closes"
            yield HelpPage(self._glyphs)

    def action_scroll(self, step: int) -> None:
        """Scroll by a line."""
        self.query_one("#help-box").scroll_relative(y=step, animate=False)

    def action_close(self) -> None:
        """Go back."""
        self.dismiss()
