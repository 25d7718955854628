"""The keys of one tunnel, when several are meant: the marked ones, or all of a host."""

from collections.abc import Callable, Sequence

from tunnel_tui.model import UP, State
from tunnel_tui.tui.format.text import clean
from tunnel_tui.tui.keys.availability import why_not
from tunnel_tui.tui.shell.header_notice import count
from tunnel_tui.tui.table.arrange_actions import Arranging
from tunnel_tui.tui.table.rows import Row
from tunnel_tui.tui.table.tree import Branch

LISTED = 8
"""Names that a question lists; more are counted."""


class ManyActions(Arranging):
    """`s x r a` on more than one tunnel. With none marked they act on the selected one."""

    @property
    def meant(self) -> Sequence[Row]:
        """The tunnels that a key acts on, where they are not just the selected one."""
        if marked := self.context.rows.marked:
            return marked
        item = self.table.item
        return item.rows if isinstance(item, Branch) else ()

    def action_start(self) -> None:
        """Start the tunnels meant."""
        if not (rows := self.meant):
            super().action_start()
            return
        able = self._able("start", rows)
        if able:
            self.context.operations.start_all([row.status.spec for row in able])

    def action_stop(self) -> None:
        """Stop the tunnels meant; asks where connections would end."""
        if not (rows := self.meant):
            super().action_stop()
            return
        starting = self.context.operations.under_way
        able = [row for row in rows if row.key in starting]  # their turn may be still to come
        others = [row for row in rows if row.key not in starting and not row.login]
        if others or not able:
            able += self._able("stop", others)
        keys = [row.key for row in able]
        self._sure("stop", able, lambda: self.context.operations.stop_all(keys))

    def action_restart(self) -> None:
        """Restart the tunnels meant; asks where connections would end."""
        if not (rows := self.meant):
            super().action_restart()
            return
        able = [row for row in self._able("restart", rows) if not row.status.spec.interactive]
        running = [row.key for row in able if row.status.state in UP]
        specs = [row.status.spec for row in able]
        self._sure("restart", able, lambda: self.context.operations.restart_all(running, specs))

    def action_log_in(self) -> None:
        """Log in to the hosts of the tunnels meant, one prompt at a time."""
        if not (rows := self.meant):
            super().action_log_in()
            return
        able = self._able("log_in", rows)
        if why := self.context.logins.why_not():
            self.refuse("Cannot log in", why)
        elif able:
            self.context.logins.begin_all([row.status.spec for row in able])

    def _able(self, verb: str, rows: Sequence[Row]) -> list[Row]:
        """Pick those to which it can be done; say why of the others where it is none."""
        able = [row for row in rows if not why_not(verb, row)]
        if not able and rows:
            shown = verb.replace("_", " ")
            self.refuse(f"Cannot {shown} {count(len(rows), 'tunnel')}", why_not(verb, rows[0]))
        return able

    def _sure(self, verb: str, rows: Sequence[Row], act: Callable[[], None]) -> None:
        """Ask before connections of several tunnels end."""
        up = [row for row in rows if row.status.state is State.RUNNING]
        if not rows:
            return
        if len(up) < 2:
            act()
            return
        names = [clean(row.status.spec.name) for row in up]
        lines = [f"{count(len(up), 'tunnel')} up: connections through them end.", ""]
        lines += names[:LISTED]
        lines += [f"and {len(names) - LISTED} more"] if len(names) > LISTED else []
        self._ask(f"{verb.capitalize()} {count(len(rows), 'tunnel')}?", lines, verb, act)
