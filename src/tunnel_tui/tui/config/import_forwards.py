"""Forwards of the ssh configuration, to choose from: what is ticked becomes tunnels."""

from collections.abc import Sequence
from typing import ClassVar, NamedTuple

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical, VerticalScroll
from textual.message import Message
from textual.screen import ModalScreen
from textual.widgets import Static

from tunnel_tui.model import DirectionMode, TunnelSpec
from tunnel_tui.ssh.config_files import ConfiguredForward
from tunnel_tui.tui.config.tunnel_draft import BLANK, find_mistakes, is_inward, spec_of
from tunnel_tui.tui.format.glyphs import Glyphs
from tunnel_tui.tui.format.line import LineWidget
from tunnel_tui.tui.format.text import Span, Tone, clean, fit
from tunnel_tui.tui.shell.footer import KeyBar

TICK = Binding("space", "tick", "tick", key_display="space")
ALL = Binding("a", "all", "all or none", id="import.all", show=False)
TAKE = Binding("enter", "take", "add the ticked", id="import.take", show=False)
LEAVE = Binding("escape,q", "leave", "leave", id="import.leave", show=False, key_display="esc")


class Candidate(NamedTuple):
    """A forward that could become a tunnel; `why_not` says why it cannot."""

    forward: ConfiguredForward
    values: dict[str, str]
    why_not: str


def find_candidates(
    forwards: Sequence[ConfiguredForward], specs: Sequence[TunnelSpec], mode: DirectionMode
) -> list[Candidate]:
    """Turn forwards into tunnels with names of their own; those that are there already stay out."""
    there = {(s.remote_host, s.remote_port, s.local_port, s.direction.value) for s in specs}
    names = {spec.name for spec in specs}
    found = []
    for forward in forwards:
        values = forward.values(mode)
        key = (values["remote_host"], values["remote_port"], values["local_port"])
        whole = (*key, values["direction"])
        why = "is a tunnel already" if whole in there else ""
        wrong = find_mistakes(dict(BLANK) | values)
        if wrong and not why:
            why = "; ".join(f"{name} {mistake.message}" for name, mistake in wrong.items())
        values["name"] = _free_name(values["name"], names) if not why else values["name"]
        there.add(whole)
        names.add(values["name"])
        found.append(Candidate(forward, values, why))
    return found


def _free_name(name: str, taken: set[str]) -> str:
    number, candidate = 2, name
    while candidate in taken:
        candidate, number = f"{name}-{number}", number + 1
    return candidate


class Pick(LineWidget, can_focus=True):
    """One forward with a box to tick."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("space,x", "tick", "tick", id="import.tick", show=False)
    ]

    class Ticked(Message):
        """A box was ticked, or no longer is."""

    def __init__(self, candidate: Candidate, mode: DirectionMode, glyphs: Glyphs) -> None:
        super().__init__()
        self.candidate = candidate
        self._glyphs = glyphs
        self._mode = mode
        self.ticked = False
        self.can_focus = not candidate.why_not

    def spans(self, width: int) -> Sequence[Span]:
        """Lay out box, name, way and where it stands."""
        values, glyphs = self.candidate.values, self._glyphs
        able = not self.candidate.why_not
        box = ("[x]" if self.ticked else "[ ]") if able else "   "
        lead = glyphs.cursor if self.has_focus else " "
        name_width = max(12, min(28, width // 4))
        way = _way(values, self._mode, glyphs)
        where = f"line {self.candidate.forward.line}" if able else self.candidate.why_not
        tone = Tone.NAME if able else Tone.FAINT
        room = max(10, width - name_width - 8 - len(where) - 2)
        return [
            Span(f"{lead}", Tone.KEY),
            Span(f"{box} ", Tone.KEY if self.ticked else Tone.DIM, "tick" if able else ""),
            Span(fit(clean(values["name"]), name_width, glyphs), tone, "tick" if able else ""),
            Span("  "),
            Span(fit(way, room, glyphs), Tone.PLAIN if able else Tone.FAINT),
            Span(f" {clean(where)}", Tone.DIM),
        ]

    def on_focus(self) -> None:
        """Show the cursor."""
        self.refresh()

    def on_blur(self) -> None:
        """Hide it."""
        self.refresh()

    def action_tick(self) -> None:
        """Tick the box, or not."""
        self.set_ticked(not self.ticked)

    def set_ticked(self, ticked: bool) -> None:
        """Tick the box, or not."""
        if self.can_focus and ticked != self.ticked:
            self.ticked = ticked
            self.update_line()
            self.post_message(self.Ticked())


def _way(values: dict[str, str], mode: DirectionMode, glyphs: Glyphs) -> str:
    try:
        spec = spec_of(dict(BLANK) | values)
        forward = spec.forward(mode)
    except ValueError:
        return ""
    where = "" if is_inward(values["direction"], mode) else f"at {spec.remote_host} "
    return clean(f"{where}{forward.listener} {glyphs.arrow} {forward.target}")


class TakeOver(ModalScreen[list[dict[str, str]] | None]):
    """Lets a person choose; returns the values of the chosen ones."""

    BINDINGS: ClassVar[list[BindingType]] = [
        ALL,
        TAKE,
        LEAVE,
        Binding("j,down", "app.focus_next", "down", id="import.down", show=False),
        Binding("k,up", "app.focus_previous", "up", id="import.up", show=False),
    ]

    def __init__(
        self, path: str, candidates: Sequence[Candidate], mode: DirectionMode, glyphs: Glyphs
    ) -> None:
        super().__init__()
        self._path = path
        self._picks = [Pick(candidate, mode, glyphs) for candidate in candidates]
        self._count = Static("", id="holds", markup=False)

    def compose(self) -> ComposeResult:
        """Lay out the list."""
        with Vertical(id="help-box") as box:
            box.border_title = f"Forwards in {clean(self._path)}".replace("[", "\\[")
            with VerticalScroll(id="mistakes", can_focus=False):
                yield from self._picks
            yield self._count
            yield KeyBar()

    def on_mount(self) -> None:
        """Begin at the first that can be ticked."""
        able = [pick for pick in self._picks if pick.can_focus]
        if able:
            able[0].focus()
        self.query_one(KeyBar).show((TICK, ALL, TAKE, LEAVE), ())
        self._tell()

    def on_pick_ticked(self) -> None:
        """Count anew."""
        self._tell()

    def _tell(self) -> None:
        number = sum(pick.ticked for pick in self._picks)
        text = f"{number} ticked" if number else "tick what should become tunnels"
        note = "Take the lines out of the ssh config after that: both cannot listen."
        self._count.update(f"\n{text}. {note}")

    def action_all(self) -> None:
        """Tick all, or none if all are."""
        able = [pick for pick in self._picks if pick.can_focus]
        wanted = not all(pick.ticked for pick in able)
        for pick in able:
            pick.set_ticked(wanted)

    def action_take(self) -> None:
        """Go on with the ticked ones; the one under the cursor if none is."""
        chosen = [pick for pick in self._picks if pick.ticked]
        if not chosen:
            chosen = [pick for pick in self._picks if pick.has_focus]
        if chosen:
            self.dismiss([pick.candidate.values for pick in chosen])

    def action_leave(self) -> None:
        """Take nothing over."""
        self.dismiss(None)
