"""The end of a log of a gigabyte, as the log pane opens it, beside `tail -n 1000`."""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.figures import Figure, compare
from benchmarks.world import timed

LINES = 1000
SIZE = 1 << 30
MOST_MS = 50.0
MOST_MB = 10.0
_LINE = b"2026/01/01 12:00:00 autossh[4711]: a line of the usual length for a log of autossh\n"

_MEMORY = """\
import sys
from tunnel_tui.ssh.log.line_class import LogFollower

def kilobytes(name):
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) for line in file if line.startswith(name))

with open("/proc/self/clear_refs", "w") as file:
    file.write("5")  # the peak begins anew (proc(5))
before = kilobytes("VmRSS:")
lines = LogFollower(sys.argv[1]).open(int(sys.argv[2]))
assert len(lines) == int(sys.argv[2])
print(kilobytes("VmHWM:") - before)
"""


def measure(quick: bool) -> list[Figure]:
    """Measure the time in this process and the memory in one of its own."""
    with tempfile.TemporaryDirectory() as directory:
        log = Path(directory, "tunnel.log")
        _fill(log)
        return [_time(log, 5 if quick else 30), _memory(log, 3 if quick else 7)]


def _fill(log: Path) -> None:
    """Write a gigabyte of lines (really written: a hole would be read at no cost)."""
    block = _LINE * (1024 * 1024 // len(_LINE))
    with log.open("wb") as file:
        while file.tell() < SIZE:
            file.write(block)


def _time(log: Path, rounds: int) -> Figure:
    from tunnel_tui.ssh.log.line_class import LogFollower

    def opened() -> float:
        begin = time.perf_counter()
        lines = LogFollower(str(log)).open(LINES)
        taken = (time.perf_counter() - begin) * 1000
        assert len(lines) == LINES
        return taken

    tail = ["/usr/bin/tail", "-n", str(LINES), log]
    found = compare(opened, lambda: timed(tail, dict(os.environ)), rounds)
    return Figure(
        "open the tail of a 1 GB log",
        f"`tail -n {LINES}`, as a process",
        f"≤ {MOST_MS:g} ms more",
        found.ours,
        found.theirs,
        "ms",
        None,
        f"ratios {found.spread}",
        found.ours - found.theirs <= MOST_MS,
        "ours is in a process that runs already",
    )


def _memory(log: Path, rounds: int) -> Figure:
    grown = sorted(
        int(subprocess.check_output([sys.executable, "-c", _MEMORY, log, str(LINES)])) / 1024
        for _ in range(rounds)
    )
    return Figure(
        "memory for the tail of a 1 GB log",
        "0",
        f"≤ {MOST_MB:g} MB",
        grown[len(grown) // 2],
        None,
        "MB",
        None,
        f"{grown[0]:.1f}–{grown[-1]:.1f} of {rounds}",
        grown[-1] <= MOST_MB,
    )
