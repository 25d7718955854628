"""The footer: the keys that do something to the selected row, and the way to all others."""

from collections.abc import Sequence

from textual.binding import Binding

from tunnel_tui.tui.format.line import LineWidget, spans_width
from tunnel_tui.tui.format.text import Span, Tone
from tunnel_tui.tui.keys.bindings import key_text


class KeyBar(LineWidget):
    """Keys as `key word`, most important first; those that do not fit are in the help."""

    def __init__(self) -> None:
        super().__init__(id="key-bar")
        self._keys: tuple[Binding, ...] = ()
        self._always: tuple[Binding, ...] = ()
        self._lead = ""

    def show(self, keys: Sequence[Binding], always: Sequence[Binding], lead: str = "") -> None:
        """Show `lead` and `keys` from the left as far as there is room, `always` at the right."""
        self._lead = lead
        self._keys, self._always = tuple(keys), tuple(always)
        self.update_line()

    def spans(self, width: int) -> Sequence[Span]:
        """Lay out the keys."""
        right = [span for binding in self._always for span in _pair(binding)]
        room = width - spans_width(right) - 1
        left = [Span(" "), Span(f"{self._lead}   " if self._lead else "", Tone.NAME)]
        for binding in self._keys:
            pair = _pair(binding)
            if spans_width(left) + spans_width(pair) > room:
                break
            left += pair
        return [*left, Span(" " * (width - spans_width(left) - spans_width(right))), *right]


def _pair(binding: Binding) -> list[Span]:
    action = binding.action if "." in binding.action else f"screen.{binding.action}"
    return [
        Span(key_text(binding), Tone.KEY, action),
        Span(f" {binding.description}", Tone.DIM, action),
        Span("   "),
    ]
