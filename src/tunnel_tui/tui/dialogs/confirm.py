"""Asks before something is done that people would miss."""

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical, VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Static

from tunnel_tui.tui.shell.footer import KeyBar

YES = Binding("y,enter", "yes", "yes", id="confirm.yes", show=False, key_display="y")
NO = Binding("n,escape,q", "no", "no", id="confirm.no", show=False, key_display="n")


class Confirm(ModalScreen[bool]):
    """A question, what follows from it, and two keys."""

    BINDINGS: ClassVar[list[BindingType]] = [YES, NO]

    def __init__(self, question: str, lines: list[str], yes: str, no: str) -> None:
        super().__init__()
        self._question = question
        self._lines = lines
        self._keys: tuple[Binding, ...] = (
            Binding("y", "yes", yes, key_display="y"),
            Binding("n", "no", no, key_display="n"),
        )

    def compose(self) -> ComposeResult:
        """Lay out the dialog."""
        with Vertical(id="dialog"):
            yield Static(self._question, id="question", markup=False)
            with VerticalScroll(id="consequences", can_focus=False):
                yield Static("\n".join(self._lines), markup=False)
            yield KeyBar()

    def on_mount(self) -> None:
        """Show the two keys."""
        self.query_one(KeyBar).show(self._keys, ())

    def action_yes(self) -> None:
        """Do it."""
        self.dismiss(True)

    def action_no(self) -> None:
        """Leave everything as it is."""
        self.dismiss(False)
