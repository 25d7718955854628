"""What app and watcher take while nothing happens."""

import statistics
import subprocess
import time
from collections.abc import Callable
from functools import partial

from benchmarks.app.lab import Lab, settle
from benchmarks.app.terminal import cpu_seconds, memory
from benchmarks.figures import Figure, spread_of

TUNNELS = 200
APP_SHARE, APP_MEMORY = 1.0, 90.0
WATCHER_SHARE, WATCHER_MEMORY = 0.2, 30.0
READINGS, READING = 7, 12.0
"""Seconds of one: longer than what comes round most rarely, a search of all processes (10 s)."""
ROUND = 65.0
"""Seconds for the watcher, who looks after all logs once a minute."""
REST = 8.0
"""Seconds until the app's start is over."""


def measure(quick: bool) -> list[Figure]:
    """Measure the watcher, then the app beside it."""
    reading, watched = (2.0, 10.0) if quick else (READING, ROUND)
    with Lab(TUNNELS) as lab:
        watcher = subprocess.Popen(
            lab.home.command("daemon"),
            env=lab.home.variables,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            time.sleep(REST)
            alone = _share(watcher.pid, partial(time.sleep, watched))
            held = memory(watcher.pid)
            # By now all tunnels are older than a minute: before, each shows its age in seconds.
            shares, app = _app(lab, reading)
        finally:
            watcher.terminate()
            watcher.wait()
    spread = f"{spread_of(shares)} readings of {reading:.0f} s"
    mean = f"mean of all readings {statistics.mean(shares):.2f} %"
    return [
        _share_figure("app", statistics.median(shares), spread, APP_SHARE, mean),
        _memory_figure("app", app, APP_MEMORY),
        _share_figure("watcher", alone, f"one reading of {watched:.0f} s", WATCHER_SHARE),
        _memory_figure("watcher", held, WATCHER_MEMORY),
    ]


def _app(lab: Lab, reading: float) -> tuple[list[float], float]:
    """Shares and memory of the app.

    On a machine that shares its cores the same work takes up to three times as long in a bad
    moment, so the shares come one by one: a mean would tell of the neighbours.
    """
    terminal = lab.open()
    try:
        settle(terminal, REST)
        read = partial(settle, terminal, reading)
        return [_share(terminal.pid, read) for _ in range(READINGS)], memory(terminal.pid)
    finally:
        terminal.close()


def _share(pid: int, rest: Callable[[], None]) -> float:
    """Percent of a core that a process takes while we rest."""
    before, start = cpu_seconds(pid), time.perf_counter()
    rest()
    taken = cpu_seconds(pid) - before
    return taken / (time.perf_counter() - start) * 100


def _share_figure(who: str, share: float, spread: str, limit: float, note: str = "") -> Figure:
    return Figure(
        f"idle {who}, {TUNNELS} tunnels",
        "nothing",
        f"≤ {limit:g} % of a core",
        share,
        None,
        "% of a core",
        None,
        spread,
        share <= limit,
        note,
    )


def _memory_figure(who: str, held: float, limit: float) -> Figure:
    return Figure(
        f"memory of the {who}, {TUNNELS} tunnels",
        "nothing",
        f"≤ {limit:g} MB",
        held,
        None,
        "MB",
        None,
        "one reading",
        held <= limit,
        "resident, what is shared with other programs included",
    )
