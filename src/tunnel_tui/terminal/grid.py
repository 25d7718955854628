"""The cells of the page and the operations that move and erase them.

A row is a list of exactly `columns` cells, so that every operation is a slice of bounded cost;
counts are clamped to the page.
"""

from collections import deque

from tunnel_tui.terminal.cells import Cell, Row, erased
from tunnel_tui.terminal.motion import Motion

HISTORY_LINES = 1000


class Grid(Motion):
    """One page of cells with a cursor, and the lines that left it at the top."""

    def __init__(self, columns: int, lines: int) -> None:
        self.rows: list[Row] = []
        self.scrolled: deque[Row] = deque(maxlen=HISTORY_LINES)
        self.keeps_history = True
        super().__init__(columns, lines)

    def reset(self) -> None:
        """Return to the state after switching on; the history stays."""
        super().reset()
        self.rows = [self.blank_row() for _ in range(self.lines)]
        self.dirty.update(range(self.lines))

    def blank_row(self) -> Row:
        """Return a row as erasing leaves it with the present background."""
        return [erased(self.style)] * self.columns

    @staticmethod
    def part(row: Row, x: int) -> None:
        """Blank a wide character that lies across the boundary left of column `x`."""
        if 0 < x < len(row) and row[x].data == "":
            row[x - 1] = Cell(" ", row[x - 1].style)
            row[x] = Cell(" ", row[x].style)

    def index(self) -> None:
        """Move down one line; scroll at the bottom margin."""
        bottom = self.margins.bottom if self.margins else self.lines - 1
        if self.cursor.y == bottom:
            self.scroll_up(1)
        elif self.cursor.y < self.lines - 1:
            self.cursor.y += 1

    def reverse_index(self) -> None:
        """Move up one line; scroll at the top margin."""
        if self.cursor.y == self.region().top:
            self.scroll_down(1)
        elif self.cursor.y > 0:
            self.cursor.y -= 1

    def linefeed(self) -> None:
        """Move down one line, to its beginning where the child asked for that (LNM)."""
        self.index()
        if self.newline:
            self.carriage_return()

    def scroll_up(self, count: int = 1) -> None:
        """Scroll the region; lines that leave the top of the page go into the history."""
        top, bottom = self.region()
        self._remove(top, bottom, count, keep=self.keeps_history and top == 0)

    def scroll_down(self, count: int = 1) -> None:
        """Scroll the region down."""
        top, bottom = self.region()
        self._insert(top, bottom, count)

    def insert_lines(self, count: int | None = None) -> None:
        """Insert blank lines at the cursor, inside the region."""
        top, bottom = self.region()
        if top <= self.cursor.y <= bottom:
            self._insert(self.cursor.y, bottom, count or 1)
            self.carriage_return()

    def delete_lines(self, count: int | None = None) -> None:
        """Delete lines at the cursor, inside the region."""
        top, bottom = self.region()
        if top <= self.cursor.y <= bottom:
            self._remove(self.cursor.y, bottom, count or 1)
            self.carriage_return()

    def _remove(self, top: int, bottom: int, count: int, keep: bool = False) -> None:
        count = min(count, bottom - top + 1)
        if keep:
            self.scrolled.extend(self.rows[top : top + count])
        del self.rows[top : top + count]
        after = bottom + 1 - count
        self.rows[after:after] = [self.blank_row() for _ in range(count)]
        if len(self.dirty) < self.lines:
            self.dirty.update(range(top, bottom + 1))

    def _insert(self, top: int, bottom: int, count: int) -> None:
        count = min(count, bottom - top + 1)
        del self.rows[bottom + 1 - count : bottom + 1]
        self.rows[top:top] = [self.blank_row() for _ in range(count)]
        if len(self.dirty) < self.lines:
            self.dirty.update(range(top, bottom + 1))

    def insert_characters(self, count: int | None = None) -> None:
        """Insert blanks at the cursor."""
        x, row = self._here()
        count = min(count or 1, self.columns - x)
        self.part(row, x)
        row[x:x] = [erased(self.style)] * count
        self.part(row, self.columns)
        del row[self.columns :]

    def delete_characters(self, count: int | None = None) -> None:
        """Delete characters at the cursor; the rest of the line moves left."""
        x, row = self._here()
        count = min(count or 1, self.columns - x)
        self.part(row, x)
        self.part(row, x + count)
        del row[x : x + count]
        row.extend([erased(self.style)] * count)

    def erase_characters(self, count: int | None = None) -> None:
        """Blank characters from the cursor on."""
        x, _ = self._here()
        self._erase(self.cursor.y, x, min(x + (count or 1), self.columns))

    def erase_in_line(self, how: int = 0, _private: bool = False) -> None:
        """Blank the line: 0 from the cursor on, 1 up to it, 2 all of it."""
        x = self.cursor.x
        if how == 0:
            self._erase(self.cursor.y, x, self.columns)
        elif how == 1:
            self._erase(self.cursor.y, 0, min(x + 1, self.columns))
        elif how == 2:
            self._erase(self.cursor.y, 0, self.columns)

    def erase_in_display(self, how: int = 0, *_args: int, **_options: bool) -> None:
        """Blank the page: 0 from the cursor on, 1 up to it, 2 all of it."""
        y = self.cursor.y
        spans = {0: range(y + 1, self.lines), 1: range(y), 2: range(self.lines)}
        span = spans.get(how, range(0))
        blank = [erased(self.style)]
        for line in span:
            self.rows[line] = blank * self.columns
        self.dirty.update(span)
        if how in (0, 1):
            self.erase_in_line(how)

    def _here(self) -> tuple[int, Row]:
        """Return the column, inside the line, and the row of the cursor; it will change."""
        self.dirty.add(self.cursor.y)
        return min(self.cursor.x, self.columns - 1), self.rows[self.cursor.y]

    def _erase(self, y: int, start: int, end: int) -> None:
        row = self.rows[y]
        self.part(row, start)
        self.part(row, end)
        row[start:end] = [erased(self.style)] * (end - start)
        self.dirty.add(y)

    def alignment_display(self) -> None:
        """Fill the page with E (DECALN)."""
        self.margins = None
        self.cursor_position()
        self.rows = [[Cell("E")] * self.columns for _ in range(self.lines)]
        self.dirty.update(range(self.lines))
