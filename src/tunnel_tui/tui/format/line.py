"""Lines made of spans in tones, and the base of widgets that are one such line."""

from collections.abc import Iterable, Sequence
from typing import ClassVar

from rich.segment import Segment
from rich.style import Style
from textual.geometry import Size
from textual.scroll_view import ScrollView
from textual.scrollbar import ScrollBarRender
from textual.strip import Strip
from textual.widget import Widget

from tunnel_tui.tui.format.glyphs import Glyphs
from tunnel_tui.tui.format.text import Span, Tone, clean, width_of

TONE_CLASSES = frozenset(f"tone--{tone.value}" for tone in Tone)


class PlainBar(ScrollBarRender):
    """A scroll bar without the block characters that smooth its ends."""

    VERTICAL_BARS: ClassVar[list[str]] = [" "] * 8
    HORIZONTAL_BARS: ClassVar[list[str]] = [" "] * 8


def suit_scroll_bars(widget: Widget, glyphs: Glyphs) -> None:
    """Draw the scroll bars of `widget` with what the terminal can show."""
    if glyphs.ascii:
        widget.vertical_scrollbar.renderer = PlainBar  # type: ignore[misc]
        widget.horizontal_scrollbar.renderer = PlainBar  # type: ignore[misc]


class Toned(Widget):
    """A widget that knows what each tone looks like on it; looking it up every time is slow."""

    COMPONENT_CLASSES: ClassVar[set[str]] = set(TONE_CLASSES)
    _tones: dict[Tone, Style] | None = None
    _base: Style | None = None

    def tone_style(self, tone: Tone) -> Style:
        """Look up what a tone looks like: only what the style sheet says of it."""
        if self._tones is None:
            self._tones = {}
        if tone not in self._tones:
            name = f"tone--{tone.value}"
            self._tones[tone] = self.get_component_rich_style(name, partial=True)
        return self._tones[tone]

    @property
    def base_style(self) -> Style:
        """The widget's own colours."""
        if self._base is None:
            self._base = self.rich_style
        return self._base

    def notify_style_update(self) -> None:
        """Look everything up again."""
        self._tones = self._base = None
        super().notify_style_update()


def spans_width(spans: Iterable[Span]) -> int:
    """Count the cells that the spans take."""
    return sum(width_of(span.text) for span in spans)


def make_strip(
    widget: Toned, spans: Sequence[Span], width: int, over: Style | None = None
) -> Strip:
    """Draw spans as one line of exactly `width` cells; `over` adds to the widget's own style."""
    segments = []
    for text, tone, action in spans:
        if not text:
            continue
        style = widget.tone_style(tone)
        if action:
            style += Style(meta={"@click": action})
        segments.append(Segment(clean(text), style))
    base = widget.base_style if over is None else widget.base_style + over
    return Strip(segments).adjust_cell_length(width).apply_style(base)


def stretch(view: ScrollView, size: Size) -> None:
    """Say how much there is to scroll through.

    Textual would lay out and paint the whole screen anew, which a log that grows many times a
    second cannot afford; where the scroll bars stay as they are, they alone follow.
    """
    if size == view.virtual_size:
        return
    inner = view.container_size
    upright = view.show_vertical_scrollbar and size.height > inner.height
    flat = view.show_horizontal_scrollbar == (size.width > inner_width(view))
    if upright and flat:
        view.set_reactive(Widget.virtual_size, size)
        view._scroll_update(size)
    else:
        view.virtual_size = size


def inner_width(widget: Widget) -> int:
    """Count the cells beside the scroll bar."""
    return widget.scrollable_content_region.width


class LineWidget(Toned):
    """A widget of one line that repaints only when its spans change."""

    DEFAULT_CSS = "LineWidget { height: 1; width: 1fr; }"

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id)
        self._drawn: tuple[Span, ...] = ()

    def spans(self, width: int) -> Sequence[Span]:
        """Say what stands on the line."""
        raise NotImplementedError

    def update_line(self) -> None:
        """Repaint if what stands on the line has changed."""
        if self.size.width and tuple(self.spans(self.size.width)) != self._drawn:
            self.refresh()

    def render_line(self, y: int) -> Strip:
        """Draw the line."""
        del y
        self._drawn = tuple(self.spans(self.size.width))
        return make_strip(self, self._drawn, self.size.width)
