"""What the keys of the main screen do. A key that cannot act says why."""

from collections.abc import Callable

from textual.screen import Screen
from textual.widgets import ContentSwitcher

from tunnel_tui.model import UP, State, TunnelSpec
from tunnel_tui.tui.dialogs.confirm import Confirm
from tunnel_tui.tui.format.text import clean, forward_of, is_plain
from tunnel_tui.tui.keys.availability import why_not
from tunnel_tui.tui.log.view import LogView
from tunnel_tui.tui.shell.context import Context
from tunnel_tui.tui.shell.header_notice import count
from tunnel_tui.tui.shell.operations import BUSY
from tunnel_tui.tui.shell.pane_tabs import PaneRule, Tab
from tunnel_tui.tui.table.filter_bar import FilterBar
from tunnel_tui.tui.table.rows import Row, next_order
from tunnel_tui.tui.table.table import TunnelTable


class Actions(Screen[None]):
    """The actions behind the bindings; the screen that arranges the widgets inherits them."""

    context: Context
    table: TunnelTable
    filter_bar: FilterBar
    rule: PaneRule
    log_view: LogView
    body: ContentSwitcher

    def show_rows(self) -> None:
        """Show the rows as the model has them now."""
        raise NotImplementedError

    def share_lines(self) -> None:
        """Share the lines between table and lower pane anew."""
        raise NotImplementedError

    @property
    def zoomed(self) -> bool:
        """Whether the lower pane has the whole screen."""
        raise NotImplementedError

    def zoom(self, on: bool | None = None) -> bool:
        """Give the lower pane the whole screen, or not; returns whether it has it."""
        raise NotImplementedError

    @property
    def selected(self) -> Row | None:
        """The row under the cursor."""
        return self.context.rows.get(self.table.key)

    def refuse(self, what: str, why: str) -> None:
        """Say why a key does nothing."""
        self.notify(why, title=what, severity="warning", markup=False, timeout=4)

    def _handle(self, verb: str) -> None:
        row = self.selected
        why = why_not(verb, row)
        if why or row is None:
            name = clean(row.status.spec.name) if row else ""
            self.refuse(f"Cannot {verb} {name}".rstrip(), why)
            return
        self.context.rows.set_busy(row.key, BUSY[verb])
        self.show_rows()
        self.context.operations.handle_one(verb, row.status.spec)

    def action_start(self) -> None:
        """Start the selected tunnel."""
        self._handle("start")

    def action_stop(self) -> None:
        """Stop the selected tunnel; one whose turn to start has not come will not be started."""
        row, operations = self.selected, self.context.operations
        if row is not None and why_not("stop", row) and row.key in operations.under_way:
            operations.handle_one("stop", row.status.spec)
            name = clean(row.status.spec.name)
            self.notify("it will not be started", title=name, markup=False, timeout=4)
            return
        self._handle("stop")

    def action_restart(self) -> None:
        """Restart the selected tunnel."""
        self._handle("restart")

    def _specs(self) -> list[TunnelSpec]:
        snapshot = self.context.snapshot
        return list(snapshot.config.tunnels) if snapshot else []

    def _startable(self) -> list[TunnelSpec]:
        rows = self.context.rows.rows
        return [row.status.spec for row in rows if not why_not("start", row)]

    def action_start_all(self) -> None:
        """Start every tunnel that is not up."""
        specs = self._startable()
        if specs:
            self.context.operations.start_all(specs)
        else:
            self.refuse("Cannot start all", "every tunnel that needs no login is up already")

    def action_stop_all(self) -> None:
        """Stop every tunnel, after asking."""
        states = [row.status.state for row in self.context.rows.rows]
        alive = sum(state in UP for state in states)
        held = alive + states.count(State.DEAD)
        if not held:
            self.refuse("Cannot stop all", "no tunnel is up")
            return
        lines = [
            f"{count(alive, 'tunnel')} up: connections through them end.",
            "Their logs are deleted.",
        ]
        self._ask("Stop all tunnels?", lines, "stop all", self.context.operations.stop_all)

    def action_restart_all(self) -> None:
        """Restart every tunnel, after asking."""
        # Not the interactive ones: stopping all of a host would end its login.
        able = [row for row in self.context.rows.rows if not why_not("restart", row)]
        rows = [row for row in able if not row.status.spec.interactive]
        specs = [row.status.spec for row in rows]
        running = [row.key for row in rows if row.status.state in UP]
        if not specs:
            self.refuse("Cannot restart all", "there is none that could start without a login")
            return
        lines = [f"{count(len(running), 'tunnel')} up: connections through them end."]
        self._ask(
            f"Restart {count(len(specs), 'tunnel')}?",
            lines,
            "restart",
            lambda: self.context.operations.restart_all(running, specs),
        )

    def _ask(self, question: str, lines: list[str], yes: str, act: Callable[[], None]) -> None:
        def decide(agreed: bool | None) -> None:
            if agreed:
                act()

        self.app.push_screen(Confirm(question, lines, yes, "leave as it is"), decide)

    def action_clean_up(self) -> None:
        """Remove what dead tunnels left behind."""
        self.context.operations.clean_up(self._specs())

    def action_copy(self) -> None:
        """Copy the listener's address."""
        row = self.selected
        forward = forward_of(row.status.spec, self.context.settings.direction_mode) if row else None
        if row is None or forward is None:
            self.refuse("Cannot copy", why_not("copy", row) or "its address cannot be read")
            return
        address = str(forward.listener)
        if not is_plain(address, quoted=row.status.configured):
            self.refuse("Cannot copy", "its address has characters that act where it is pasted")
            return
        self.app.copy_to_clipboard(address)
        where = "here" if forward.listens_here else f"at {row.status.spec.remote_host}"
        self.notify(f"{address} ({where})", title="Copied", markup=False, timeout=3)

    def action_copy_command(self) -> None:
        """Copy the ssh command."""
        if row := self.selected:
            self.context.operations.copy_command(row.status.spec)

    def action_filter(self) -> None:
        """Type a filter."""
        self.zoom(False)
        self.filter_bar.open()

    def action_sort(self) -> None:
        """Sort another way."""
        rows = self.context.rows
        rows.order = next_order(rows.order)
        self.show_rows()
        self.notify(f"sorted {rows.order.value}", markup=False, timeout=2)

    def action_tab(self, name: str) -> None:
        """Show another tab of the lower pane."""
        self.rule.tab = Tab(name)

    def action_details(self) -> None:
        """Show details; again: back to the log."""
        rule = self.rule
        rule.tab = Tab.LOG if rule.tab is Tab.DETAILS else Tab.DETAILS

    def action_log(self) -> None:
        """Go to the log."""
        self.rule.tab = Tab.LOG
        self.log_view.focus()

    def action_zoom(self) -> None:
        """Give the lower pane the whole screen, and back."""
        self.zoom()

    def action_other_pane(self) -> None:
        """Go to the other pane."""
        table = self.table
        body = self.body.visible_content
        if self.focused is table and body is not None:
            body.focus()
        elif not self.zoom(False):
            table.focus()

    def action_back(self) -> None:
        """Clear the filter, or go back to the table."""
        table, bar = self.table, self.filter_bar
        if self.zoom(False) or self.focused is not table:
            table.focus()
        elif bar.text:
            bar.action_clear()

    def action_follow(self) -> None:
        """Go to the end of the log and stay there."""
        self.rule.tab = Tab.LOG
        self.log_view.follow()

    def action_wrap(self) -> None:
        """Wrap long lines, or not."""
        self.rule.tab = Tab.LOG
        self.log_view.toggle_wrap()
