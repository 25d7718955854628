"""What arranges the table: marks, the tree, the way to the worst. Starts and stops nothing."""

from tunnel_tui.model import STATE_ORDER, State
from tunnel_tui.tui.login.actions import LoginActions
from tunnel_tui.tui.table.rows import Row
from tunnel_tui.tui.table.tree import Branch, branch_of, grow

TROUBLE = frozenset({State.DEAD, State.STARTING})


class Arranging(LoginActions):
    """What the main screen adds for finding one's way among many tunnels."""

    def action_mark(self) -> None:
        """Mark the selected tunnel, or all of the selected host; again: take the mark away."""
        item = self.table.item
        if item is None:
            self.refuse("Cannot mark", "no tunnel is selected")
            return
        rows = item.rows if isinstance(item, Branch) else (item,)
        self.context.rows.mark([row.key for row in rows], not item.marked)
        self.show_rows()
        self.table.action_down()

    def action_mark_all(self) -> None:
        """Mark every tunnel that is shown; again: take the marks away."""
        visible = self.context.rows.visible()
        on = not all(row.marked for row in visible)
        self.context.rows.mark([row.key for row in visible], on)
        self.show_rows()

    def action_back(self) -> None:
        """Take the marks away, clear the filter, or go back to the table."""
        rows = self.context.rows
        if rows.marked and self.focused is self.table and not self.zoomed:
            rows.unmark_all()
            self.show_rows()
        else:
            super().action_back()

    def action_tree(self) -> None:
        """Group the tunnels by remote host, or list them."""
        rows = self.context.rows
        rows.tree = not rows.tree
        selected = self.table.item
        self.share_lines()
        self.show_rows()
        if isinstance(selected, Branch) and selected.rows:
            self.table.select(selected.rows[0].key)
        elif selected is not None and not isinstance(selected, Branch):
            self._reveal(selected)

    def action_fold(self) -> None:
        """Hide the tunnels of a host; on a tunnel: of its host, and go there."""
        item = self.table.item
        if item is None or not self.context.rows.tree:
            return
        key = item.key if isinstance(item, Branch) else branch_of(item)
        self.table.select(key)
        self._fold(key, True)

    def action_unfold(self) -> None:
        """Show the tunnels of a host again; where they are shown: go to the first."""
        item = self.table.item
        if not isinstance(item, Branch):
            return
        if item.folded:
            self._fold(item.key, False)
        else:
            self.table.action_down()

    def action_open(self) -> None:
        """Fold or unfold a host; on a tunnel: log in where needed, else its details."""
        item = self.table.item
        if isinstance(item, Branch):
            self._fold(item.key, not item.folded)
        else:
            super().action_open()

    def _fold(self, key: str, on: bool) -> None:
        folded = self.context.rows.folded
        (folded.add if on else folded.discard)(key)
        self.show_rows()

    def action_worst(self) -> None:
        """Go to the worst of all tunnels; from there to the next in trouble."""
        visible = self.context.rows.visible()
        if self.context.rows.tree:
            items = grow(visible, ())
            visible = [item for item in items if not isinstance(item, Branch)]
        troubled = [row for row in visible if row.status.state in TROUBLE]
        troubled.sort(key=lambda row: STATE_ORDER[row.status.state])
        if not troubled:
            self.refuse("Nothing to go to", self._why_no_trouble())
            return
        keys = [row.key for row in troubled]
        place = keys.index(self.table.key) + 1 if self.table.key in keys else 0
        self._reveal(troubled[place % len(keys)])

    def _why_no_trouble(self) -> str:
        rows = list(self.context.rows.rows)
        hidden = sum(row.status.state in TROUBLE for row in rows)
        return f"the filter hides {hidden} in trouble" if hidden else "no tunnel is in trouble"

    def _reveal(self, row: Row) -> None:
        """Put the cursor on a tunnel, unfolding its host where it is hidden."""
        rows = self.context.rows
        if rows.tree and branch_of(row) in rows.folded:
            self._fold(branch_of(row), False)
        self.table.select(row.key)
