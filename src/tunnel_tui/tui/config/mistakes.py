"""What is wrong with the config file, all of it at once, each beside the line it stands in."""

import time
from collections.abc import Sequence
from typing import ClassVar

from rich.table import Table
from rich.text import Text
from textual.binding import Binding, BindingType
from textual.widgets import Static

from tunnel_tui.model import Problem
from tunnel_tui.supervise.monitor.monitor import Snapshot
from tunnel_tui.tui.dialogs.page import PageScreen, scroll_keys
from tunnel_tui.tui.format.line import TONE_CLASSES, Toned
from tunnel_tui.tui.format.text import Tone, clean

EDIT = Binding("e", "accept", "go back in", id="mistakes.edit", show=False, key_display="e")
CLOSE = Binding("escape,q,p,enter", "leave", "close", id="mistakes.close", show=False)
HOLDS = "What runs stays as it is: the last good version of the file is in force."
LONGEST = 120
"""Characters of a line of the file that are shown."""


class MistakesPage(Static, Toned):
    """Line number, what stands there, and what is wrong with it, one under the other."""

    COMPONENT_CLASSES: ClassVar[set[str]] = set(TONE_CLASSES)

    def __init__(self, problems: Sequence[Problem], lines: Sequence[str]) -> None:
        super().__init__()
        self._problems = problems
        self._lines = lines

    def on_mount(self) -> None:
        """Set the page."""
        grid = Table.grid(padding=(0, 2))
        grid.add_column(justify="right", no_wrap=True)
        grid.add_column()
        for problem in self._problems:
            where = f"line {problem.line}" if problem.line else ""
            grid.add_row(Text(where, self.tone_style(Tone.DIM)), self._explain(problem))
            grid.add_row("", "")
        self.update(grid)

    def _explain(self, problem: Problem) -> Text:
        tone = Tone.DEAD if problem.fatal else Tone.WARNING
        text = Text()
        line = self._lines[problem.line - 1] if 0 < problem.line <= len(self._lines) else ""
        if line.strip():
            text.append(clean(line.strip())[:LONGEST] + "\n", self.tone_style(Tone.NAME))
        if problem.key:
            text.append(f"{clean(problem.key)}  ", self.tone_style(Tone.DIM))
        text.append(clean(problem.message), self.tone_style(tone))
        if problem.value and problem.value not in line:
            text.append(f"\nfound {clean(problem.value)}", self.tone_style(Tone.DIM))
        if problem.allowed:
            text.append(f"\n{clean(problem.allowed)}", self.tone_style(Tone.DIM))
        return text


class Mistakes(PageScreen):
    """The list of mistakes; goes away by itself when the file is mended. True: edit it."""

    BINDINGS: ClassVar[list[BindingType]] = [EDIT, CLOSE, *scroll_keys("mistakes")]

    def __init__(self, path: str, problems: Sequence[Problem], text: str = "") -> None:
        foot = HOLDS if any(problem.fatal for problem in problems) else ""
        back = Binding("escape", "leave", "close", key_display="esc")
        page = MistakesPage(problems, text.splitlines())
        super().__init__(path, page, foot, (EDIT, back))
        self._shown_at = time.time()

    def is_mended(self, snapshot: Snapshot) -> bool:
        """Say whether the file, looked at after this list was made, is fine again."""
        return snapshot.broken is None and snapshot.taken_at > self._shown_at
