"""The main page and the alternate one, and fitting both to a new size."""

from typing import NamedTuple

from tunnel_tui.terminal.cells import BLANK, Row
from tunnel_tui.terminal.drawing import Canvas
from tunnel_tui.terminal.motion import Saved

MAX_COLUMNS = 1000
MAX_LINES = 500


class Stash(NamedTuple):
    """The main page while the alternate one is shown."""

    rows: list[Row]
    saved: Saved | None


def clamp_size(columns: int, lines: int) -> tuple[int, int]:
    """Return a size that the page can have."""
    return min(max(columns, 1), MAX_COLUMNS), min(max(lines, 1), MAX_LINES)


class Page(Canvas):
    """What is shown: one of two pages of the same size."""

    def __init__(self, columns: int, lines: int) -> None:
        self._stash: Stash | None = None
        super().__init__(*clamp_size(columns, lines))

    @property
    def alternate(self) -> bool:
        """Whether the alternate page is shown."""
        return self._stash is not None

    def reset(self) -> None:
        """Return to the state after switching on, with the main page."""
        self._stash = None
        self.keeps_history = True
        super().reset()

    def enter_alternate(self, save: bool) -> None:
        """Show an empty alternate page; `save` remembers the cursor (mode 1049)."""
        if self._stash is not None:
            return
        if save:
            self.save_cursor()
        self._stash = Stash(self.rows, self.saved)
        self.saved = None
        self.keeps_history = False
        self.rows = [self.blank_row() for _ in range(self.lines)]
        self.dirty.update(range(self.lines))

    def leave_alternate(self, restore: bool) -> None:
        """Show the main page as it was; `restore` brings the cursor back (mode 1049)."""
        if self._stash is None:
            return
        self.rows, self.saved = self._stash
        self._stash = None
        self.keeps_history = True
        self.dirty.update(range(self.lines))
        if restore:
            self.restore_cursor()

    def resize(self, lines: int | None = None, columns: int | None = None) -> None:
        """Fit both pages to a size: lines below the cursor go first, then those at the top."""
        columns, lines = clamp_size(columns or self.columns, lines or self.lines)
        if (columns, lines) == (self.columns, self.lines):
            return
        if self._stash is not None:
            rows, saved = self._stash
            moved = self._fit(rows, saved.y if saved else self.lines - 1, columns, lines)
            self._stash = Stash(rows, saved and saved._replace(y=max(0, saved.y - moved)))
        moved = self._fit(self.rows, self.cursor.y, columns, lines)
        if self.keeps_history:
            self.scrolled.extend(self._gone)
        if self.saved:
            self.saved = self.saved._replace(y=max(0, self.saved.y - moved))
        first_new_stop = (self.columns + 7) // 8 * 8
        self.tabstops.update(range(max(8, first_new_stop), columns, 8))
        self.columns, self.lines, self.margins = columns, lines, None
        self.cursor.x = min(self.cursor.x, columns - 1)
        self.cursor.y = min(self.cursor.y - moved, lines - 1)
        self.dirty.clear()
        self.dirty.update(range(lines))

    def _fit(self, rows: list[Row], y: int, columns: int, lines: int) -> int:
        """Change rows in place; return how many lines went at the top (in `_gone`)."""
        excess = max(0, len(rows) - lines)
        below = min(excess, len(rows) - 1 - y)
        if below:
            del rows[-below:]
        above = excess - below
        self._gone, rows[:above] = rows[:above], []
        for row in rows:
            self.part(row, columns)
            row[columns:] = [BLANK] * (columns - len(row))
        rows.extend([BLANK] * columns for _ in range(lines - len(rows)))
        return above
