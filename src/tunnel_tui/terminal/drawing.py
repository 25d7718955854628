"""Writing text into the cells: widths, wrapping, combining marks."""

import unicodedata

from pyte import charsets

from tunnel_tui.terminal.cells import MAX_CLUSTER, PLAIN, Pens
from tunnel_tui.terminal.grid import Grid
from tunnel_tui.terminal.widths import SIMPLE, classify


class Canvas(Grid):
    """A grid that text can be written to."""

    def __init__(self, columns: int, lines: int) -> None:
        self.last = " "
        self._pens = Pens()
        self._pen = self._pens.pen(PLAIN)
        super().__init__(columns, lines)

    def draw(self, data: str) -> None:
        """Write text at the cursor."""
        table = self.g1_charset if self.charset else self.g0_charset
        if table is not charsets.LAT1_MAP:
            data = data.translate(table)
        position = 0
        while position < len(data):
            match = SIMPLE.match(data, position)
            if match is not None:
                self._draw_run(match.group())
                position = match.end()
            else:
                self._draw_one(data[position])
                position += 1

    def _draw_run(self, text: str) -> None:
        """Write characters that take one cell each."""
        pen = self._pen
        if pen.style is not self.style:
            pen = self._pen = self._pens.pen(self.style)
        self.last = text[-1]
        cursor, columns, position = self.cursor, self.columns, 0
        while position < len(text):
            if cursor.x >= columns:
                if not self.autowrap:
                    text, position, cursor.x = text[-1], 0, columns - 1
                else:
                    self._wrap()
            count = min(columns - cursor.x, len(text) - position)
            end = cursor.x + count
            if self.insert:
                self.insert_characters(count)
            row = self.rows[cursor.y]
            if row[cursor.x].data == "":
                self.part(row, cursor.x)
            if end < columns and row[end].data == "":
                self.part(row, end)
            row[cursor.x : end] = map(pen.__getitem__, text[position : position + count])
            self.dirty.add(cursor.y)
            cursor.x = end
            position += count

    def _draw_one(self, character: str) -> None:
        """Write one character of any width."""
        character, width = classify(character)
        if width == 0:
            self._combine(character)
        elif width == 1:
            self._draw_run(character)
        elif width == 2 and self.columns >= 2:
            self._draw_wide(character)

    def _draw_wide(self, character: str) -> None:
        cursor = self.cursor
        self.last = character
        if cursor.x + 2 > self.columns:
            if self.autowrap:
                self._wrap()
            else:
                cursor.x = self.columns - 2
        if self.insert:
            self.insert_characters(2)
        row = self.rows[cursor.y]
        self.part(row, cursor.x)
        self.part(row, cursor.x + 2)
        pen = self._pens.pen(self.style)
        row[cursor.x : cursor.x + 2] = [pen[character], pen[""]]
        self.dirty.add(cursor.y)
        cursor.x += 2

    def _combine(self, mark: str) -> None:
        """Add a combining mark to the character left of the cursor, as far as it has room."""
        x, row = self.cursor.x - 1, self.rows[self.cursor.y]
        if x > 0 and row[x].data == "":
            x -= 1
        if x < 0 or len(row[x].data) >= MAX_CLUSTER or row[x].data in ("", " "):
            return
        row[x] = row[x]._replace(data=unicodedata.normalize("NFC", row[x].data + mark))
        self.dirty.add(self.cursor.y)

    def _wrap(self) -> None:
        self.cursor.x = 0
        self.index()
