"""A progress bar on stderr for work that a person watches and that takes its time."""

import os
import time

from tunnel_tui.cli.output import Output, safe
from tunnel_tui.model import Outcome

_PATIENCE = 0.4
"""Seconds before the bar appears: shorter work only flickers."""
_INTERVAL = 0.05
"""Seconds between two drawings."""
_CELLS = 24


class Progress:
    """Collects outcomes as they come and draws a bar where a person watches.

    Attributes:
        outcomes: what has been done so far, in the order in which it was done.
    """

    def __init__(self, output: Output) -> None:
        self.outcomes: list[Outcome] = []
        self.total = 0
        self._output = output
        self._began = time.monotonic()
        self._drawn = 0.0

    def __call__(self, done: int, total: int, outcome: Outcome) -> None:
        """Take note of one outcome (any thread)."""
        self.outcomes.append(outcome)
        self.total = max(self.total, total)
        now = time.monotonic()
        if total > 1 and now - self._began > _PATIENCE and now - self._drawn > _INTERVAL:
            self._drawn = now
            self._output.progress(self._bar(done, total, outcome))

    def finish(self) -> None:
        """Take the bar away."""
        if self._drawn:
            self._output.erase_progress()

    def _bar(self, done: int, total: int, outcome: Outcome) -> str:
        filled = _CELLS * done // total
        bar = "█" * filled + "░" * (_CELLS - filled)
        try:
            columns = os.get_terminal_size(2).columns
        except OSError:
            columns = 0
        text = f"{bar} {done}/{total} {outcome.verb} {safe(outcome.name)}"
        return text[: (columns or 80) - 1]
