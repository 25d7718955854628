"""A page over the main screen that is read, scrolled, and answered with one key."""

from collections.abc import Sequence

from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Vertical, VerticalScroll
from textual.screen import ModalScreen
from textual.widget import Widget
from textual.widgets import Static

from tunnel_tui.tui.format.text import clean
from tunnel_tui.tui.shell.footer import KeyBar


class PageScreen(ModalScreen[bool]):
    """Heading, page, a line below it, and the keys; True: the page's offer was taken."""

    def __init__(self, heading: str, page: Widget, foot: str, keys: Sequence[Binding]) -> None:
        super().__init__()
        self._heading = clean(heading)
        self._page = page
        self._foot = foot
        self._keys = keys

    def compose(self) -> ComposeResult:
        """Lay out the page."""
        with Vertical(id="help-box") as box:
            box.border_title = self._heading.replace("[", "\\[")
            with VerticalScroll(id="page", can_focus=False):
                yield self._page
            if self._foot:
                yield Static(self._foot, id="holds", markup=False)
            yield KeyBar()

    def on_mount(self) -> None:
        """Show the keys."""
        self.query_one(KeyBar).show(self._keys, ())

    def action_scroll(self, step: int) -> None:
        """Scroll by a line."""
        self.query_one("#page").scroll_relative(y=step, animate=False)

    def action_accept(self) -> None:
        """Take what the page offers."""
        self.dismiss(True)

    def action_leave(self) -> None:
        """Leave everything as it is."""
        self.dismiss(False)


def scroll_keys(prefix: str) -> tuple[Binding, Binding]:
    """Make the keys that scroll a page; their ids begin with its name."""
    return (
        Binding("j,down", "scroll(1)", "down", id=f"{prefix}.down", show=False),
        Binding("k,up", "scroll(-1)", "up", id=f"{prefix}.up", show=False),
    )
