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

from tunnel_tui.model import DirectionMode, Layer, State, TunnelStatus
from tunnel_tui.tui import bindings
from tunnel_tui.tui.glyphs import Glyphs
from tunnel_tui.tui.present import (
    NEEDS_LOGIN,
    STATE_TONES,
    Tone,
    amount,
    badge,
    clean,
    duration,
    explain,
)
from tunnel_tui.tui.widgets.line import TONE_CLASSES, Toned, suit_scroll_bars

WIDE = 110
"""From this width on the ladder stands beside the facts, not below them."""
Fact = tuple[str, str, Tone]


def list_facts(status: TunnelStatus, mode: DirectionMode, glyphs: Glyphs, now: float) -> list[Fact]:
    """List what is known of a tunnel as (label, text, tone), most urgent first."""
    spec, reason = status.spec, status.reason
    facts: list[Fact] = [("state", _state(status, glyphs, now), STATE_TONES[status.state])]
    if reason:
        facts.append(("reason", clean(reason.text), STATE_TONES[status.state]))
        facts.append(("do", clean(reason.advice), Tone.NAME))
        facts.append(("evidence", clean(reason.evidence), Tone.DIM))
    facts.append(("way", explain(spec, mode), Tone.PLAIN))
    facts.append(("host", clean(spec.remote_host), Tone.PLAIN))
    if status.traffic:
        traffic = status.traffic
        text = f"{amount(traffic.received)} in, {amount(traffic.sent)} out"
        facts.append(("traffic", text, Tone.PLAIN))
    if status.state in {State.RUNNING, State.STARTING}:
        facts.append(("reconnects", str(status.reconnects), Tone.PLAIN))
    processes = [("registered", status.pid), ("ssh", status.ssh_pid)]
    text = ", ".join(f"{name} {pid}" for name, pid in processes if pid)
    facts.append(("processes", text, Tone.PLAIN))
    facts.append(("group", clean(spec.group), Tone.PLAIN))
    facts.append(("about", clean(spec.description), Tone.PLAIN))
    facts.append(("hash", spec.hash, Tone.DIM))
    if not status.configured:
        facts.append(("config", "no longer in the file", Tone.WARNING))
    return [fact for fact in facts if fact[1]]


def _state(status: TunnelStatus, glyphs: Glyphs, now: float) -> str:
    parts = [badge(status, glyphs), clean(status.detail)]
    if status.state is State.INTERACTIVE and not status.detail:
        parts.append(NEEDS_LOGIN)
    if status.since is not None and status.state is not State.STOPPED:
        parts.append(f"for {duration(now - status.since)}")
    if not status.confirmed:
        parts.append("not confirmed: its log does not say when the forward stands")
    return f" {glyphs.dot} ".join(part for part in parts if part)


class Details(VerticalScroll, Toned, can_focus=True):
    """A page of labelled lines; long ones wrap under their own beginning."""

    COMPONENT_CLASSES: ClassVar[set[str]] = set(TONE_CLASSES)

    BINDINGS: ClassVar[list[BindingType]] = [*bindings.LOG_SCROLL]

    def __init__(self, mode: DirectionMode, glyphs: Glyphs) -> None:
        super().__init__(id="details")
        self._mode = mode
        self._glyphs = glyphs
        self._layers: Sequence[Layer] = ()
        self._command = ""
        self._status: TunnelStatus | None = None
        self._drawn: object = None
        self._page = Static(id="details-text")

    def on_mount(self) -> None:
        """Suit the terminal."""
        suit_scroll_bars(self, self._glyphs)

    def compose(self) -> ComposeResult:
        """Hold one page of text."""
        yield self._page

    def show(self, status: TunnelStatus | None, now: float) -> None:
        """Show a tunnel; its ladder comes later by `add`."""
        if not (status and self._status and status.spec.hash == self._status.spec.hash):
            self._layers, self._command = (), ""
            self.scroll_to(y=0, animate=False)
        self._status = status
        self._draw(now)

    def add(self, key: str, layers: Sequence[Layer], command: str, now: float) -> None:
        """Take in the ladder and the command of tunnel `key`."""
        if self._status and key == self._status.spec.hash:
            self._layers, self._command = layers, command
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
        text = self._page
        if self._status is None:
            text.update("")
            return
        facts = list_facts(self._status, self._mode, self._glyphs, now)
        if self._command:
            facts.append(("command", clean(self._command), Tone.DIM))
        wide = self.size.width >= WIDE
        drawn = (facts, tuple(self._layers), wide)
        if drawn == self._drawn:
            return
        self._drawn = drawn
        text.update(self._set_page(facts, wide))

    def _set_page(self, facts: Sequence[Fact], wide: bool) -> Table:
        left = make_grid(facts, self.tone_style)
        ladder = make_ladder(self._layers, self._glyphs, self.tone_style)
        page = Table.grid(padding=(0, 4), expand=True)
        page.add_column(ratio=3)
        if wide:
            page.add_column(ratio=2)
            page.add_row(left, ladder)
        else:
            page.add_row(left)
            page.add_row(ladder)
        return page


def make_grid(facts: Sequence[Fact], style: Callable[[Tone], Style]) -> Table:
    """Set labels and texts side by side."""
    grid = Table.grid(padding=(0, 2))
    grid.add_column(width=10, no_wrap=True)
    grid.add_column(overflow="fold")
    for label, text, tone in facts:
        grid.add_row(Text(label, style(Tone.FAINT)), Text(text, style(tone)))
    return grid


def make_ladder(layers: Sequence[Layer], glyphs: Glyphs, style: Callable[[Tone], Style]) -> Table:
    """Draw the rungs from process to traffic, each passed, failed, or not asked."""
    grid = Table.grid(padding=(0, 2))
    grid.add_column(width=1)
    grid.add_column(no_wrap=True)
    grid.add_column(overflow="fold")
    for layer in layers:
        glyph, tone = {
            True: (glyphs.good, Tone.RUNNING),
            False: (glyphs.bad, Tone.DEAD),
            None: (glyphs.dot, Tone.FAINT),
        }[layer.ok]
        named = Tone.FAINT if layer.ok is None else Tone.PLAIN
        grid.add_row(
            Text(glyph, style(tone)),
            Text(clean(layer.name), style(named)),
            Text(clean(layer.detail), style(Tone.DIM)),
        )
    return grid
