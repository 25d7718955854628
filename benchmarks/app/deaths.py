"""From the death of a tunnel to its changed badge in the bytes that leave the terminal."""

import os
import random
import re
import select
import signal
import statistics
import subprocess
import time

from benchmarks.app.lab import Lab, settle
from benchmarks.figures import Figure, spread_of
from benchmarks.stolen import stolen

FRAME = 1 / 60
MEDIAN, WORST = 50.0, 150.0
_BADGE = re.compile(rb"DEAD")


def measure(quick: bool) -> list[Figure]:
    """Measure with few and with many tunnels."""
    deaths = 15 if quick else 100
    return [_measure(tunnels, deaths) for tunnels in (10, 200)]


def _measure(tunnels: int, deaths: int) -> Figure:
    floor = sorted(_wake_up() for _ in range(deaths))
    with Lab(tunnels) as lab:
        terminal = lab.open()
        try:
            settle(terminal, 5.0)
            waits: list[tuple[float, float]] = []
            specs = random.sample(lab.specs, len(lab.specs))
            for number in range(deaths):
                spec = specs[number % len(specs)]
                pid = lab.autossh()[spec.hash]
                before, start = stolen(), time.perf_counter()
                os.kill(pid, signal.SIGKILL)
                at = terminal.wait(3.0, _BADGE.search)
                waits.append((((at or start + 3.0) - start) * 1000, stolen() - before))
                terminal.wait(0.3)
                lab.start((spec,))
                terminal.wait(random.uniform(0.9, 1.1))
        finally:
            terminal.close()
    waits.sort()
    median, (worst, theft) = statistics.median(wait for wait, _ in waits), waits[-1]
    theirs = statistics.median(floor)
    return Figure(
        f"death of one of {tunnels} tunnels → changed badge on the terminal",
        "pidfd wake-up + one 60 Hz frame",
        f"median ≤ {MEDIAN:.0f} ms, worst of {deaths} ≤ {WORST:.0f} ms",
        median,
        theirs,
        "ms",
        median / theirs,
        f"{spread_of([wait for wait, _ in waits])}, worst {worst:.0f}",
        median <= MEDIAN and worst <= WORST,
        note=f"{theft:.0f} ms of the worst were stolen from this machine" if theft else "",
    )


def _wake_up() -> float:
    """Milliseconds from a kill to the pidfd's wake-up in another process's parent, and a frame."""
    child = subprocess.Popen(["sleep", "60"])
    descriptor = os.pidfd_open(child.pid)
    try:
        time.sleep(0.02)
        start = time.perf_counter()
        child.kill()
        select.select([descriptor], [], [])
        return (time.perf_counter() - start + FRAME) * 1000
    finally:
        os.close(descriptor)
        child.wait()
