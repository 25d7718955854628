"""What the keys do to the log: look for words, walk matches and failures, copy, merge."""

from tunnel_tui.logs.follow import LogUpdate
from tunnel_tui.tui.details.host_key import HostKeyActions
from tunnel_tui.tui.engine.engine import Follower
from tunnel_tui.tui.format.text import clean
from tunnel_tui.tui.log.merged_log import MergedFollower
from tunnel_tui.tui.shell.header_notice import count
from tunnel_tui.tui.shell.pane_tabs import Tab
from tunnel_tui.tui.table.filter_bar import SearchBar
from tunnel_tui.tui.table.tree import branch_of

ALL = "*"
"""What stands for all logs where else a tunnel's hash stands."""


class NoLog:
    """Follows nothing."""

    def open(self, lines: int) -> list[str]:
        """Find no lines."""
        del lines
        return []

    def poll(self) -> LogUpdate:
        """Find none later either."""
        return LogUpdate(False, [])

    def close(self) -> None:
        """Hold nothing."""


class LogActions(HostKeyActions):
    """What the main screen adds for its log."""

    search_bar: SearchBar
    merged = False

    def follow_logs(self, key: str) -> Follower:
        """Open one log, those of a host, or all. Called by the reader's thread."""
        rows = list(self.context.rows.rows)
        if key == ALL:
            chosen = rows
        elif key.startswith("@"):
            chosen = [row for row in rows if branch_of(row) == key]
        else:
            return self.context.engine.follow(key)
        follow = self.context.engine.follow
        many = [(clean(row.status.spec.name), follow(row.key)) for row in chosen]
        return MergedFollower(many) if many else NoLog()

    @property
    def log_key(self) -> str | None:
        """Which log is shown: of a tunnel, of a host, or all."""
        return ALL if self.merged else self.table.key

    def follow_log(self) -> None:
        """Show the log that is meant now."""
        raise NotImplementedError

    def action_merge(self) -> None:
        """Show all logs as one, or go back to that of the selected tunnel."""
        self.merged = not self.merged
        self.rule.tab = Tab.LOG
        self.follow_log()

    def action_filter(self) -> None:
        """Look for words in the log where it has the focus; else filter the table."""
        if self.focused is self.log_view:
            self.search_bar.open()
        else:
            super().action_filter()

    def search(self, text: str) -> None:
        """Look for words while they are typed; the nearest match comes into sight."""
        found = self.log_view.search(text)
        self.search_bar.count(found, len(self.log_view.buffer.lines))

    def action_back(self) -> None:
        """Forget what was looked for, before anything else."""
        if self.focused is self.log_view and self.search_bar.display:
            self.search_bar.action_clear()
        else:
            super().action_back()

    def action_next_match(self) -> None:
        """Go to the next match in the log, or to the next failure."""
        self._walk(1)

    def action_previous_match(self) -> None:
        """Go to the previous match in the log, or to the previous failure."""
        self._walk(-1)

    def _walk(self, step: int) -> None:
        self.rule.tab = Tab.LOG
        log = self.log_view
        what = "match" if log.words else "failure"
        if not log.find(step):
            self.refuse(f"No {what}", "none further down" if step > 0 else "none further up")

    def action_copy_lines(self) -> None:
        """Copy what the mouse selected, or the lines in sight."""
        if self.focused is not self.log_view:
            self.action_copy()
            return
        text = self.get_selected_text() or "\n".join(self.log_view.lines_in_sight())
        if not text:
            self.refuse("Cannot copy", "the log has no lines")
            return
        self.app.copy_to_clipboard(text)
        self.clear_selection()
        lines = text.count("\n") + 1
        self.notify(f"{count(lines, 'line')} of the log", title="Copied", markup=False, timeout=3)
