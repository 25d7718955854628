"""Processes on systems without a Linux `/proc`, by way of psutil: slower, and good enough.

`start_ticks` is the start in epoch time here, in clock ticks.
"""

import os
from collections.abc import Iterator

from tunnel_tui.system.proc import ProcessStat

_TICKS = os.sysconf("SC_CLK_TCK")


def read_stat(pid: int) -> ProcessStat | None:
    """Read what the system says of a process; None: gone."""
    import psutil

    try:
        process = psutil.Process(pid)
        state = "Z" if process.status() == psutil.STATUS_ZOMBIE else "S"
        start = round(process.create_time() * _TICKS)
        group, session = os.getpgid(pid), os.getsid(pid)
        return ProcessStat(pid, process.name(), state, process.ppid(), group, session, start)
    except (psutil.Error, OSError, ValueError):
        return None


def command_line(pid: int) -> tuple[str, ...]:
    """Read the arguments of a process; empty when they cannot be read."""
    import psutil

    try:
        return tuple(psutil.Process(pid).cmdline())
    except (psutil.Error, OSError, ValueError):
        return ()


def children(pid: int) -> tuple[int, ...]:
    """List the children of a process."""
    import psutil

    try:
        return tuple(child.pid for child in psutil.Process(pid).children())
    except (psutil.Error, OSError, ValueError):
        return ()


def owner(pid: int) -> int | None:
    """Say which user runs a process."""
    import psutil

    try:
        return psutil.Process(pid).uids().effective
    except (psutil.Error, OSError, ValueError):
        return None


def pids() -> list[int]:
    """List all process ids."""
    import psutil

    return sorted(psutil.pids())


def all_stats() -> Iterator[ProcessStat]:
    """Yield every process that can be read."""
    for pid in pids():
        stat = read_stat(pid) if pid > 0 else None
        if stat is not None:
            yield stat
