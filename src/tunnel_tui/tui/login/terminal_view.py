"""The terminal of a login as a widget: paints the rows that changed, passes every key on."""

from functools import lru_cache
from typing import ClassVar

from rich.segment import Segment
from rich.style import Style as RichStyle
from textual import events
from textual.binding import BindingType
from textual.geometry import Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from tunnel_tui.terminal.cells import DEFAULT_COLOUR, Style
from tunnel_tui.terminal.screen import ForwardState
from tunnel_tui.tui.format.line import stretch
from tunnel_tui.tui.format.text import clean
from tunnel_tui.tui.keys import bindings
from tunnel_tui.tui.keys.terminal_input import Paste, wipe
from tunnel_tui.tui.login.session import LoginSession

MARGIN = 2
"""Cells left free to the left, as in the log."""


class TerminalView(ScrollView, can_focus=True):
    """Shows one login's terminal. While it has the keyboard, one key is ours: to let go of it."""

    BINDINGS: ClassVar[list[BindingType]] = [*bindings.TERMINAL]
    COMPONENT_CLASSES: ClassVar[set[str]] = {"terminal--edge"}
    ALLOW_SELECT = False

    class Released(Message):
        """The person wants the keyboard back."""

    class Again(Message):
        """The person wants to try once more what failed."""

    class TooEarly(Message):
        """Something was typed while nothing is asked; it went nowhere."""

    def __init__(self) -> None:
        super().__init__(id="terminal")
        self._session: LoginSession | None = None
        self._history: list[str] = []
        self._following = True
        self._moving = False

    @property
    def session(self) -> LoginSession | None:
        """The login that is shown."""
        return self._session

    def show(self, session: LoginSession | None) -> None:
        """Show another login, or none."""
        if session is self._session:
            return
        if self._session is not None:
            self._session.on_paint = None
            self._session.watch(False)
        self._session = session
        self._history = []
        self._following = True
        if session is not None:
            session.on_paint = self._paint
            session.watch(self.has_focus)
        self._fit()
        self.refresh()

    def _fit(self) -> None:
        """Give the child the size that there is to see."""
        if self._session is None:
            self.virtual_size = Size(0, 0)
            return
        region = self.scrollable_content_region
        if region.width and region.height:
            self._session.resize(region.width - MARGIN, region.height)
        self._paint(everything=True)

    def _paint(self, everything: bool = False) -> None:
        """Repaint what changed; called at most 30 times a second."""
        session = self._session
        if session is None:
            return
        screen, before = session.screen, len(self._history)
        dirty = screen.take_dirty()
        history = screen.history
        scrolled = history != self._history
        self._history = history
        columns, rows = screen.size
        size = Size(columns + MARGIN, len(history) + rows)
        stretch(self, size)
        self._keep_at_end()
        if everything or scrolled or before != len(history):
            self.refresh()
            return
        for row in dirty:
            self.refresh_line(len(history) + row)

    def _keep_at_end(self, again: bool = True) -> None:
        """Keep the child's page in sight, unless the person looks at what went by."""
        if not self._following:
            return
        self._moving = True
        self.scroll_to(y=len(self._history), animate=False, force=True, immediate=True)
        self._moving = False
        if again and self.scroll_offset.y != len(self._history):  # it must be laid out first
            self.call_after_refresh(self._keep_at_end, again=False)

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        """Notice that a person scrolled away from the end, or back to it."""
        super().watch_scroll_y(old_value, new_value)
        if not self._moving and round(old_value) != round(new_value):
            self._following = round(new_value) >= self.max_scroll_y

    def render_line(self, y: int) -> Strip:
        """Draw one row of the terminal, or of what left it at its top."""
        width, session = self.scrollable_content_region.width, self._session
        base = self.rich_style
        if session is None:
            return Strip.blank(width, base)
        index = y + self.scroll_offset.y
        row = index - len(self._history)
        if row < 0:
            text = clean(self._history[index])
            segments = [*self._margin(session), Segment(text)]
        elif row < session.screen.size[1]:
            segments = [*self._margin(session), *draw_runs(session.screen.line(row))]
        else:
            return Strip.blank(width, base)
        strip = Strip(segments).adjust_cell_length(width)
        cursor = session.screen.cursor
        if row == cursor.row and cursor.visible and session.takes_keys and width:
            strip = _draw_cursor(strip, min(cursor.column + MARGIN, width - 1), self.has_focus)
        return strip.apply_style(base)

    def _margin(self, session: LoginSession) -> list[Segment]:
        """Draw an edge to the left of what others may draw, for as long as something is asked."""
        if not session.takes_keys:
            return [Segment(" " * MARGIN)]
        edge = self.get_component_rich_style("terminal--edge", partial=True)
        return [Segment(" ", edge), Segment(" " * (MARGIN - 1))]

    # Keys ------------------------------------------------------------------------------------

    def check_consume_key(self, key: str, character: str | None) -> bool:
        """Take every key away from the app while there is a login to type into, or its ruins.

        A login may fail in the middle of a word: what is still being typed must not act.
        """
        del key, character
        return self._session is not None

    async def _on_key(self, event: events.Key) -> None:
        """Pass a key on."""
        session = self._session
        if session is None:
            return
        event.stop()
        event.prevent_default()
        if session.alive:
            if not session.type_key(event.key, event.character):
                self.post_message(self.TooEarly())
            self._to_end()
        elif event.key == "enter":
            self.post_message(self.Again())
        elif event.key in {"escape", "tab", "shift+tab"}:
            self.post_message(self.Released())

    async def _on_paste(self, event: events.Paste) -> None:
        """Pass pasted text on."""
        event.stop()
        event.prevent_default()
        data = event.data if isinstance(event, Paste) else bytearray(event.text, "utf-8", "replace")
        try:
            if self._session is not None:
                if not self._session.paste(data):
                    self.post_message(self.TooEarly())
                self._to_end()
        finally:
            wipe(data)

    def _to_end(self) -> None:
        if not self._following:
            self._following = True
            self._keep_at_end()

    def action_release(self) -> None:
        """Give the keyboard back."""
        self.post_message(self.Released())

    # Focus and size --------------------------------------------------------------------------

    def on_focus(self) -> None:
        """Take the keyboard."""
        self._watch(True)

    def on_blur(self) -> None:
        """Let go of the keyboard."""
        self._watch(False)

    def _watch(self, watched: bool) -> None:
        if self._session is not None:
            self._session.watch(watched)
            self.refresh_line(len(self._history) + self._session.screen.cursor.row)

    def on_resize(self) -> None:
        """Follow the pane's size."""
        self._fit()


def draw_runs(runs: list[ForwardState]) -> list[Segment]:
    """Turn runs of the screen model into segments; a pure look-up for each."""
    return [Segment(text, rich_style(style)) for text, style in runs]


@lru_cache(maxsize=512)
def rich_style(style: Style) -> RichStyle:
    """Translate a style. Blinking is left out: it would draw the eye from everything else."""
    return RichStyle(
        color=None if style.fg == DEFAULT_COLOUR else style.fg,
        bgcolor=None if style.bg == DEFAULT_COLOUR else style.bg,
        bold=style.bold or None,
        dim=style.dim or None,
        italic=style.italic or None,
        underline=style.underline or None,
        reverse=style.reverse or None,
        strike=style.strike or None,
    )


_CURSOR = RichStyle(reverse=True)
_CALM_CURSOR = RichStyle(underline=True)


def _draw_cursor(strip: Strip, column: int, live: bool) -> Strip:
    """Mark the cursor's cell: solid while keys go there, underlined while they do not."""
    style = _CURSOR if live else _CALM_CURSOR
    parts = strip.divide([column, column + 1, strip.cell_length])
    cell = Strip([Segment(text, (old or RichStyle()) + style) for text, old, _ in parts[1]])
    return Strip.join([parts[0], cell, *parts[2:]])
