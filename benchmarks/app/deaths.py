"""From the death of a tunnel to its changed badge in the bytes that leave the terminal."""

import os
import random
import re
import select
import signal
import statistics
import subprocess
import time
from functools import partial

from benchmarks.app.lab import Lab, settle
from benchmarks.app.terminal import Terminal
from benchmarks.figures import Figure, spread_of
from benchmarks.stolen import Heartbeat, Waits
from tunnel_tui.model import TunnelSpec

FRAME = 1 / 60
MEDIAN, WORST = 50.0, 150.0
PATIENCE = 3.0
"""Seconds until a badge is given up."""
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
            waits = Waits(heartbeat.standstills)
            specs = random.sample(lab.specs, len(lab.specs))
            while len(waits) < deaths and waits.lost < deaths:
                spec = specs[(len(waits) + waits.lost) % len(specs)]
                waits.add(partial(_kill, lab, terminal, spec))
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
        len(waits) == deaths and median <= MEDIAN and worst <= WORST,
        note=f"{waits.lost} not counted: the machine stood still" if waits.lost else "",
    )


def _kill(lab: Lab, terminal: Terminal, spec: TunnelSpec) -> float:
    """Seconds from the death of a tunnel's autossh to the changed badge."""
    pid = lab.autossh()[spec.hash]
    start = time.perf_counter()
    os.kill(pid, signal.SIGKILL)
    at = terminal.wait(PATIENCE, _BADGE.search)
    return PATIENCE if at is None else at - start


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
