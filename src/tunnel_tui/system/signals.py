"""Signals that reach the process that is meant, and waiting for ends without being the parent.

A pidfd (pidfd_open(2), Linux 5.3) keeps naming one process even after its pid has passed to
another. Without it the checks are the same and only a window of microseconds remains.
"""

import os
import select
import time
from collections.abc import Iterable

from tunnel_tui.system.proc import ProcessStat, is_alive, read_stat

_FIRST_PAUSE, _LONGEST_PAUSE = 0.002, 0.05


def open_pidfd(pid: int) -> int | None:
    """Open a descriptor that turns readable when the process ends, child or not.

    None where the process is gone, the kernel knows no pidfd, or no descriptor is left.
    """
    if pid <= 0 or not hasattr(os, "pidfd_open"):
        return None
    try:
        return os.pidfd_open(pid)
    except (OSError, OverflowError):
        return None


def send(stat: ProcessStat, signum: int) -> bool:
    """Signal exactly the process that `stat` describes; False: it is gone already.

    Raises:
        ValueError: the pid is 1 or less, which would reach everything.
        PermissionError: the process belongs to somebody else.
    """
    if stat.pid <= 1:
        raise ValueError(f"refusing to signal pid {stat.pid}")
    descriptor = open_pidfd(stat.pid)
    try:
        # In this order: what the descriptor names is then what was looked at.
        now = read_stat(stat.pid)
        if now is None or not now.alive or now.start_ticks != stat.start_ticks:
            return False
        if descriptor is None:
            os.kill(stat.pid, signum)
        else:
            import signal

            signal.pidfd_send_signal(descriptor, signum)
    except ProcessLookupError:
        return False
    finally:
        if descriptor is not None:
            os.close(descriptor)
    return True


def send_group(pgrp: int, signum: int) -> bool:
    """Signal every process of a group; False: the group has no members (any more).

    A group of zombies still counts as one, until their parents bury them.

    Raises:
        ValueError: the group is 1 or less (that reaches everything), or it is our own.
        PermissionError: all its processes belong to somebody else.
    """
    if pgrp <= 1 or pgrp == os.getpgrp():
        raise ValueError(f"refusing to signal process group {pgrp}")
    try:
        os.killpg(pgrp, signum)
    except (ProcessLookupError, OverflowError):
        return False
    return True


def wait_gone(pids: Iterable[int], timeout: float) -> set[int]:
    """Wait until processes have ended (zombies have), for at most `timeout` seconds.

    Returns:
        Those that are still alive.
    """
    deadline = time.monotonic() + timeout
    watched: dict[int, int] = {}
    polled: set[int] = set()
    try:
        for pid in set(pids):
            descriptor = open_pidfd(pid) if pid > 1 else None
            if descriptor is not None:
                watched[descriptor] = pid
            elif is_alive(pid):
                polled.add(pid)
        return _wait(watched, polled, deadline)
    finally:
        for descriptor in watched:
            os.close(descriptor)


def _wait(watched: dict[int, int], polled: set[int], deadline: float) -> set[int]:
    poller = select.poll()
    for descriptor in watched:
        poller.register(descriptor, select.POLLIN)
    alive = set(watched.values())
    pause = _FIRST_PAUSE
    while True:
        polled = {pid for pid in polled if is_alive(pid)}
        left = max(0.0, deadline - time.monotonic())
        if polled:
            left, pause = min(left, pause), min(pause * 2, _LONGEST_PAUSE)
        for descriptor, _ in poller.poll(-(-left * 1000 // 1)) if alive or polled else ():
            poller.unregister(descriptor)
            alive.discard(watched[descriptor])
        if not (alive or polled) or time.monotonic() >= deadline:
            return alive | {pid for pid in polled if is_alive(pid)}
