"""The filter: words that a row must contain to be shown."""

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.message import Message
from textual.widgets import Input, Static


class FilterBar(Horizontal):
    """One line to type in; hidden until asked for."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "clear", "clear", id="filter.clear", show=False),
        Binding("enter,down", "done", "done", id="filter.done", show=False),
    ]

    class Changed(Message):
        """The words changed."""

        def __init__(self, text: str) -> None:
            super().__init__()
            self.text = text

    class Left(Message):
        """The person is done typing."""

    def __init__(self) -> None:
        super().__init__(id="filter-bar")
        self.display = False
        self._input = Input(placeholder="name, host, port or state", compact=True)
        self._count = Static("", id="filter-count", markup=False)
        self._counted = ""

    def compose(self) -> ComposeResult:
        """Lay out prompt, input and count."""
        yield Static(" / ", id="filter-prompt", markup=False)
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
        self.post_message(self.Left())

    def action_done(self) -> None:
        """Keep the filter and go back to the table."""
        self.display = bool(self.text)
        self.post_message(self.Left())

    def on_input_changed(self, event: Input.Changed) -> None:
        """Filter while typing."""
        event.stop()
        self.post_message(self.Changed(event.value))
