"""The log pane: opens at the end, follows, and stays where the person scrolled."""

from collections import deque
from collections.abc import Sequence
from typing import ClassVar

from textual.binding import BindingType
from textual.geometry import Region, Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.selection import Selection
from textual.strip import Strip

from tunnel_tui.tui.format.glyphs import Glyphs
from tunnel_tui.tui.format.line import (
    TONE_CLASSES,
    Toned,
    inner_width,
    make_strip,
    stretch,
    suit_scroll_bars,
)
from tunnel_tui.tui.format.text import Span, Tone, cut, fit, log_level_tone
from tunnel_tui.tui.keys import bindings
from tunnel_tui.tui.log.buffer import MAX_LINES, LogBuffer, LogLine, is_failure, spans_of

PREFIX = 20
"""Cells of marker, time and source before the text."""
ANEW = "--- the log begins anew here ---"
NARROW = 64
"""Below this width the source is left out."""


class LogView(ScrollView, Toned, can_focus=True):
    """Shows a `LogBuffer`, drawing only the rows in sight."""

    COMPONENT_CLASSES: ClassVar[set[str]] = set(TONE_CLASSES)

    BINDINGS: ClassVar[list[BindingType]] = [*bindings.LOG_SCROLL]

    class Changed(Message):
        """Following, wrapping or the number of unseen lines changed."""

    def __init__(self, glyphs: Glyphs) -> None:
        super().__init__(id="log")
        self._glyphs = glyphs
        self._buffer = LogBuffer()
        self._wrap = True
        self._following = True
        self._unseen = 0
        self._moving = False
        self._width = 0
        self._empty = ""
        self._words = ""
        self._match: LogLine | None = None
        self._withheld: deque[str] = deque(maxlen=MAX_LINES)
        self._withheld_count = 0

    @property
    def buffer(self) -> LogBuffer:
        """The lines that can be scrolled to."""
        return self._buffer

    @property
    def words(self) -> str:
        """What is looked for."""
        return self._words

    def on_mount(self) -> None:
        """Suit the terminal."""
        suit_scroll_bars(self, self._glyphs)

    @property
    def following(self) -> bool:
        """True while the newest line stays in sight."""
        return self._following

    @property
    def note(self) -> str:
        """Say in a few words what the pane is doing."""
        state = "following"
        if not self._following:
            state = f"{self._unseen} new below" if self._unseen else "scrolled"
        return state if self._wrap else f"{state} {self._glyphs.dot} unwrapped"

    def open(self, lines: Sequence[str], empty: str) -> None:
        """Show another log from its end; `empty` is said where it has no lines."""
        self._buffer.clear()
        self._withheld.clear()
        self._withheld_count, self._match = 0, None
        self._empty = empty
        self._following, self._unseen = True, 0
        self._set_wrap_width()
        self._buffer.append(lines)
        self._grow(0)
        self.post_message(self.Changed())

    def begin_anew(self, lines: Sequence[str], empty: str) -> None:
        """Show a log that was truncated or replaced; what a person is reading stays."""
        if self._following:
            self.open(lines, empty)
        else:
            self.append([ANEW, *lines])

    def append(self, lines: Sequence[str]) -> None:
        """Take in what the log gained.

        Where that would push out anything while a person reads, the newest lines are kept aside:
        what is above can still be scrolled to.
        """
        before = self._buffer.height
        if not self._following:
            dropped = self._buffer.would_drop(len(lines))
            if self._withheld_count or dropped:
                self._withheld.extend(lines)
                self._withheld_count += len(lines)
                self._unseen += len(lines)
                self.post_message(self.Changed())
                return
        dropped = self._buffer.append(lines)
        if not self._following:
            self._unseen += self._buffer.height + dropped - before
            self.post_message(self.Changed())
        self._grow(dropped)

    def _release(self) -> int:
        """Take in what was kept aside, and return how many rows that pushed out."""
        lost = self._withheld_count - len(self._withheld)
        gap = [f"{lost:,} lines came while you were reading further up"] if lost else []
        lines = [*gap, *self._withheld]
        self._withheld.clear()
        self._withheld_count = 0
        return self._buffer.append(lines) if lines else 0

    def _grow(self, dropped: int) -> None:
        """Fit the virtual size to the buffer without moving what the person reads."""
        place = self.scroll_offset.y - dropped
        self._moving = True
        width = inner_width(self) if self._wrap else self._widest()
        stretch(self, Size(width, self._buffer.height))
        target = self._buffer.height if self._following else max(0, place)
        self.scroll_to(y=target, animate=False, force=True, immediate=True)
        self._moving = False
        self.refresh()

    def _widest(self) -> int:
        longest = max((len(line.text) for line in self._buffer.lines), default=0)
        return max(inner_width(self), longest + self._prefix() + 1)

    def _prefix(self) -> int:
        return PREFIX if inner_width(self) >= NARROW else PREFIX - 8

    def _set_wrap_width(self) -> None:
        width = inner_width(self) - self._prefix() - 1
        self._buffer.set_width(max(10, width) if self._wrap else 0)

    def render_lines(self, crop: Region) -> list[Strip]:
        """Draw rows; what is the same for all of them is looked up once."""
        self._width = inner_width(self)
        return super().render_lines(crop)

    def render_line(self, y: int) -> Strip:
        """Draw one row of the log."""
        width, index = self._width, y + self.scroll_offset.y
        if not self._buffer.height:
            spans = [Span("  "), Span(self._empty if y == 0 else "", Tone.DIM)]
            return make_strip(self, spans, width)
        if index >= self._buffer.height:
            return make_strip(self, (), width)
        line, part = self._buffer.row(index)
        tone = log_level_tone(line.kind.value)
        spans = [*self._lead(line, part), *spans_of(line.parts[part], tone, self._words)]
        strip = make_strip(self, spans, max(width, self.virtual_size.width))
        x = self.scroll_offset.x
        strip = strip.crop(x, x + width)
        if (selection := self.text_selection) and (span := selection.get_span(index)):
            begin, end = max(0, span[0] - x), width if span[1] < 0 else span[1] - x
            style = self.screen.get_component_rich_style("screen--selection")
            before, chosen, after = strip.divide([begin, max(begin, end), width])
            strip = Strip.join([before, chosen.apply_style(style), after])
        return strip.apply_offsets(x, index)

    def _lead(self, line: LogLine, part: int) -> list[Span]:
        """Draw what stands before the text: mark, time, source; each further span costs time."""
        glyphs, first = self._glyphs, part == 0
        time, source = (line.time, line.source) if first else ("", "")
        mark = Span(f" {glyphs.mark}", Tone.DEAD) if is_failure(line) else None
        if first and line is self._match:
            mark = Span(f" {glyphs.cursor}", Tone.ACCENT)
        when = fit(time, 9, glyphs)
        spans = [mark, Span(when, Tone.FAINT)] if mark else [Span(f"  {when}", Tone.FAINT)]
        if self._width < NARROW:
            return [*spans, Span(" ")]
        source = line.name if first and line.name else source
        shown = fit(cut(source.replace("tunnel-tui", "tunnel"), 7, glyphs), 9, glyphs)
        return [*spans, Span(shown, Tone.DIM if line.name else Tone.FAINT)]

    def get_selection(self, selection: Selection) -> tuple[str, str] | None:
        """Hand out what the mouse selected, as it stands in the log."""
        first = selection.start.y if selection.start else 0
        last = selection.end.y if selection.end else self._buffer.height - 1
        chosen = [self._buffer.row(y)[0] for y in range(first, min(last + 1, self._buffer.height))]
        return "\n".join(line.raw for line in dict.fromkeys(chosen)), "\n"

    def selection_updated(self, selection: Selection | None) -> None:
        """Show what the mouse selected."""
        del selection
        self.refresh()

    def lines_in_sight(self) -> list[str]:
        """List the lines that can be seen, as they stand in the log."""
        top = self.scroll_offset.y
        rows = range(top, min(top + self.size.height, self._buffer.height))
        return [line.raw for line in dict.fromkeys(self._buffer.row(y)[0] for y in rows)]

    def on_resize(self) -> None:
        """Wrap anew for the new width, keeping the line at the top where it is."""
        top = self._top_line()
        self._set_wrap_width()
        self._moving = True
        self._grow(0)
        if not self._following and top is not None:
            self.scroll_to(y=self._buffer.row_of(top), animate=False, immediate=True)
        self._moving = False

    def _top_line(self) -> LogLine | None:
        y = self.scroll_offset.y
        return self._buffer.row(y)[0] if y < self._buffer.height else None

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        """Notice that a person scrolled away from the end, or back to it."""
        super().watch_scroll_y(old_value, new_value)
        if self._moving or round(old_value) == round(new_value):
            return
        following = round(new_value) >= self.max_scroll_y
        if following != self._following:
            self._following = following
            self._unseen = 0
            if following and self._withheld_count:
                self.call_later(self.follow)
            self.post_message(self.Changed())

    def follow(self) -> None:
        """Go to the end and stay there."""
        self._following, self._unseen = True, 0
        self._grow(self._release())
        self.post_message(self.Changed())

    def toggle_wrap(self) -> bool:
        """Wrap long lines, or not; returns whether they are wrapped now."""
        top = self._top_line()
        self._wrap = not self._wrap
        self._set_wrap_width()
        self._moving = True
        self.scroll_to(x=0, animate=False, immediate=True)
        self._grow(0)
        if not self._following and top is not None:
            self.scroll_to(y=self._buffer.row_of(top), animate=False, immediate=True)
        self._moving = False
        self.post_message(self.Changed())
        return self._wrap

    def search(self, text: str) -> int:
        """Mark `text` wherever it stands, go to the nearest, and return how many lines have it."""
        self._words = text.strip().casefold()
        self._match = None
        self.refresh()
        if not self._words:
            return 0
        found = sum(self._is_wanted(line) for line in self._buffer.lines)
        if found and not any(self._is_wanted(line) for line in self._lines_shown()):
            _ = self.find(-1) or self.find(1)
        return found

    def _lines_shown(self) -> list[LogLine]:
        top = self.scroll_offset.y
        rows = range(top, min(top + self.size.height, self._buffer.height))
        return [self._buffer.row(y)[0] for y in rows]

    def _is_wanted(self, line: LogLine) -> bool:
        return self._words in line.text.casefold() if self._words else is_failure(line)

    def find(self, step: int) -> bool:
        """Go to the next (1) or previous (-1) match, or failure where nothing is looked for."""
        top, height = self.scroll_offset.y, self.size.height
        start = top if step < 0 else top - 1
        if self._following and step < 0:
            start = self._buffer.height
        if self._match is not None:
            place = self._buffer.row_of(self._match)
            if top <= place < top + height:
                start = place
        row = self._buffer.find(start, step, self._is_wanted)
        if row is None:
            return False
        self._match = self._buffer.row(row)[0]
        if not top <= row < top + height:
            self._following = False
            self.scroll_to(y=max(0, row - height // 3), animate=False, force=True, immediate=True)
        self.refresh()
        self.post_message(self.Changed())
        return True

    def action_line(self, step: int) -> None:
        """Scroll by one line."""
        self.scroll_relative(y=step, animate=False, immediate=True)

    def action_page(self, step: int) -> None:
        """Scroll by what is in sight."""
        height = max(1, self.size.height - 1)
        self.scroll_relative(y=step * height, animate=False, immediate=True)

    def action_start(self) -> None:
        """Go to the oldest line."""
        self.scroll_to(y=0, animate=False, immediate=True)

    def action_finish(self) -> None:
        """Go to the newest line."""
        self.follow()
