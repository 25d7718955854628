"""A bare Textual app of the same widgets with rows that never change: the floor of first paint.

python -m benchmarks.app.bare TUNNELS
"""

import sys
from pathlib import Path
from typing import Any, ClassVar

from textual.app import App, ComposeResult
from textual.containers import Vertical
from textual.widgets import ContentSwitcher

from tunnel_tui import tui
from tunnel_tui.model import Direction, DirectionMode, State, TunnelSpec, TunnelStatus
from tunnel_tui.tui.details.reason_banner import Verdict
from tunnel_tui.tui.details.view import Details
from tunnel_tui.tui.format.glyphs import UNICODE
from tunnel_tui.tui.format.theme import THEMES
from tunnel_tui.tui.log.view import LogView
from tunnel_tui.tui.login.pane import LoginPane
from tunnel_tui.tui.shell.footer import KeyBar
from tunnel_tui.tui.shell.header import Header
from tunnel_tui.tui.shell.pane_tabs import PaneRule
from tunnel_tui.tui.table.empty import Empty
from tunnel_tui.tui.table.filter_bar import FilterBar, SearchBar
from tunnel_tui.tui.table.rows import Row
from tunnel_tui.tui.table.table import TableHead, TunnelTable

HERE = Path(tui.__file__).parent


def make_row(number: int) -> Row:
    """Let a tunnel stand as a row of the table has it."""
    spec = TunnelSpec(
        f"tunnel-{number:03}",
        f"me@host-{number % 20}",
        str(8000 + number),
        str(21_000 + number),
        Direction.REMOTE_TO_LOCAL,
        False,
        f"{number:032x}",
    )
    return Row(TunnelStatus(spec, State.STOPPED))


class Bare(App[None]):
    """Composes what the app composes, and shows its rows once."""

    CSS_PATH: ClassVar[list[Path]] = [
        HERE / "shell/app.tcss",
        HERE / "shell/main_screen.tcss",
        HERE / "dialogs/dialogs.tcss",
    ]

    def __init__(self, tunnels: int) -> None:
        super().__init__()
        for theme in THEMES:
            self.register_theme(theme)
        self.theme = THEMES[0].name
        self._tunnels = tunnels

    def compose(self) -> ComposeResult:
        """Lay out from top to bottom."""
        mode, glyphs = DirectionMode.DEFAULT, UNICODE
        table, log = TunnelTable(mode, glyphs), LogView(glyphs)
        self.table, self.head = table, TableHead(glyphs)
        yield Header(glyphs)
        with Vertical(id="top"):
            yield self.head
            yield table
            yield FilterBar(table, _nothing)
        empty = Empty(id="empty")
        empty.display = False
        yield empty
        with Vertical(id="pane"):
            yield PaneRule(glyphs)
            yield Verdict(glyphs)
            with ContentSwitcher(initial="log", id="pane-body"):
                yield log
                yield Details(mode, glyphs, "config.yaml")
                yield LoginPane(mode, glyphs)
            yield SearchBar(log, _nothing)
        yield KeyBar()

    def on_mount(self) -> None:
        """Show the rows."""
        rows = [make_row(number) for number in range(self._tunnels)]
        self.query_one("#top").styles.height = 22
        self.table.focus()
        self.table.measure(rows)
        self.table.show(rows)


def _nothing(text: str) -> Any:
    del text


if __name__ == "__main__":
    Bare(int(sys.argv[1])).run()
