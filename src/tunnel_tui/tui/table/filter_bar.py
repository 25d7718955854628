"""The filter: words that a row must contain to be shown."""

from collections.abc import Callable
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.widget import Widget
from textual.widgets import Input, Static


class FilterBar(Horizontal):
    """One line to type in; hidden until asked for."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "clear", "clear", id="filter.clear", show=False),
        Binding("down", "done", "done", id="filter.done", show=False),
    ]

    NAME: ClassVar[str] = "filter-bar"
    HINT: ClassVar[str] = "words, or state:dead host:… port:… group:…"

    def __init__(self, home: Widget, apply: Callable[[str], None]) -> None:
        super().__init__(id=self.NAME)
        self._home = home
        self._apply = apply
        self.display = False
        self._input = Input(placeholder=self.HINT, compact=True)
        self._count = Static("", classes="bar-count", markup=False)
        self._counted = ""

    def compose(self) -> ComposeResult:
        """Lay out prompt, input and count."""
        yield Static(" / ", classes="bar-prompt", markup=False)
        yield self._input
        yield self._count

    @property
    def text(self) -> str:
        """The words."""
        return self._input.value

    def open(self) -> None:
        """Let the person type."""
        self.display = True
        self._input.focus()

    def count(self, shown: int, of: int) -> None:
        """Say how many rows the filter lets through."""
        text = f"{shown} of {of} "
        if self.display and text != self._counted:
            self._counted = text
            self._count.update(text)

    def action_clear(self) -> None:
        """Show all rows again."""
        self._input.value = ""
        self.display = False
        self._leave()

    def action_done(self) -> None:
        """Keep the filter and go back to the table."""
        self.display = bool(self.text)
        self._leave()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Take enter, which the input keeps to itself."""
        event.stop()
        self.action_done()

    def _leave(self) -> None:
        # At once, not by message: the next key is meant for the rows that are left.
        self._apply(self.text)
        if self._input.has_focus:
            self.screen.set_focus(self._home)

    def on_input_changed(self, event: Input.Changed) -> None:
        """Filter while typing."""
        event.stop()
        self._apply(event.value)


class SearchBar(FilterBar):
    """The same for the log: what is typed is looked for in its lines."""

    NAME: ClassVar[str] = "search-bar"
    HINT: ClassVar[str] = "look for …; n and N walk the matches"
