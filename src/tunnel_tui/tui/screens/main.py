"""The main screen: arranges table, lower pane and the lines around them."""

import time
from typing import ClassVar

from textual import events, on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical
from textual.widgets import ContentSwitcher

from tunnel_tui.model import State
from tunnel_tui.tui import bindings
from tunnel_tui.tui.abilities import why_not
from tunnel_tui.tui.context import Context
from tunnel_tui.tui.logreader import LogReader
from tunnel_tui.tui.messages import DetailsRead, LogRead, ScreenBuilt
from tunnel_tui.tui.screens.actions import Actions
from tunnel_tui.tui.widgets.details import Details
from tunnel_tui.tui.widgets.empty import Empty, teach
from tunnel_tui.tui.widgets.filterbar import FilterBar
from tunnel_tui.tui.widgets.header import Header
from tunnel_tui.tui.widgets.keybar import KeyBar
from tunnel_tui.tui.widgets.logview import LogView
from tunnel_tui.tui.widgets.panerule import PaneRule, Tab
from tunnel_tui.tui.widgets.table import TableHead, TunnelTable
from tunnel_tui.tui.widgets.verdict import Verdict

ALWAYS = [key for key in bindings.APP if key.id in {"app.help", "app.quit"}]
ON_ROW = ("start", "stop", "restart", "details", "log", "copy", "filter", "sort", "clean_up")
IN_PANE = ("back", "follow", "wrap", "next_failure", "zoom", "start", "stop", "restart")
KEYS = {key.action: key for key in [*bindings.TUNNEL, *bindings.ALL, *bindings.VIEW, *bindings.LOG]}
PANE_LEAST = 8
"""Lines of the lower pane at 80x24, its rule included."""
TINY = 12
"""Below this many lines the lower pane gives way to the table."""


class MainScreen(Actions):
    """Shows all tunnels and, of the selected one, log or details."""

    BINDINGS: ClassVar[list[BindingType]] = [
        *bindings.TUNNEL,
        *bindings.ALL,
        *bindings.VIEW,
        *bindings.LOG,
    ]

    def __init__(self, context: Context) -> None:
        super().__init__()
        self.context = context
        self._configured: tuple[object, ...] = ()
        self._zoomed = False
        self._reader = LogReader(context.engine.follow, self._deliver_log)

    def compose(self) -> ComposeResult:
        """Lay out from top to bottom."""
        glyphs, mode = self.context.glyphs, self.context.settings.direction_mode
        yield Header(glyphs)
        with Vertical(id="top"):
            yield TableHead(glyphs)
            yield TunnelTable(mode, glyphs)
            yield FilterBar()
        yield Empty(id="empty")
        with Vertical(id="pane"):
            yield PaneRule(glyphs)
            yield Verdict(glyphs)
            with ContentSwitcher(initial="log", id="pane-body"):
                yield LogView(glyphs)
                yield Details(mode, glyphs)
        yield KeyBar()

    def on_mount(self) -> None:
        """Begin."""
        self.query_one(Empty).display = False
        self.query_one(TunnelTable).focus()
        self._reader.start()
        self.set_interval(1.0, self._tick)
        self.post_message(ScreenBuilt())

    def on_unmount(self) -> None:
        """End the reader."""
        self._reader.close()

    def take_in(self) -> None:
        """Show the newest snapshot of the context."""
        snapshot = self.context.snapshot
        if snapshot is None:
            return
        rows = self.context.rows
        configured = tuple(row.status.spec for row in rows.rows)
        if configured != self._configured:
            self._configured = configured
            self.query_one(TunnelTable).measure(list(rows.rows))
            self._arrange()
        self._show_empty()
        self.show_rows()

    def show_rows(self) -> None:
        """Show the rows as the model has them now."""
        rows = self.context.rows
        visible = rows.visible()
        self.query_one(TunnelTable).show(visible)
        self.query_one(FilterBar).count(len(visible), len(rows))
        self._show_selected()

    def _show_empty(self) -> None:
        snapshot, empty = self.context.snapshot, self.query_one(Empty)
        nothing = snapshot is not None and not len(self.context.rows)
        if nothing and snapshot is not None:
            newest = snapshot.broken or snapshot.config
            exists = bool(newest.text_digest)
            empty.show(teach(self.context.settings.config_file, exists, newest.problems))
        if empty.display != nothing:
            empty.display = nothing
            self._arrange()

    def _arrange(self, height: int = 0) -> None:
        """Give the table what its rows need and the lower pane the rest."""
        height = height or self.size.height
        nothing = self.query_one(Empty).display
        top, pane = self.query_one("#top"), self.query_one("#pane")
        tiny = height < TINY
        top.display = not nothing and not self._zoomed
        pane.display = not nothing and (not tiny or self._zoomed)
        free = height - 2
        least = PANE_LEAST if height < 30 else max(PANE_LEAST, height * 2 // 5)
        least = least if height >= 20 else height // 3
        wanted = len(self.context.rows) + 2
        top.styles.height = free if tiny else max(4, min(max(wanted, 7), free - least))

    def zoom(self, on: bool | None = None) -> bool:
        """Give the lower pane the whole screen, or not; returns whether that changed."""
        wanted = not self._zoomed if on is None else on
        changed, self._zoomed = wanted != self._zoomed, wanted
        if changed:
            self._arrange()
            body = self.query_one(ContentSwitcher).visible_content
            if wanted and body is not None:
                body.focus()
        return changed

    def _tick(self) -> None:
        """Let the times go on."""
        self.query_one(TunnelTable).tick()
        if self.query_one(PaneRule).tab is Tab.DETAILS and (row := self.selected):
            self.query_one(Details).show(row.status, time.time())

    def _show_selected(self) -> None:
        """Bring lower pane and footer in line with the selected row."""
        row = self.selected
        status = row.status if row else None
        detailed = self.query_one(PaneRule).tab is Tab.DETAILS
        self.query_one(Verdict).show(None if detailed else status)
        if detailed:
            self.query_one(Details).show(status, time.time())
        self._show_note()
        self._show_keys()

    def _show_note(self) -> None:
        row, rule = self.selected, self.query_one(PaneRule)
        note = self.query_one(LogView).note if rule.tab is Tab.LOG and row else ""
        rule.show(row.status.spec.name if row else "", note)

    def _show_keys(self) -> None:
        row = self.selected
        in_table = self.focused is None or isinstance(self.focused, TunnelTable)
        names = ON_ROW if in_table else IN_PANE
        keys = [KEYS[name] for name in names if row is not None and not why_not(name, row)]
        self.query_one(KeyBar).show(keys, ALWAYS)

    def _look_up_details(self) -> None:
        if self.query_one(PaneRule).tab is Tab.DETAILS and (row := self.selected):
            self.context.operations.read_details(row.status)

    def _deliver_log(self, key: str, reset: bool, lines: list[str]) -> None:
        """Called by the reader's thread."""
        self.post_message(LogRead(key, reset, lines))

    @on(LogRead)
    def _take_log(self, event: LogRead) -> None:
        self._reader.delivered()
        row = self.selected
        if row is None or row.key != event.key:
            return
        log = self.query_one(LogView)
        if event.reset:
            stopped = row.status.state in {State.STOPPED, State.INTERACTIVE}
            log.open(event.lines, "no log: it begins with a start" if stopped else "no lines yet")
        else:
            log.append(event.lines)

    @on(DetailsRead)
    def _take_details(self, event: DetailsRead) -> None:
        self.query_one(Details).add(event.key, event.layers, event.command, time.time())

    @on(TunnelTable.Highlighted)
    def _select(self, event: TunnelTable.Highlighted) -> None:
        self._reader.show(event.key)
        self._show_selected()
        self._look_up_details()

    @on(TunnelTable.LaidOut)
    def _lay_out(self, event: TunnelTable.LaidOut) -> None:
        self.query_one(TableHead).show(event.columns)

    @on(TunnelTable.Opened)
    def _open(self) -> None:
        self.action_tab("details")

    @on(LogView.Changed)
    def _note_changed(self) -> None:
        self._show_note()

    @on(PaneRule.TabChosen)
    def _turn_to(self, event: PaneRule.TabChosen) -> None:
        self.query_one(ContentSwitcher).current = event.tab.value
        self._show_selected()
        self._look_up_details()

    @on(FilterBar.Changed)
    def _filter(self, event: FilterBar.Changed) -> None:
        self.context.rows.filter = event.text
        self.show_rows()

    @on(FilterBar.Left)
    def _leave_filter(self) -> None:
        self.query_one(TunnelTable).focus()

    def on_descendant_focus(self, event: events.DescendantFocus) -> None:
        """Show which pane has the focus, and its keys."""
        self.query_one(PaneRule).live = isinstance(event.widget, LogView | Details)
        self._show_keys()

    def on_resize(self, event: events.Resize) -> None:
        """Share the lines anew."""
        self._arrange(event.size.height)
