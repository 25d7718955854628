"""The cursor: where it is, where it may go, what is remembered of it.

A hardened subclass of pyte's screen. What pyte 0.8.2 does well here is used as it is (columns,
tab stops, character sets); what raises, or leaves the page, is replaced.
"""

from typing import NamedTuple

import pyte
from pyte import charsets
from pyte.screens import Cursor, Margins

from tunnel_tui.terminal.cells import PLAIN, Style


class Saved(NamedTuple):
    """What DECSC saves and DECRC brings back."""

    x: int
    y: int
    style: Style
    g0_charset: str
    g1_charset: str
    charset: int
    origin: bool
    autowrap: bool


class Motion(pyte.Screen):
    """A page without cells: cursor, margins, tab stops and the modes that move the cursor."""

    def __init__(self, columns: int, lines: int) -> None:
        self.style: Style = PLAIN
        self.autowrap = True
        self.insert = False
        self.newline = False
        self.origin = False
        self.saved: Saved | None = None
        super().__init__(columns, lines)

    def reset(self) -> None:
        """Return to the state after switching on."""
        self.style = PLAIN
        self.margins = None
        self.autowrap, self.insert, self.newline, self.origin = True, False, False, False
        self.saved = None
        self.charset = 0
        self.g0_charset = self.g1_charset = charsets.LAT1_MAP
        self.tabstops = set(range(8, self.columns, 8))
        self.cursor = Cursor(0, 0)

    def region(self) -> Margins:
        """Return the scrolling region, inclusive and zero-based."""
        return self.margins or Margins(0, self.lines - 1)

    def set_margins(self, top: int | None = None, bottom: int | None = None) -> None:
        """Set the scrolling region (DECSTBM, one-based, 0 for the default) and go home."""
        first, last = (top or 1) - 1, min(bottom or self.lines, self.lines) - 1
        if first < last:
            whole = first == 0 and last == self.lines - 1
            self.margins = None if whole else Margins(first, last)
            self.cursor_position()

    def cursor_up(self, count: int | None = None) -> None:
        """Move up; stop at the top margin, or at the top when already above the margin."""
        stop = self.region().top
        if self.cursor.y < stop:
            stop = 0
        self.cursor.y = max(self.cursor.y - (count or 1), stop)

    def cursor_down(self, count: int | None = None) -> None:
        """Move down; stop at the bottom margin, or at the last line when already below it."""
        stop = self.region().bottom
        if self.cursor.y > stop:
            stop = self.lines - 1
        self.cursor.y = min(self.cursor.y + (count or 1), stop)

    def cursor_position(self, line: int | None = None, column: int | None = None) -> None:
        """Move to a line and column, one-based; relative to the region in origin mode."""
        self.cursor_to_line(line)
        self.cursor_to_column(column)

    def cursor_to_line(self, line: int | None = None) -> None:
        """Move to a line, one-based; relative to the region in origin mode."""
        top, bottom = self.region() if self.origin else Margins(0, self.lines - 1)
        self.cursor.y = min(top + (line or 1) - 1, bottom)
        self.ensure_hbounds()

    def tab(self, count: int = 1) -> None:
        """Move to the next tab stop, or to the last column."""
        stops = sorted(stop for stop in self.tabstops if self.cursor.x < stop < self.columns)
        self.cursor.x = stops[count - 1] if count <= len(stops) else self.columns - 1

    def back_tab(self, count: int = 1) -> None:
        """Move to the tab stop before, or to the first column."""
        stops = sorted((stop for stop in self.tabstops if stop < self.cursor.x), reverse=True)
        self.cursor.x = stops[count - 1] if count <= len(stops) else 0

    def save_cursor(self) -> None:
        """Remember the cursor (DECSC): one of them, as xterm, however often a child asks."""
        self.saved = Saved(
            self.cursor.x,
            self.cursor.y,
            self.style,
            self.g0_charset,
            self.g1_charset,
            self.charset,
            self.origin,
            self.autowrap,
        )

    def restore_cursor(self) -> None:
        """Bring back the remembered cursor (DECRC), or go home."""
        if self.saved is None:
            self.origin = False
            self.cursor_position()
            return
        saved = self.saved
        self.style = saved.style
        self.g0_charset, self.g1_charset = saved.g0_charset, saved.g1_charset
        self.charset, self.origin, self.autowrap = saved.charset, saved.origin, saved.autowrap
        self.cursor.x = min(saved.x, self.columns)
        self.cursor.y = min(saved.y, self.lines - 1)
