"""The lines of a log that the screen can show: bounded, wrapped or not. Pure."""

from collections.abc import Callable, Iterable

from rich.cells import chop_cells

from tunnel_tui.ssh.log.line_class import LineClass, classify, split_line
from tunnel_tui.tui.format.text import Span, Tone, clean, width_of
from tunnel_tui.tui.log.merged_log import SEPARATOR

MAX_LINES = 5000
SLACK = 1000
"""Lines above `MAX_LINES` before the oldest are dropped, so that dropping is rare."""
MAX_LENGTH = 4000
"""Characters of a line that are shown."""


class LogLine:
    """One line; it is split and classified when somebody looks: in a flood few are ever seen."""

    __slots__ = ("_columns", "_given", "_kind", "_parts")

    def __init__(self, given: str) -> None:
        self._given = given
        self._columns: tuple[str, str, str, str, str] | None = None
        self._kind: LineClass | None = None
        self._parts: list[str] | None = None

    def _split(self) -> tuple[str, str, str, str, str]:
        if self._columns is None:
            name, separator, raw = self._given.partition(SEPARATOR)
            if not separator:
                name, raw = "", self._given
            time, source, text = split_line(raw)
            if len(text) > MAX_LENGTH:
                text = f"{text[:MAX_LENGTH]} … {len(text) - MAX_LENGTH} more characters"
            self._columns = (name, raw, time, source, clean(text))
        return self._columns

    @property
    def name(self) -> str:
        """The tunnel's, where several logs are shown as one."""
        return self._split()[0]

    @property
    def raw(self) -> str:
        """The line as it stands in the log."""
        return self._split()[1]

    @property
    def time(self) -> str:
        """When it was written; "" where the line does not say."""
        return self._split()[2]

    @property
    def source(self) -> str:
        """The program that wrote it."""
        return self._split()[3]

    @property
    def text(self) -> str:
        """What it says, harmless."""
        return self._split()[4]

    @property
    def parts(self) -> list[str]:
        """The text, wrapped."""
        return [self.text] if self._parts is None else self._parts

    @property
    def height(self) -> int:
        """The rows that it takes."""
        return 1 if self._parts is None else len(self._parts)

    def wrap(self, width: int) -> None:
        """Break the text at `width` cells; 0: not at all."""
        short = len(self._given) <= width and self._given.isascii()
        self._parts = None if short or not width else wrap(self.text, width)

    @property
    def kind(self) -> LineClass:
        """The class of the line: failure, warning, success and so on."""
        if self._kind is None:
            # The frame that ssh draws around its warnings says nothing by itself.
            framed = self.text and not self.text.strip("@")
            self._kind = LineClass.DIM if framed else classify(self.raw)
        return self._kind


def wrap(text: str, width: int) -> list[str]:
    """Break `text` into pieces of at most `width` cells, at spaces where there are some."""
    if width < 1 or width_of(text) <= width:
        return [text]
    if not text.isascii():
        return chop_cells(text, width)
    pieces = []
    while len(text) > width:
        space = text.rfind(" ", width // 2, width + 1)
        end = space if space > 0 else width
        pieces.append(text[:end])
        text = text[end + 1 if space > 0 else end :]
    pieces.append(text)
    return pieces


class LogBuffer:
    """A bounded run of lines, addressed by the row that each of their pieces takes."""

    def __init__(self, limit: int = MAX_LINES) -> None:
        self._limit = limit
        self._lines: list[LogLine] = []
        # A line of one row stands for itself: in a flood every object more is felt.
        self._rows: list[LogLine | tuple[LogLine, int]] = []
        self._width = 0

    @property
    def height(self) -> int:
        """The number of rows."""
        return len(self._rows)

    @property
    def lines(self) -> list[LogLine]:
        """The lines, oldest first."""
        return self._lines

    def clear(self) -> None:
        """Forget everything."""
        self._lines.clear()
        self._rows.clear()

    def append(self, raw: Iterable[str]) -> int:
        """Take in new lines and return how many rows were dropped from the top."""
        texts = list(raw)[-self._limit :]
        new = [LogLine(text) for text in texts]
        self._lines += new
        if fits(texts, self._width):
            self._rows += new
        else:
            self._add_rows(new)
        if len(self._lines) <= self._limit + min(SLACK, self._limit // 5):
            return 0
        gone = len(self._lines) - self._limit
        rows = self._height_of(gone)
        del self._lines[:gone]
        del self._rows[:rows]
        return rows

    def set_width(self, width: int) -> None:
        """Wrap at `width` cells; 0: do not wrap."""
        if width == self._width:
            return
        self._width = width
        self._rows.clear()
        self._add_rows(self._lines)

    def _add_rows(self, lines: Iterable[LogLine]) -> None:
        width, rows = self._width, self._rows
        for line in lines:
            line.wrap(width)
            if line.height == 1:
                rows.append(line)
            else:
                rows.extend((line, part) for part in range(line.height))

    def row(self, index: int) -> tuple[LogLine, int]:
        """Return the line at row `index` and which of its pieces that row shows."""
        row = self._rows[index]
        return row if isinstance(row, tuple) else (row, 0)

    def row_of(self, line: LogLine) -> int:
        """Return the first row of `line`; 0 where it is gone."""
        return next((i for i in range(len(self._rows)) if self.row(i)[0] is line), 0)

    def find(self, row: int, step: int, wanted: Callable[[LogLine], bool]) -> int | None:
        """Find the next line that is `wanted` after `row`, or with `step` -1 before it."""
        index = row + step
        while 0 <= index < len(self._rows):
            line, part = self.row(index)
            if part == 0 and wanted(line):
                return index
            index += step
        return None

    def would_drop(self, count: int) -> int:
        """Tell how many rows `count` more lines would push out."""
        lines = len(self._lines) + min(count, self._limit)
        if lines <= self._limit + min(SLACK, self._limit // 5):
            return 0
        return self._height_of(lines - self._limit)

    def _height_of(self, count: int) -> int:
        """Count the rows of the first lines."""
        if len(self._rows) == len(self._lines):  # each has one
            return min(count, len(self._rows))
        return sum(line.height for line in self._lines[:count])


def fits(texts: list[str], width: int) -> bool:
    """Say whether each line surely takes one row of `width` cells; 0: they are not wrapped."""
    return not width or (max(map(len, texts), default=0) <= width and all(map(str.isascii, texts)))


def is_failure(line: LogLine) -> bool:
    """Say whether a line tells of a failure."""
    return line.kind == LineClass.FAILURE


def spans_of(text: str, tone: Tone, words: str) -> list[Span]:
    """Cut a piece of a line where `words` (in small letters) stand in it."""
    low = text.casefold()
    if not words or len(low) != len(text) or words not in low:
        return [Span(text, tone)]
    spans, place = [], 0
    while (found := low.find(words, place)) >= 0:
        spans.append(Span(text[place:found], tone))
        spans.append(Span(text[found : found + len(words)], Tone.MATCH))
        place = found + len(words)
    return [*spans, Span(text[place:], tone)]
