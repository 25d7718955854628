"""The screen model behind one small interface: bytes in, lines of styled text out.

Everything that a person sees of a child goes through here. A child can fill its own page and
nothing else: no clipboard, no window title, no answers but DA1 and DSR 5/6.
"""

import codecs
from collections import deque
from time import monotonic
from typing import NamedTuple

from tunnel_tui.terminal.cells import Row, Style
from tunnel_tui.terminal.grid import HISTORY_LINES
from tunnel_tui.terminal.interpreter import Interpreter
from tunnel_tui.terminal.page import Page
from tunnel_tui.terminal.tokenizer import Tokenizer

ForwardState = tuple[str, Style]


class CursorPlace(NamedTuple):
    """Where the cursor stands, zero-based, and whether it is to be shown."""

    column: int
    row: int
    visible: bool


class Screen:
    """A terminal's page, fed with what a child writes."""

    def __init__(self, columns: int, rows: int) -> None:
        self._page = Page(columns, rows)
        self._interpreter = Interpreter(self._page)
        self._tokenizer = Tokenizer(self._interpreter)
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._text = ""
        self._position = 0
        self._history: deque[str] = deque(maxlen=HISTORY_LINES)
        self._painted = self.cursor

    def feed(self, data: bytes, budget: float | None = None) -> bool:
        """Take what the child wrote, and work for at most about `budget` seconds.

        Args:
            data: The bytes; may be empty to go on with what is left.
            budget: Seconds; None works until nothing is left. A slice ends up to a few
                milliseconds late, never more than one token (1,024 characters).

        Returns:
            Whether something is left: feed again, with `b""` or more.
        """
        deadline = None if budget is None else monotonic() + budget
        if data:
            fresh = self._decoder.decode(data)
            self._text = self._text[self._position :] + fresh
            self._position = 0
        text, position, step = self._text, self._position, self._tokenizer.step
        while position < len(text):
            position = step(text, position)
            if deadline is not None and monotonic() >= deadline:
                break
        self._position = position
        if position >= len(text):
            self._text, self._position = "", 0
        self._keep_history(deadline)
        return self.busy

    @property
    def busy(self) -> bool:
        """Whether fed bytes are still waiting for their turn."""
        return bool(self._text)

    @property
    def size(self) -> tuple[int, int]:
        """Columns and rows."""
        return self._page.columns, self._page.lines

    def resize(self, columns: int, rows: int) -> None:
        """Change the size; the child must be told by the PTY."""
        self._page.resize(rows, columns)

    @property
    def dirty(self) -> set[int]:
        """The rows to paint again, among them those the cursor left and came to."""
        rows = self._page.dirty
        if self._painted != self.cursor:
            rows = rows | {self._painted.row, self.cursor.row}
        return {row for row in rows if row < self._page.lines}

    def take_dirty(self) -> set[int]:
        """Return `dirty` and begin anew."""
        rows = self.dirty
        self._page.dirty.clear()
        self._painted = self.cursor
        return rows

    def line(self, row: int) -> list[ForwardState]:
        """Return a row as runs of equal style; together they are as wide as the screen."""
        runs: list[ForwardState] = []
        parts: list[str] = []
        style: Style | None = None
        for data, its_style in self._page.rows[row]:
            if its_style is not style and its_style != style:
                if style is not None:
                    runs.append(("".join(parts), self._shown(style)))
                style, parts = its_style, []
            parts.append(data)
        if style is not None:
            runs.append(("".join(parts), self._shown(style)))
        return runs

    def text(self, row: int) -> str:
        """Return a row as plain text without trailing blanks."""
        return _plain(self._page.rows[row])

    @property
    def display(self) -> list[str]:
        """All rows as plain text without trailing blanks."""
        return [_plain(row) for row in self._page.rows]

    @property
    def history(self) -> list[str]:
        """The last lines that left the main page at its top, oldest first."""
        self._keep_history(None)
        return list(self._history)

    @property
    def cursor(self) -> CursorPlace:
        """Where the cursor is."""
        page = self._page
        column = min(page.cursor.x, page.columns - 1)
        return CursorPlace(column, page.cursor.y, not page.cursor.hidden)

    @property
    def app_cursor(self) -> bool:
        """Whether arrow keys are to be sent as SS3 (DECCKM)."""
        return self._interpreter.app_cursor

    @property
    def bracketed(self) -> bool:
        """Whether the child wants pastes marked (mode 2004)."""
        return self._interpreter.bracketed

    @property
    def label(self) -> str:
        """The title the child would like, made harmless: at most 80 printable characters."""
        return self._interpreter.label

    @property
    def alternate(self) -> bool:
        """Whether a full-screen program shows its own page."""
        return self._page.alternate

    def take_reply(self) -> bytes:
        """Return what is to be answered to the child, once."""
        return self._interpreter.replies.take()

    def __repr__(self) -> str:
        columns, rows = self.size
        return f"<Screen {columns}x{rows}>"

    def _shown(self, style: Style) -> Style:
        return style._replace(reverse=not style.reverse) if self._interpreter.reversed else style

    def _keep_history(self, deadline: float | None) -> None:
        scrolled = self._page.scrolled
        while scrolled:
            self._history.append(_plain(scrolled.popleft()))
            if deadline is not None and monotonic() >= deadline:
                return


def _plain(row: Row) -> str:
    return "".join([cell.data for cell in row]).rstrip(" ")
