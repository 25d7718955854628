"""What app and watcher take while nothing happens."""

import os
import subprocess
import time

from benchmarks.app.lab import Lab, settle
from benchmarks.app.terminal import cpu_seconds, memory
from benchmarks.figures import Figure

TUNNELS = 200
APP_SHARE, APP_MEMORY = 1.0, 90.0
WATCHER_SHARE, WATCHER_MEMORY = 0.2, 30.0
REST = 8.0
"""Seconds until the app's start is over."""
AGE = 65.0
"""Seconds that the tunnels are old: in its first minute each shows its age in seconds."""


def measure(quick: bool) -> list[Figure]:
    """Measure the watcher, then the app beside it."""
    seconds = 10.0 if quick else 30.0
    with Lab(TUNNELS) as lab:
        watcher = subprocess.Popen(
            lab.home.command("daemon"),
            env=lab.home.variables,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            time.sleep(AGE - seconds)
            alone = _share([watcher.pid], seconds)
            held = memory(watcher.pid)
            beside = _app(lab, seconds)
        finally:
            watcher.terminate()
            watcher.wait()
    share, spread = alone
    return [
        *_figures("app", beside, seconds),
        _share_figure("watcher", share, spread, WATCHER_SHARE, seconds),
        _memory_figure("watcher", held, WATCHER_MEMORY),
    ]


def _app(lab: Lab, seconds: float) -> tuple[tuple[float, str], float]:
    terminal = lab.open()
    try:
        settle(terminal, REST)
        descriptors = [terminal.fd]
        share = _share([terminal.pid], seconds, descriptors)
        return share, memory(terminal.pid)
    finally:
        terminal.close()


def _share(pids: list[int], seconds: float, drained: list[int] = []) -> tuple[float, str]:  # noqa: B006
    """Percent of a core over a span, and of its five parts the least and the most."""
    parts = []
    for _ in range(5):
        before, start = sum(map(cpu_seconds, pids)), time.perf_counter()
        _drain(drained, seconds / 5)
        taken = sum(map(cpu_seconds, pids)) - before
        parts.append(taken / (time.perf_counter() - start) * 100)
    return sum(parts) / 5, f"{min(parts):.2f}–{max(parts):.2f} of 5"


def _drain(descriptors: list[int], seconds: float) -> None:
    import select

    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        for descriptor in select.select(descriptors, [], [], left)[0]:
            os.read(descriptor, 65536)


def _figures(
    who: str, found: tuple[tuple[float, str], float], seconds: float
) -> tuple[Figure, Figure]:
    (share, spread), held = found
    return (
        _share_figure(who, share, spread, APP_SHARE, seconds),
        _memory_figure(who, held, APP_MEMORY),
    )


def _share_figure(who: str, share: float, spread: str, limit: float, seconds: float) -> Figure:
    return Figure(
        f"idle {who}, {TUNNELS} tunnels, {seconds:.0f} s",
        "nothing",
        f"≤ {limit:g} % of a core",
        share,
        None,
        "% of a core",
        None,
        spread,
        share <= limit,
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
