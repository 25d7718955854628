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
from benchmarks.app.terminal import Terminal
from benchmarks.figures import Figure, spread_of
from benchmarks.stolen import Heartbeat
from tunnel_tui.model import TunnelSpec

FRAME = 1 / 60
MEDIAN, WORST = 50.0, 150.0
PATIENCE = 3.0
"""Seconds until a badge is given up."""
STANDSTILL = 20.0
"""Milliseconds by which a process that only sleeps wakes up late: no program can do better."""
_BADGE = re.compile(rb"DEAD")


def measure(quick: bool) -> list[Figure]:
    """Measure with few and with many tunnels."""
    deaths = 15 if quick else 100
    return [_measure(tunnels, deaths) for tunnels in (10, 200)]


def _measure(tunnels: int, deaths: int) -> Figure:
    floor = sorted(_wake_up() for _ in range(deaths))
    with Lab(tunnels) as lab, Heartbeat() as heartbeat:
        terminal = lab.open()
        try:
            settle(terminal, 5.0)
            waits: list[float] = []
            late: list[float] = []
            specs = random.sample(lab.specs, len(lab.specs))
            while len(waits) < deaths:
                spec = specs[(len(waits) + len(late)) % len(specs)]
                heartbeat.take()
                waited = _kill(lab, terminal, spec)
                stood_still = heartbeat.take()
                if stood_still > STANDSTILL and len(late) < deaths:
                    late.append(stood_still)
                else:
                    waits.append(waited)
                terminal.wait(0.3)
                lab.start((spec,))
                terminal.wait(random.uniform(0.9, 1.1))
        finally:
            terminal.close()
    median, worst = statistics.median(waits), max(waits)
    theirs = statistics.median(floor)
    return Figure(
        f"death of one of {tunnels} tunnels → changed badge on the terminal",
        "pidfd wake-up + one 60 Hz frame",
        f"median ≤ {MEDIAN:.0f} ms, worst of {deaths} ≤ {WORST:.0f} ms",
        median,
        theirs,
        "ms",
        median / theirs,
        f"{spread_of(waits)}, worst {worst:.0f}",
        median <= MEDIAN and worst <= WORST,
        note=f"{len(late)} not counted: the machine stood still for up to {max(late):.0f} ms"
        if late
        else "",
    )


def _kill(lab: Lab, terminal: Terminal, spec: TunnelSpec) -> float:
    """Milliseconds from the death of a tunnel's autossh to the changed badge."""
    pid = lab.autossh()[spec.hash]
    start = time.perf_counter()
    os.kill(pid, signal.SIGKILL)
    at = terminal.wait(PATIENCE, _BADGE.search)
    return ((at or start + PATIENCE) - start) * 1000


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
