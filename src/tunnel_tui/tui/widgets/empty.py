"""What stands where the table would be: says why there is nothing, and what to do."""

from collections.abc import Sequence
from typing import ClassVar

from rich.text import Text
from textual.widgets import Static

from tunnel_tui.model import Problem
from tunnel_tui.tui.present import Span, Tone, clean
from tunnel_tui.tui.widgets.line import TONE_CLASSES, Toned

SAMPLE = """\
tunnels:
  - name: grafana
    remote_host: user@edge-3      # or an alias of your ssh config
    remote_port: 3000             # the service, seen from there
    local_port: 3000              # where you connect, here
"""


def teach(path: str, exists: bool, problems: Sequence[Problem]) -> list[Span]:
    """Compose the page, one span a line.

    Args:
        path: the config file that was looked for.
        exists: whether it is there.
        problems: its mistakes.
    """
    if exists and problems:
        head = [Span("The config cannot be used yet", Tone.WARNING), Span("")]
        return head + [Span(clean(str(problem))) for problem in problems]
    return [
        Span("No tunnels are configured" if exists else "There is no config yet", Tone.NAME),
        Span(f"{'the file is' if exists else 'looked in'} {clean(path)}", Tone.DIM),
        Span(""),
        Span("Write this into it; the table appears by itself:"),
        Span(""),
        *(Span(f"  {line}", Tone.ACCENT) for line in SAMPLE.splitlines()),
    ]


class Empty(Static, Toned):
    """A page in place of the table."""

    COMPONENT_CLASSES: ClassVar[set[str]] = set(TONE_CLASSES)

    def show(self, lines: Sequence[Span]) -> None:
        """Show these lines."""
        self.update(Text("\n").join(Text(text, self.tone_style(tone)) for text, tone, _ in lines))
