"""Ending proven processes: TERM to those that run the tunnel, then to the rest, then KILL."""

import signal
import time
from collections.abc import Iterable

from tunnel_tui.system import proc, signals, spawn
from tunnel_tui.system.proc import ProcessStat

_HEAD_START = 0.5
"""Seconds for autossh to end its ssh by itself, before ssh is told too."""
_AFTER_KILL = 2.0


class Ending:
    """What became of it: pids that are still alive, and those that belong to somebody else."""

    def __init__(self) -> None:
        self.alive: set[int] = set()
        self.forbidden: set[int] = set()


def end_processes(stats: Iterable[ProcessStat], grace: float) -> Ending:
    """End processes in parallel; `grace` is the seconds between TERM and KILL.

    The order matters: autossh comes first, otherwise it would replace the ssh that ends.
    """
    family = {stat.pid: stat for stat in stats}
    result = Ending()
    deadline = time.monotonic() + grace
    first = {pid: stat for pid, stat in family.items() if stat.ppid not in family}
    _signal(first.values(), signal.SIGTERM, result)
    left = _wait(family, min(_HEAD_START, grace))
    if left:
        family |= _descendants(family)
        _signal((family[pid] for pid in left), signal.SIGTERM, result)
        left = _wait(family, deadline - time.monotonic())
    if left:
        family |= _descendants(family)
        _signal(family.values(), signal.SIGKILL, result)
        left = _wait(family, _AFTER_KILL)
    result.alive = left
    return result


def _signal(stats: Iterable[ProcessStat], signum: int, result: Ending) -> None:
    for stat in stats:
        try:
            signals.send(stat, signum)
            if signum == signal.SIGTERM:
                # A stopped process acts on TERM only when it is continued.
                signals.send(stat, signal.SIGCONT)
        except PermissionError:
            result.forbidden.add(stat.pid)


def _wait(family: dict[int, ProcessStat], timeout: float) -> set[int]:
    """Wait for the end of all; say which live on (a pid that passed on counts as ended)."""
    alive = signals.wait_gone(_living(family), max(0.0, timeout))
    spawn.reap()
    return alive & set(_living(family))


def _living(family: dict[int, ProcessStat]) -> list[int]:
    living = []
    for pid, stat in family.items():
        now = proc.read_stat(pid)
        if now is not None and now.alive and now.start_ticks == stat.start_ticks:
            living.append(pid)
    return living


def _descendants(family: dict[int, ProcessStat]) -> dict[int, ProcessStat]:
    """What the living members have started since they were counted."""
    found = {}
    for pid in _living(family):
        for descendant in proc.descendants(pid):
            stat = proc.read_stat(descendant)
            if stat is not None and descendant not in family:
                found[descendant] = stat
    return found
