"""Is a process that was proven before still the same one? One small read, nothing parsed."""

import os

from tunnel_tui.system.proc import HAS_PROC, ProcessStat, read_stat

_ENOUGH = 1024
_DEAD = (b"Z", b"X", b"x")


def beats(stat: ProcessStat, *, same_parent: bool = False) -> bool:
    """Tell whether the very process of `stat` still lives (proc(5), `/proc/<pid>/stat`).

    Args:
        stat: as it was read when the process was proven.
        same_parent: also demand that its parent has not died: the kernel gives an orphan
            another one.
    """
    if not HAS_PROC:
        now = read_stat(stat.pid)
        same = now is not None and now.alive and now.start_ticks == stat.start_ticks
        return same and (not same_parent or (now is not None and now.ppid == stat.ppid))
    try:
        fd = os.open(f"/proc/{stat.pid}/stat", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        data = os.read(fd, _ENOUGH)
    except OSError:
        return False
    finally:
        os.close(fd)
    end = data.rfind(b")")  # the name itself may contain one
    if data.startswith(_DEAD, end + 2) or b" %d " % stat.start_ticks not in data:
        return False
    return not same_parent or data.startswith(b"%d " % stat.ppid, end + 4)
