"""A field of a form in which one of a few words is chosen, on one line."""

from collections.abc import Sequence
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.message import Message

from tunnel_tui.tui.format.glyphs import Glyphs
from tunnel_tui.tui.format.line import LineWidget
from tunnel_tui.tui.format.text import Span, Tone


class Choice(LineWidget, can_focus=True):
    """Shows all words; the chosen one is filled in."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("space,right,l", "turn(1)", "next", id="choice.next", show=False),
        Binding("left,h", "turn(-1)", "previous", id="choice.previous", show=False),
    ]

    class Changed(Message):
        """Another word was chosen."""

        def __init__(self, choice: "Choice") -> None:
            super().__init__()
            self.choice = choice

    def __init__(
        self, options: Sequence[tuple[str, str]], value: str, glyphs: Glyphs, *, name: str
    ) -> None:
        super().__init__(id=name)
        self._options = options
        self._glyphs = glyphs
        self._value = value

    @property
    def value(self) -> str:
        """What stands for the chosen word."""
        return self._value

    @value.setter
    def value(self, value: str) -> None:
        if value != self._value:
            self._value = value
            self.update_line()
            self.post_message(self.Changed(self))

    def spans(self, width: int) -> Sequence[Span]:
        """Lay out the words."""
        del width
        spans: list[Span] = []
        marks = ("(*)", "( )") if self._glyphs.ascii else ("●", "○")
        for index, (value, label) in enumerate(self._options):
            chosen = value == self._value
            tone = (Tone.KEY if self.has_focus else Tone.NAME) if chosen else Tone.DIM
            mark = marks[not chosen]
            spans += [Span(f"{mark} {label}", tone, f"choose({index})"), Span("   ")]
        return spans

    def on_focus(self) -> None:
        """Show that keys come here."""
        self.refresh()

    def on_blur(self) -> None:
        """Show that they no longer do."""
        self.refresh()

    def action_turn(self, step: int) -> None:
        """Choose the next word, or the one before."""
        values = [value for value, _ in self._options]
        self.value = values[(values.index(self._value) + step) % len(values)]

    def action_choose(self, index: int) -> None:
        """Choose a word."""
        self.focus()
        self.value = self._options[index][0]
