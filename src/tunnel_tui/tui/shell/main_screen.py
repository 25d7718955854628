"""The main screen: arranges table, lower pane and the lines around them."""

import time
from typing import ClassVar

from textual import events, on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.widgets import ContentSwitcher, Input

from tunnel_tui.model import State
from tunnel_tui.tui.config.actions import ConfigActions
from tunnel_tui.tui.details.reason_banner import Verdict
from tunnel_tui.tui.details.view import Details
from tunnel_tui.tui.format.text import clean
from tunnel_tui.tui.keys import bindings
from tunnel_tui.tui.log.actions import ALL, LogActions
from tunnel_tui.tui.log.reader import LogChange, LogReader
from tunnel_tui.tui.log.view import LogView
from tunnel_tui.tui.login.pane import LoginPane
from tunnel_tui.tui.login.terminal_view import TerminalView
from tunnel_tui.tui.shell.context import Context
from tunnel_tui.tui.shell.footer import KeyBar
from tunnel_tui.tui.shell.footer_keys import (
    AFTER_FAILURE,
    ALWAYS,
    SETS,
    TYPING,
    Place,
    keys_of_many,
    keys_of_row,
)
from tunnel_tui.tui.shell.header import Header
from tunnel_tui.tui.shell.messages import DetailsRead, LogRead, ScreenBuilt
from tunnel_tui.tui.shell.pane_tabs import PaneRule, Tab
from tunnel_tui.tui.table.empty import Empty, teach
from tunnel_tui.tui.table.filter_bar import FilterBar, SearchBar
from tunnel_tui.tui.table.rows import TrafficHistory
from tunnel_tui.tui.table.table import TableHead, TunnelTable
from tunnel_tui.tui.table.tree import branch_of, grow

AT_PROMPT = bindings.TERMINAL
NO_MATCH = "nothing matches: esc clears the filter"
NO_LOG = "no tunnel is selected"
PANE_LEAST = 8
"""Lines of the lower pane at 80x24, its rule included."""
TINY = 12
"""Below this many lines the lower pane gives way to the table."""


class MainScreen(LogActions, ConfigActions):
    """Shows all tunnels and, of the selected one, log, details or login."""

    BINDINGS: ClassVar[list[BindingType]] = [key for keys in SETS for key in keys]

    def __init__(self, context: Context) -> None:
        super().__init__()
        self.context = context
        self._configured: tuple[object, ...] = ()
        self._zoomed = False
        self._looked_up: tuple[object, ...] = ()
        self._reader = LogReader(self.follow_logs, self._deliver_log)
        glyphs, mode = context.glyphs, context.settings.direction_mode
        # Held by name: messages may still come when the widgets are on their way out.
        self.header = Header(glyphs)
        self.top, self.pane = Vertical(id="top"), Vertical(id="pane")
        self.head, self.table = TableHead(glyphs), TunnelTable(mode, glyphs)
        self.filter_bar, self.empty = FilterBar(self.table, self._filter), Empty(id="empty")
        self.rule, self.verdict = PaneRule(glyphs), Verdict(glyphs)
        self.body = ContentSwitcher(initial="log", id="pane-body")
        self.log_view, self.details = (
            LogView(glyphs),
            Details(mode, glyphs, context.settings.config_file),
        )
        self.search_bar = SearchBar(self.log_view, self.search)
        self.login_pane = LoginPane(mode, glyphs)
        self.key_bar = KeyBar()
        self.empty.display = False

    def compose(self) -> ComposeResult:
        """Lay out from top to bottom."""
        yield self.header
        with self.top:
            yield self.head
            yield self.table
            yield self.filter_bar
        yield self.empty
        with self.pane:
            yield self.rule
            yield self.verdict
            with self.body:
                yield self.log_view
                yield self.details
                yield self.login_pane
            yield self.search_bar
        yield self.key_bar

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Leave out what a read-only app has not (Textual asks before every action)."""
        del parameters
        return not (self.context.read_only and action in bindings.CHANGES)

    def on_mount(self) -> None:
        """Begin."""
        self.table.focus()
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
            self.table.measure(list(rows.rows))
            self._arrange()
        self._show_empty()
        self.show_rows()

    def show_rows(self) -> None:
        """Show the rows as the model has them now."""
        rows = self.context.rows
        visible = rows.visible()
        self.table.hint = (
            "" if visible or not rows.filter else "nothing matches: esc clears the filter"
        )
        self.table.show(grow(visible, rows.folded) if rows.tree else visible)
        self.filter_bar.count(len(visible), len(rows))
        self._show_selected()

    def _show_empty(self) -> None:
        snapshot, empty = self.context.snapshot, self.empty
        nothing = snapshot is not None and not len(self.context.rows)
        if nothing and snapshot is not None:
            newest = snapshot.broken or snapshot.config
            exists = bool(newest.text_digest)
            empty.show(teach(self.context.settings.config_file, exists, newest.problems))
        if empty.display != nothing:
            empty.display = nothing
            self._arrange()
            (empty if nothing else self.table).focus()

    def _arrange(self, height: int = 0) -> None:
        """Give the table what its rows need and the lower pane the rest."""
        height = height or self.size.height
        nothing = self.empty.display
        top, pane = self.top, self.pane
        tiny = height < TINY
        top.display = not nothing and not self._zoomed
        pane.display = not nothing and (not tiny or self._zoomed)
        free = height - 2
        least = PANE_LEAST if height < 30 else max(PANE_LEAST, height * 2 // 5)
        least = least if height >= 20 else height // 3
        rows = self.context.rows
        wanted = len(rows) + 2 + (len({branch_of(row) for row in rows.rows}) if rows.tree else 0)
        top.styles.height = free if tiny else max(4, min(max(wanted, 7), free - least))

    def share_lines(self) -> None:
        """Share the lines between table and lower pane anew."""
        self._arrange()

    @property
    def zoomed(self) -> bool:
        """Whether the lower pane has the whole screen."""
        return self._zoomed

    def zoom(self, on: bool | None = None) -> bool:
        """Give the lower pane the whole screen, or not; returns whether that changed."""
        wanted = not self._zoomed if on is None else on
        changed, self._zoomed = wanted != self._zoomed, wanted
        if changed:
            self._arrange()
            body = self.body.visible_content
            if wanted and body is not None:
                body.focus()
        return changed

    def _tick(self) -> None:
        """Let the times go on."""
        self._show_note()
        self.table.tick()
        if self.rule.tab is Tab.DETAILS and (row := self.selected):
            self.details.show(row.status, time.time(), self.context.rows.past(row.key))

    def _show_selected(self) -> None:
        """Bring lower pane and footer in line with the selected row."""
        row = self.selected
        status = row.status if row else None
        detailed = self.rule.tab is Tab.DETAILS
        self.verdict.show(status if self.rule.tab is Tab.LOG else None)
        self.show_login()
        if detailed:
            past = self.context.rows.past(row.key) if row else TrafficHistory()
            self.details.show(status, time.time(), past)
            self._look_up_details()
        self._show_note()
        self._show_keys()

    def _show_note(self) -> None:
        row, rule = self.selected, self.rule
        note = self.log_view.note if rule.tab is Tab.LOG and row else ""
        name = row.status.spec.name if row else ""
        if rule.tab is Tab.LOG and self.log_key:
            note = self.log_view.note
            name = (
                "all logs" if self.log_key == ALL else self.log_key.lstrip("@") if not row else name
            )
        if rule.tab is Tab.LOGIN and (session := self.login_pane.session):
            name, note = session.spec.name, session.describe() if session.alive else "failed"
        rule.show(name, note)

    def _show_keys(self) -> None:
        session = self._has_keyboard()
        if session is not None:
            # Here too, because a server may have drawn all that is between this line and the head.
            lead = f"typing goes to {session.spec.remote_host[:40]}" if session.takes_keys else ""
            keys = AT_PROMPT if session.alive else AFTER_FAILURE
            self.key_bar.show(keys, (), clean(lead))
            return
        if isinstance(self.focused, Input):
            self.key_bar.show(TYPING, ())
            return
        row = self.selected
        in_table = self.focused is None or isinstance(self.focused, TunnelTable)
        if in_table and (many := self.meant):
            marked = bool(self.context.rows.marked)
            lead = f"{len(many)} marked" if marked else f"all {len(many)}"
            self._show_allowed(keys_of_many(many, marked=marked), lead)
            return
        login = self.context.logins.of(row.status.spec) if row and row.login else None
        place = Place(
            in_table,
            self.rule.tab is Tab.DETAILS,
            bool(self.context.rows.filter),
            login is not None and login.takes_keys,
        )
        self._show_allowed(keys_of_row(row, place))

    def _show_allowed(self, keys: list[Binding], lead: str = "") -> None:
        allowed = [key for key in keys if self.check_action(key.action, ())]
        self.key_bar.show(allowed, ALWAYS, lead)

    def _look_up_details(self) -> None:
        """Climb the ladder anew when the tunnel, its state or its processes are others."""
        row = self.selected
        status = row.status if row else None
        key = (status.spec, status.state, status.pid, status.ssh_pid) if status else ()
        if status and key != self._looked_up:
            self.context.operations.read_details(status)
        self._looked_up = key

    def _deliver_log(self, key: str, told: LogChange, lines: list[str]) -> None:
        """Called by the reader's thread."""
        self.post_message(LogRead(key, told, lines))

    @on(LogRead)
    def _take_log(self, event: LogRead) -> None:
        self._reader.delivered()
        if event.key != self.log_key:
            return
        log, row = self.log_view, self.selected
        rests = row is not None and row.status.state in {State.STOPPED, State.INTERACTIVE}
        empty = "no log: it begins with a start" if rests else "no lines yet"
        if event.told is LogChange.OPENED:
            log.open(event.lines, empty)
        elif event.told is LogChange.BEGUN_ANEW:
            log.begin_anew(event.lines, empty)
        else:
            log.append(event.lines)

    def follow_log(self) -> None:
        """Show the log that is meant now."""
        self._reader.show(self.log_key)
        if self.log_key is None:
            self.log_view.open((), NO_LOG)
        self._show_note()

    @on(DetailsRead)
    def _take_details(self, event: DetailsRead) -> None:
        self.details.add(event.key, event.layers, event.command, event.more, time.time())

    @on(TunnelTable.Highlighted)
    def _select(self, event: TunnelTable.Highlighted) -> None:
        del event
        self.follow_log()
        self._show_selected()

    @on(TunnelTable.LaidOut)
    def _lay_out(self, event: TunnelTable.LaidOut) -> None:
        self.head.show(event.columns)

    @on(TunnelTable.Opened)
    def _open(self) -> None:
        self.action_tab("details")

    @on(TunnelTable.Folded)
    def _fold_clicked(self) -> None:
        self.action_open()

    @on(LogView.Changed)
    def _note_changed(self) -> None:
        self._show_note()

    @on(PaneRule.TabChosen)
    def _turn_to(self, event: PaneRule.TabChosen) -> None:
        self.body.current = event.tab.value
        # Toasts go to the top while a prompt is below: its head says who asks.
        self.set_class(event.tab is Tab.LOGIN, "-login")
        self._looked_up = ()
        self._show_selected()

    def action_leave_bar(self) -> None:
        """Keep what is typed in the filter or the search."""
        self._open_bar.action_done()

    def action_clear_bar(self) -> None:
        """Clear it."""
        self._open_bar.action_clear()

    @property
    def _open_bar(self) -> FilterBar:
        typed = self.focused
        return self.search_bar if typed and typed.parent is self.search_bar else self.filter_bar

    def _filter(self, text: str) -> None:
        if text != self.context.rows.filter:
            self.context.rows.filter = text
            self.show_rows()

    def on_descendant_focus(self, event: events.DescendantFocus) -> None:
        """Show which pane has the focus, and its keys."""
        self.rule.live = isinstance(event.widget, LogView | Details | TerminalView)
        if isinstance(event.widget, TerminalView):
            self.forget_waiting()
        self._show_keys()

    def on_resize(self, event: events.Resize) -> None:
        """Share the lines anew."""
        self._arrange(event.size.height)
