"""Details of one tunnel: which way it goes, how far it got, and the command behind it."""

import time
from collections.abc import Callable, Sequence
from typing import ClassVar

from rich.style import Style
from rich.table import Table
from rich.text import Text
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import VerticalScroll
from textual.widgets import Static

from tunnel_tui.model import DirectionMode, Layer, TunnelStatus
from tunnel_tui.supervise.info.tunnel_details import TunnelDetails
from tunnel_tui.tui.details.details_text import (
    CheckLine,
    Fact,
    body_facts,
    climb,
    config_facts,
    head_facts,
    history_facts,
)
from tunnel_tui.tui.format.glyphs import Glyphs
from tunnel_tui.tui.format.line import TONE_CLASSES, Toned, suit_scroll_bars
from tunnel_tui.tui.format.text import Tone, amount, clean, round_trip, sparkline
from tunnel_tui.tui.keys import bindings
from tunnel_tui.tui.table.rows import TrafficHistory

WIDE = 110
"""From this width on the ladder stands beside the facts, not below them."""
NO_PAST = TrafficHistory()
SPARK = 40
"""Cells of a graph."""


class Details(VerticalScroll, Toned, can_focus=True):
    """A page of labelled lines; long ones wrap under their own beginning."""

    COMPONENT_CLASSES: ClassVar[set[str]] = set(TONE_CLASSES)

    BINDINGS: ClassVar[list[BindingType]] = [*bindings.LOG_SCROLL]

    def __init__(self, mode: DirectionMode, glyphs: Glyphs, path: str) -> None:
        super().__init__(id="details")
        self._mode = mode
        self._glyphs = glyphs
        self._path = path
        self._layers: Sequence[Layer] = ()
        self._command = ""
        self._more = TunnelDetails()
        self._past = TrafficHistory()
        self._status: TunnelStatus | None = None
        self._drawn: object = None
        self._page = Static(id="details-text")

    @property
    def more(self) -> TunnelDetails:
        """What was looked up of the tunnel shown."""
        return self._more

    def on_mount(self) -> None:
        """Suit the terminal."""
        suit_scroll_bars(self, self._glyphs)

    def compose(self) -> ComposeResult:
        """Hold one page of text."""
        yield self._page

    def show(self, status: TunnelStatus | None, now: float, past: TrafficHistory = NO_PAST) -> None:
        """Show a tunnel and how it fared lately; what must be looked up comes later by `add`."""
        if not (status and self._status and status.spec.hash == self._status.spec.hash):
            self._layers, self._command, self._more = (), "", TunnelDetails()
            self.scroll_to(y=0, animate=False)
        self._status, self._past = status, past
        self._draw(now)

    def add(
        self, key: str, layers: Sequence[Layer], command: str, more: TunnelDetails, now: float
    ) -> None:
        """Take in what was looked up of tunnel `key`."""
        if self._status and key == self._status.spec.hash:
            self._layers, self._command, self._more = layers, command, more
            self._draw(now)

    def on_resize(self) -> None:
        """Set the page anew for the new width."""
        self._draw(time.time())

    def action_line(self, step: int) -> None:
        """Scroll by one line."""
        self.scroll_relative(y=step, animate=False)

    def action_page(self, step: int) -> None:
        """Scroll by what is in sight."""
        self.scroll_relative(y=step * max(1, self.size.height - 1), animate=False)

    def action_start(self) -> None:
        """Go to the top."""
        self.scroll_home(animate=False)

    def action_finish(self) -> None:
        """Go to the bottom."""
        self.scroll_end(animate=False)

    def _draw(self, now: float) -> None:
        status, more, glyphs = self._status, self._more, self._glyphs
        if status is None:
            self._page.update("")
            self._drawn = None
            return
        head = head_facts(status, more, glyphs, now)
        body = body_facts(status, more, self._mode, self._command, now)
        foot = [*config_facts(self._path, more), *history_facts(more, glyphs, now)]
        rungs = climb(self._layers, status, glyphs)
        graphs = draw_graphs(self._past, glyphs)
        wide = self.size.width >= WIDE
        drawn = (head, body, foot, rungs, graphs, wide)
        if drawn == self._drawn:
            return
        self._drawn = drawn
        style = self.tone_style
        left = [make_grid(head, style)], [make_grid([*body, *foot], style)]
        right = [make_ladder(rungs, style), make_grid(graphs, style)]
        self._page.update(set_page(*left, right, wide=wide))


def set_page(
    head: Sequence[Table], body: Sequence[Table], side: Sequence[Table], *, wide: bool
) -> Table:
    """Set the ladder beside the facts, or between the urgent ones and the others."""
    page = Table.grid(padding=(0, 4), expand=True)
    page.add_column(ratio=3)
    if not wide:
        for block in (*head, *side, *body):
            page.add_row(block)
        return page
    page.add_column(ratio=2)
    left, right = Table.grid(expand=True), Table.grid(expand=True)
    for block in (*head, *body):
        left.add_row(block)
    for block in side:
        right.add_row(block)
    page.add_row(left, right)
    return page


def make_grid(facts: Sequence[Fact], style: Callable[[Tone], Style]) -> Table:
    """Set labels and texts side by side."""
    grid = Table.grid(padding=(0, 2))
    grid.add_column(width=10, no_wrap=True)
    grid.add_column(overflow="fold")
    for label, text, tone in facts:
        grid.add_row(Text(label, style(Tone.FAINT)), Text(clean(text), style(tone)))
    return grid


def make_ladder(rungs: Sequence[CheckLine], style: Callable[[Tone], Style]) -> Table:
    """Draw the rungs from process to traffic; under the broken one, what to do."""
    grid = Table.grid(padding=(0, 2))
    grid.add_column(width=1)
    grid.add_column(no_wrap=True)
    grid.add_column(overflow="fold")
    for rung in rungs:
        broken = rung.tone is Tone.DEAD
        named = Tone.FAINT if rung.tone is Tone.FAINT else Tone.NAME if broken else Tone.PLAIN
        grid.add_row(
            Text(rung.glyph, style(rung.tone)),
            Text(rung.name, style(named)),
            Text(clean(rung.detail), style(Tone.DEAD if broken else Tone.DIM)),
        )
        if rung.advice:
            grid.add_row("", "", Text(clean(rung.advice), style(Tone.NAME)))
    return grid


def draw_graphs(past: TrafficHistory, glyphs: Glyphs) -> list[Fact]:
    """Draw traffic and round trip time of the last minute and a half, with the peak of each."""
    if len(past.round_trip) < 2:
        return []
    received, sent = max(past.received), max(past.sent)
    trip = tuple(seconds * 1000 for seconds in past.round_trip)
    return [
        ("", "", Tone.DIM),
        _graph(f"{glyphs.down}/s", past.received, f"{amount(received)}/s", glyphs),
        _graph(f"{glyphs.up}/s", past.sent, f"{amount(sent)}/s", glyphs),
        _graph("round trip", trip, round_trip(max(past.round_trip)), glyphs),
    ]


def _graph(label: str, samples: tuple[float, ...], peak: str, glyphs: Glyphs) -> Fact:
    bars = sparkline(samples, min(SPARK, len(samples)), glyphs)
    return (label, f"{bars}  peak {peak}", Tone.ACCENT)
