"""What stands where the table would be: says why there is nothing, and what to do."""

from collections.abc import Sequence
from typing import ClassVar

from rich.text import Text
from textual.binding import BindingType
from textual.widgets import Static

from tunnel_tui.model import Problem
from tunnel_tui.tui.format.line import TONE_CLASSES, Toned
from tunnel_tui.tui.format.text import Span, Tone, clean
from tunnel_tui.tui.keys import bindings

SAMPLE = """\
# The tunnels of this machine. Take the leading # away from one and make it yours;
# whatever is saved here is shown and checked by tunnel-tui at once.
tunnels:
#  # Their service here (ssh -L): http://localhost:3000 reaches port 3000 of edge-3.
#  - name: grafana
#    remote_host: user@edge-3      # or a Host of your ssh config
#    remote_port: 3000             # the end there; db:5432 is seen from there
#    local_port: 3000              # the end here
#
#  # My service there (ssh -R): port 8080 of cloud reaches port 4000 here.
#  - name: share-blog
#    remote_host: user@cloud
#    remote_port: 8080
#    local_port: 4000
#    direction: local_to_remote
#
#  # A host that asks for a password or a code: a person logs in with the key a.
#  - name: cluster
#    remote_host: user@login.cluster
#    remote_port: node-17:8888
#    local_port: 8888
#    interactive: true
"""
WAYS = (
    ("n", "fill in a form for the first tunnel"),
    ("w", "write a sample and open it in your editor"),
    ("e", "write it yourself, in your editor"),
    ("i", "take forwards over from your ssh config"),
)


def teach(path: str, exists: bool, problems: Sequence[Problem]) -> list[list[Span]]:
    """Compose the page, line by line.

    Args:
        path: the config file that was looked for.
        exists: whether it is there.
        problems: its mistakes.
    """
    fatal = [problem for problem in problems if problem.fatal]
    if exists and fatal:
        lines = [
            [
                Span(f"line {problem.line}  " if problem.line else "", Tone.DIM),
                Span(f"{clean(problem.key)}  " if problem.key else "", Tone.NAME),
                Span(clean(problem.message), Tone.DEAD),
            ]
            for problem in fatal
        ]
        return [
            [Span("The config cannot be used yet", Tone.WARNING)],
            [Span(clean(path), Tone.DIM)],
            [],
            *lines,
            [],
            _way("e", "mend it in your editor; the table appears by itself"),
            _way("p", "see every mistake beside its line"),
        ]
    ways = [way for way in WAYS if not (exists and way[0] == "w")]
    return [
        [Span("No tunnels are configured yet" if exists else "There is no config yet", Tone.NAME)],
        [Span(f"{'the file is' if exists else 'looked in'} {clean(path)}", Tone.DIM)],
        [],
        [Span("A tunnel brings a service of another machine here, or one of yours there.")],
        [],
        *(_way(key, text) for key, text in ways),
        [],
        [Span("The table appears by itself, whoever writes the file.", Tone.DIM)],
    ]


def _way(key: str, text: str) -> list[Span]:
    action = next(b.action for b in bindings.EMPTY_PAGE if b.key == key)
    return [Span(f"  {key}  ", Tone.KEY, action), Span(text)]


class Empty(Static, Toned, can_focus=True):
    """A page in place of the table; its keys make the first tunnel."""

    BINDINGS: ClassVar[list[BindingType]] = [*bindings.EMPTY_PAGE]
    COMPONENT_CLASSES: ClassVar[set[str]] = set(TONE_CLASSES)

    def show(self, lines: Sequence[Sequence[Span]]) -> None:
        """Show these lines."""
        page = Text("\n").join(self._line(spans) for spans in lines)
        self.update(page)

    def _line(self, spans: Sequence[Span]) -> Text:
        line = Text()
        for text, tone, action in spans:
            style = self.tone_style(tone)
            if action:
                style += type(style)(meta={"@click": action})
            line.append(text, style)
        return line
