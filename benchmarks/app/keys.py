"""From a key to its frame: in silence, beside a flooded log, and while tunnels change."""

import random
import re
import statistics
import threading
import time
from functools import partial

from benchmarks.app.lab import Lab, pretend, settle
from benchmarks.app.terminal import Terminal, cpu_seconds, cursor_on
from benchmarks.figures import Figure, spread_of
from benchmarks.stolen import Waits

LINES = 20_000
"""Per second, in a flood."""
TUNNELS, CHANGES = 200, 20
MOST, TIMES, SHARE = 60.0, 3.0, 15.0
DOWN, NAME_ORDER = b"j", b"oo"
LOG, PAGE_UP, UP, MARK_ALL, BACK = b"l", b"\x15", b"k", b"*", b"\x1b"
_LINE = re.compile(rb"line (\d{9})")


def measure(quick: bool) -> list[Figure]:
    """Measure all three."""
    presses = 60 if quick else 200
    return [*_flooded(presses), *_busy(presses, 10.0 if quick else 20.0)]


class Flood:
    """Writes lines into a log, so many per second, until it is closed."""

    def __init__(self, path: str, per_second: int, begin: int) -> None:
        self._path = path
        self._step = per_second // 50
        self._next = begin
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        with open(self._path, "a") as file:
            due = time.monotonic()
            while not self._ending.wait(max(0.0, due - time.monotonic())):
                due += 1 / 50
                numbers = range(self._next, self._next + self._step)
                file.write("".join(map(line, numbers)))
                file.flush()
                self._next += self._step

    def close(self) -> None:
        self._ending.set()
        self._thread.join()


def line(number: int) -> str:
    """Write a line of a log as ssh does."""
    return f"debug1: channel 3: free: direct-tcpip, line {number:09} nchannels 4\n"


def _flooded(presses: int) -> list[Figure]:
    with Lab(10) as lab:
        spec = lab.specs[0]
        path = lab.settings.log_file(spec.hash)
        with open(path, "a") as file:
            file.write("".join(map(line, range(10_000))))
        terminal = lab.open()
        try:
            settle(terminal)
            quiet_marks = _marks(terminal, presses // 2, len(lab.specs))
            quiet_scrolls = _scrolls(terminal, presses)
            flood = Flood(path, LINES, 10_000)
            settle(terminal, 2.0)
            loud_marks = _marks(terminal, presses // 2, len(lab.specs))
            loud_scrolls = _scrolls(terminal, presses)
            flood.close()
        finally:
            terminal.close()
    return [
        _beside("mark all → frame while the log that is followed", loud_marks, quiet_marks),
        _beside("scroll → frame while the log that is read", loud_scrolls, quiet_scrolls),
    ]


def _marks(terminal: Terminal, presses: int, tunnels: int) -> Waits:
    """Mark all tunnels and take the marks away again; the footer says so."""
    waits = Waits()
    for _ in range(presses):
        for key, said in ((MARK_ALL, b"%d marked" % tunnels), (MARK_ALL, b"start")):
            terminal.wait(random.uniform(0.05, 0.12))
            waits.add(partial(terminal.press, key, said))
    return waits


def _scrolls(terminal: Terminal, presses: int) -> Waits:
    """Scroll the log up line by line; each time a line comes into sight that was not there."""
    terminal.press(LOG, b"\x1b[")
    for _ in range(presses // 12 + 4):
        terminal.press(PAGE_UP, b"\x1b[")
        terminal.wait(0.06)
    terminal.wait(0.3)
    seen: set[int] = set()
    terminal.press(UP, lambda data: seen.update(map(int, _LINE.findall(data))), 0.5)
    waits, above = Waits(), min(seen)
    for _ in range(presses):
        above -= 1
        terminal.wait(random.uniform(0.05, 0.12))
        waits.add(partial(terminal.press, UP, b"line %09d" % above))
    terminal.press(b"G", b"following")
    terminal.press(BACK, b"start")
    return waits


def _beside(what: str, loud: Waits, quiet: Waits) -> Figure:
    ours, theirs = p99(loud), p99(quiet)
    return Figure(
        f"{what} gets {LINES:,} lines/s",
        "the same key in silence",
        f"p99 ≤ {TIMES:g}×, ≤ {MOST:.0f} ms",
        ours,
        theirs,
        "ms (p99)",
        ours / theirs,
        f"{spread_of(loud)} ms",
        ours <= MOST and ours <= TIMES * theirs,
        _medians(loud, quiet),
    )


def _busy(presses: int, seconds: float) -> list[Figure]:
    figures = []
    with Lab(0, running=False) as lab:
        moves, share = [], 0.0
        for changes in (0, CHANGES):
            terminal = pretend(lab, str(TUNNELS), str(changes))
            try:
                settle(terminal, 6.0)
                before = cpu_seconds(terminal.pid)
                settle(terminal, seconds)
                share = (cpu_seconds(terminal.pid) - before) / seconds * 100
                terminal.press(NAME_ORDER, b"by name")
                settle(terminal, 1.0)
                moves.append(_moves(terminal, presses))
            finally:
                terminal.close()
    quiet, loud = moves
    figures.append(_keys_figure(loud, quiet))
    figures.append(
        Figure(
            f"app with {TUNNELS} tunnels of which {CHANGES} change every second",
            "nothing",
            f"< {SHARE:g} % of a core",
            share,
            None,
            "% of a core",
            None,
            f"{seconds:.0f} s",
            share < SHARE,
        )
    )
    return figures


def _keys_figure(loud: Waits, quiet: Waits) -> Figure:
    ours, theirs = p99(loud), p99(quiet)
    return Figure(
        f"key → frame with {TUNNELS} tunnels of which {CHANGES} change every second",
        "the same key while nothing changes",
        f"p99 ≤ {MOST:.0f} ms",
        ours,
        theirs,
        "ms (p99)",
        ours / theirs,
        f"{spread_of(loud)} ms",
        ours <= MOST,
        _medians(loud, quiet),
    )


def _moves(terminal: Terminal, presses: int) -> Waits:
    """Move the cursor down and up; sorted by name each row keeps its line."""
    terminal.press(b"g", b"")
    terminal.wait(0.5)
    waits, place, step = Waits(), 3, 1  # below the header and the names of the columns
    for _ in range(presses):
        if place + step > 17 or place + step < 3:
            step = -step
        place += step
        terminal.wait(random.uniform(0.05, 0.15))
        key = DOWN if step > 0 else UP
        waits.add(partial(terminal.press, key, cursor_on(place)))
    return waits


def _medians(loud: Waits, quiet: Waits) -> str:
    beside = f"medians: {statistics.median(loud):.1f} beside {statistics.median(quiet):.1f} ms"
    lost = loud.lost + quiet.lost
    if not lost:
        return beside
    return f"{beside}; {lost} of {len(loud) + len(quiet) + lost} not counted: stolen time"


def p99(values: list[float]) -> float:
    """The value that one in a hundred exceeds."""
    return sorted(values)[min(len(values) - 1, int(len(values) * 0.99))]
