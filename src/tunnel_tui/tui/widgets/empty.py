"""What stands where the table would be: says why there is nothing, and what to do."""

from collections.abc import Sequence
from typing import ClassVar

from rich.text import Text
from textual.widgets import Static

from tunnel_tui.model import Problem

SAMPLE = """\
tunnels:
  - name: grafana
    remote_host: user@edge-3      # or an alias of your ssh config
    remote_port: 3000             # the service, as the remote host reaches it
    local_port: 3000              # where you connect, here
"""


def teach(path: str, exists: bool, problems: Sequence[Problem]) -> list[tuple[str, str]]:
    """Compose the lines as (tone, text).

    Args:
        path: the config file that was looked for.
        exists: whether it is there.
        problems: its mistakes.
    """
    if exists and problems:
        head = [("warning", "The config cannot be used yet"), ("", "")]
        return head + [("plain", str(problem)) for problem in problems]
    first = "No tunnels are configured" if exists else "There is no config yet"
    look = "looked in" if not exists else "it is"
    lines = [("name", first), ("dim", f"{look} {path}"), ("", "")]
    lines.append(("plain", "Write this into it; the table appears by itself:"))
    lines.append(("", ""))
    return lines + [("accent", f"  {line}") for line in SAMPLE.splitlines()]


class Empty(Static):
    """A page in place of the table."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {
        f"tone--{name}" for name in ("warning", "plain", "name", "dim", "accent")
    }

    def show(self, lines: Sequence[tuple[str, str]]) -> None:
        """Show lines of (tone, text)."""
        page = Text()
        for tone, text in lines:
            style = self.get_component_rich_style(f"tone--{tone}", partial=True) if tone else ""
            page.append(f"{text}\n", style)
        self.update(page)
