"""What is wrong with the config file, all of it at once."""

from collections.abc import Sequence
from typing import ClassVar

from rich.table import Table
from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Static

from tunnel_tui.model import Problem
from tunnel_tui.tui.present import Tone, clean
from tunnel_tui.tui.widgets.line import TONE_CLASSES, Toned


class MistakesPage(Static, Toned):
    """Line number, key, and what is wrong, one under the other."""

    COMPONENT_CLASSES: ClassVar[set[str]] = set(TONE_CLASSES)

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__()
        self._problems = problems

    def on_mount(self) -> None:
        """Set the page."""
        grid = Table.grid(padding=(0, 2))
        grid.add_column(justify="right", no_wrap=True)
        grid.add_column()
        for problem in self._problems:
            tone = Tone.DEAD if problem.fatal else Tone.WARNING
            text = Text()
            if problem.key:
                text.append(f"{clean(problem.key)}  ", self.tone_style(Tone.NAME))
            text.append(clean(problem.message), self.tone_style(tone))
            if problem.value:
                text.append(f"\nfound {clean(problem.value)}", self.tone_style(Tone.DIM))
            if problem.allowed:
                text.append(f"\n{clean(problem.allowed)}", self.tone_style(Tone.DIM))
            where = f"line {problem.line}" if problem.line else ""
            grid.add_row(Text(where, self.tone_style(Tone.DIM)), text)
        self.update(grid)


class Mistakes(ModalScreen[None]):
    """The list of mistakes; goes away by itself when the file is mended."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,p,enter", "close", "close", id="mistakes.close", show=False),
        Binding("j,down", "scroll(1)", "down", id="mistakes.down", show=False),
        Binding("k,up", "scroll(-1)", "up", id="mistakes.up", show=False),
    ]

    def __init__(self, path: str, problems: Sequence[Problem]) -> None:
        super().__init__()
        self._path = path
        self._problems = problems

    def compose(self) -> ComposeResult:
        """Lay out the page."""
        with VerticalScroll(id="help-box") as box:
            box.border_title = clean(self._path).replace("[", "\\[")
            box.border_subtitle = "esc closes"
            yield MistakesPage(self._problems)

    def action_scroll(self, step: int) -> None:
        """Scroll by a line."""
        self.query_one("#help-box").scroll_relative(y=step, animate=False)

    def action_close(self) -> None:
        """Go back."""
        self.dismiss()
