"""The tunnel table: draws only the rows in sight, repaints only those that changed.

Not a `DataTable`: a reason takes the place of several figures, and 200 rows must cost nothing
until somebody looks at them.
"""

import time
from collections.abc import Sequence
from typing import ClassVar

from textual import events
from textual.binding import BindingType
from textual.geometry import Region, Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from tunnel_tui.model import DirectionMode
from tunnel_tui.tui.format.glyphs import Glyphs
from tunnel_tui.tui.format.line import (
    TONE_CLASSES,
    LineWidget,
    Toned,
    inner_width,
    make_strip,
    suit_scroll_bars,
)
from tunnel_tui.tui.format.text import Ends, Span, Tone, ends, host_label
from tunnel_tui.tui.keys import bindings
from tunnel_tui.tui.table.branch_line import draw_branch
from tunnel_tui.tui.table.columns import GUTTER, Columns, plan_columns, wanted_widths
from tunnel_tui.tui.table.row_line import age, draw_heads, draw_row
from tunnel_tui.tui.table.rows import Row
from tunnel_tui.tui.table.tree import Branch, Item

_Look = tuple[Item, str, bool]
"""What decides how a row looks, but for the layout: compared far faster than it is drawn."""


class TableHead(LineWidget):
    """The names of the columns, above the table."""

    def __init__(self, glyphs: Glyphs) -> None:
        super().__init__(id="table-head")
        self._glyphs = glyphs
        self._columns: Columns | None = None

    def show(self, columns: Columns) -> None:
        """Follow the table's layout."""
        self._columns = columns
        self.update_line()

    def spans(self, width: int) -> Sequence[Span]:
        """Name the columns, as far as the table laid them out."""
        del width
        return draw_heads(self._columns, self._glyphs) if self._columns else ()


class TunnelTable(ScrollView, Toned, can_focus=True):
    """All tunnels, one line each; the cursor stays on its tunnel whatever moves."""

    BINDINGS: ClassVar[list[BindingType]] = [*bindings.TABLE]
    COMPONENT_CLASSES: ClassVar[set[str]] = {*TONE_CLASSES, "table--cursor"}

    class Highlighted(Message):
        """The cursor came to stand on another tunnel, or on none."""

        def __init__(self, key: str | None) -> None:
            super().__init__()
            self.key = key

    class LaidOut(Message):
        """The columns changed."""

        def __init__(self, columns: Columns) -> None:
            super().__init__()
            self.columns = columns

    class Opened(Message):
        """A tunnel was double-clicked."""

    class Folded(Message):
        """The fold of a branch was clicked."""

    def __init__(self, mode: DirectionMode, glyphs: Glyphs) -> None:
        super().__init__(id="table")
        self._mode = mode
        self._glyphs = glyphs
        self._rows: list[Item] = []
        self._ends: dict[str, Ends] = {}
        self._wanted = wanted_widths((), (), ())
        self._columns = plan_columns(80, self._wanted, glyphs)
        self._painted: dict[int, tuple[_Look, list[Span]]] = {}
        self._cursor = 0
        self._key: str | None = None
        self.hint = ""

    def on_mount(self) -> None:
        """Suit the terminal."""
        suit_scroll_bars(self, self._glyphs)

    @property
    def key(self) -> str | None:
        """The hash of the tunnel under the cursor."""
        return self._key

    @property
    def item(self) -> Item | None:
        """The row or branch under the cursor."""
        return self._rows[self._cursor] if self._rows else None

    @property
    def items(self) -> Sequence[Item]:
        """Everything in the table, in its order."""
        return self._rows

    @property
    def columns(self) -> Columns:
        """The layout in force."""
        return self._columns

    def measure(self, rows: Sequence[Row]) -> None:
        """Lay out the columns for these rows; only needed when what is configured changed."""
        specs = [row.status.spec for row in rows]
        self._ends = {spec.hash: ends(spec, self._mode) for spec in specs}
        self._wanted = wanted_widths(
            (spec.name for spec in specs),
            self._ends.values(),
            (host_label(spec.remote_host) for spec in specs),
        )
        self._lay_out()

    def show(self, rows: Sequence[Item]) -> None:
        """Show these rows and branches, in this order."""
        before, self._rows = len(self._rows), list(rows)
        place = next((i for i, row in enumerate(rows) if row.key == self._key), None)
        moved = place is not None and place != self._cursor
        in_sight = self._in_sight(self._cursor)
        self._cursor = place if place is not None else max(0, min(self._cursor, len(rows) - 1))
        if before != len(rows):
            self.virtual_size = Size(inner_width(self), len(rows))
            self.refresh()
        self.tick()
        if moved and in_sight:
            self._bring_into_sight()
        self._settle()

    def move_to(self, index: int) -> None:
        """Put the cursor on a row."""
        if not self._rows:
            return
        old, self._cursor = self._cursor, max(0, min(index, len(self._rows) - 1))
        self.refresh_line(old)
        self.refresh_line(self._cursor)
        self._bring_into_sight()
        self._settle()

    def select(self, key: str) -> bool:
        """Put the cursor on a tunnel or branch; False where the table does not have it."""
        index = next((i for i, item in enumerate(self._rows) if item.key == key), None)
        if index is not None:
            self.move_to(index)
        return index is not None

    def tick(self) -> None:
        """Repaint the rows in sight that are drawn otherwise now; time goes on."""
        top, now = self.scroll_offset.y, time.time()
        for index in range(top, min(top + self.size.height, len(self._rows))):
            look = self._look(index, now)
            painted = self._painted.get(index)
            if painted is not None and painted[0] == look:
                continue
            spans = self._draw(index, now)
            if painted is None or painted[1] != spans:
                self.refresh_line(index)
            else:
                self._painted[index] = (look, spans)

    def _settle(self) -> None:
        key = self._rows[self._cursor].key if self._rows else None
        if key != self._key:
            self._key = key
            self.post_message(self.Highlighted(key))

    def _look(self, index: int, now: float) -> _Look:
        row = self._rows[index]
        return row, "" if isinstance(row, Branch) else age(row, now), index == self._cursor

    def _draw(self, index: int, now: float) -> list[Span]:
        row = self._rows[index]
        if isinstance(row, Branch):
            chosen = index == self._cursor
            return draw_branch(row, self._columns, self._glyphs, chosen=chosen)
        both = self._ends.get(row.key) or ends(row.status.spec, self._mode)
        chosen = index == self._cursor
        return draw_row(row, both, self._columns, self._glyphs, now, chosen=chosen)

    def _in_sight(self, index: int) -> bool:
        return 0 <= index - self.scroll_offset.y < self.size.height

    def _bring_into_sight(self) -> None:
        region = Region(0, self._cursor, 1, 1)
        self.scroll_to_region(region, animate=False, force=True, immediate=True)

    def _lay_out(self) -> None:
        self._columns = plan_columns(max(20, inner_width(self)), self._wanted, self._glyphs)
        self.post_message(self.LaidOut(self._columns))
        self.refresh()

    def render_line(self, y: int) -> Strip:
        """Draw one row."""
        index = y + self.scroll_offset.y
        width = inner_width(self)
        if index >= len(self._rows):
            hint = f"  {self.hint}" if index == 0 else ""
            return make_strip(self, (Span(hint, Tone.DIM),), width)
        now = time.time()
        spans = self._draw(index, now)
        self._painted[index] = (self._look(index, now), spans)
        over = None
        if index == self._cursor:
            over = self.get_component_rich_style("table--cursor", partial=True)
        return make_strip(self, spans, width, over)

    def on_resize(self) -> None:
        """Lay out anew for the new width; keep the cursor in sight."""
        self.virtual_size = Size(inner_width(self), len(self._rows))
        self._lay_out()
        self.call_after_refresh(self._bring_into_sight)

    def on_focus(self) -> None:
        """Show the cursor as live."""
        self.refresh_line(self._cursor)

    def on_blur(self) -> None:
        """Show the cursor as calm."""
        self.refresh_line(self._cursor)

    def on_click(self, event: events.Click) -> None:
        """Put the cursor where the mouse is; a double click shows the details."""
        self.move_to(event.y + self.scroll_offset.y)
        if isinstance(self.item, Branch) and (event.x < GUTTER + 2 or event.chain > 1):
            self.post_message(self.Folded())
        elif event.chain > 1:
            self.post_message(self.Opened())

    def action_down(self) -> None:
        """Go to the next tunnel."""
        self.move_to(self._cursor + 1)

    def action_up(self) -> None:
        """Go to the previous tunnel."""
        self.move_to(self._cursor - 1)

    def action_first(self) -> None:
        """Go to the first tunnel."""
        self.move_to(0)

    def action_last(self) -> None:
        """Go to the last tunnel."""
        self.move_to(len(self._rows) - 1)

    def action_page_down(self) -> None:
        """Go down by what is in sight."""
        self.move_to(self._cursor + max(1, self.size.height - 1))

    def action_page_up(self) -> None:
        """Go up by what is in sight."""
        self.move_to(self._cursor - max(1, self.size.height - 1))
