"""The log pane: opens at the end, follows, and stays where the person scrolled."""

from collections.abc import Sequence
from typing import ClassVar

from textual.binding import BindingType
from textual.geometry import Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from tunnel_tui.observe.logs import LineClass
from tunnel_tui.tui import bindings
from tunnel_tui.tui.glyphs import Glyphs
from tunnel_tui.tui.logbuffer import LogBuffer, LogLine
from tunnel_tui.tui.present import Span, Tone, fit, log_level_tone
from tunnel_tui.tui.widgets.line import (
    TONE_CLASSES,
    Toned,
    inner_width,
    make_strip,
    suit_scroll_bars,
)

PREFIX = 20
"""Cells of marker, time and source before the text."""
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
        self._empty = ""

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
        self._empty = empty
        self._following, self._unseen = True, 0
        self._set_wrap_width()
        self._buffer.append(lines)
        self._grow(0)
        self.post_message(self.Changed())

    def append(self, lines: Sequence[str], *, reset: bool = False) -> None:
        """Take in what the log gained; `reset` where it began anew."""
        if reset:
            self._buffer.clear()
        before = self._buffer.height
        dropped = self._buffer.append(lines)
        if not self._following:
            self._unseen += self._buffer.height + dropped - before
            self.post_message(self.Changed())
        self._grow(dropped)

    def _grow(self, dropped: int) -> None:
        """Fit the virtual size to the buffer without moving what the person reads."""
        place = self.scroll_offset.y - dropped
        self._moving = True
        width = inner_width(self) if self._wrap else self._widest()
        self.virtual_size = Size(width, self._buffer.height)
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

    def render_line(self, y: int) -> Strip:
        """Draw one row of the log."""
        width, index = inner_width(self), y + self.scroll_offset.y
        if not self._buffer.height:
            spans = [Span("  "), Span(self._empty if y == 0 else "", Tone.DIM)]
            return make_strip(self, spans, width)
        if index >= self._buffer.height:
            return make_strip(self, (), width)
        line, part = self._buffer.row(index)
        tone, failure = log_level_tone(line.kind.value), line.kind == LineClass.FAILURE
        mark = Span(f" {self._glyphs.mark}" if failure else "  ", Tone.DEAD)
        time, source = (line.time, line.source) if part == 0 else ("", "")
        spans = [mark, Span(fit(time, 9, self._glyphs), Tone.FAINT)]
        if self._prefix() == PREFIX:
            spans.append(
                Span(fit(source.replace("tunnel-tui", "tunnel"), 8, self._glyphs), Tone.FAINT)
            )
        spans += [Span(" "), Span(line.parts[part], tone)]
        strip = make_strip(self, spans, max(width, self.virtual_size.width))
        return strip.crop(self.scroll_offset.x, self.scroll_offset.x + width)

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
            self.post_message(self.Changed())

    def follow(self) -> None:
        """Go to the end and stay there."""
        self._following, self._unseen = True, 0
        self._grow(0)
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

    def find_failure(self, step: int) -> bool:
        """Scroll to the next (1) or previous (-1) failure; False where there is none."""
        start = self.scroll_offset.y if not self._following or step > 0 else self._buffer.height
        row = self._buffer.find_failure(start, step)
        if row is None:
            return False
        self._following = False
        self.scroll_to(y=row, animate=False, force=True, immediate=True)
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
