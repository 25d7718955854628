"""From the start of the process to the first picture with tunnels in it."""

import sys

from benchmarks.app.lab import Lab
from benchmarks.app.terminal import Terminal
from benchmarks.figures import Figure, compare

TUNNELS = 200
FIRST = b"tunnel-000"
LIMIT = 1.3


def measure(quick: bool) -> list[Figure]:
    """Measure the app on a real configuration beside a bare app of the same widgets."""
    with Lab(TUNNELS, running=False) as lab:
        bare = [sys.executable, "-m", "benchmarks.app.bare", str(TUNNELS)]
        compared = compare(
            lambda: _first_paint(lab.open()),
            lambda: _first_paint(Terminal(bare, lab.home.variables)),
            4 if quick else 12,
        )
    return [
        compared.figure(
            f"first paint with {TUNNELS} tunnels", "a bare Textual app with the same widgets", LIMIT
        )
    ]


def _first_paint(terminal: Terminal) -> float:
    """Milliseconds to the first row."""
    at = terminal.wait(20.0, FIRST)
    if at is None:
        raise SystemExit("nothing was painted")
    terminal.kill()
    return (at - terminal.started) * 1000
