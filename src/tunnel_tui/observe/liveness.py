"""Is a process that was proven before still the same one, and does it run? One small read."""

import os

from tunnel_tui.system.proc import OUR_OWN_TROUBLE, ProcessStat

_ENOUGH = 1024
_DEAD = (b"Z", b"X", b"x")


FROZEN = "T"
"""The state of a process that a signal has stopped. Not `t`: who traces a process lets it go on."""


def read_liveness(stat: ProcessStat, *, same_parent: bool = False) -> str:
    """Return the state of the very process of `stat` (proc(5), `/proc/<pid>/stat`); "": it is dead.

    Args:
        stat: as it was read when the process was proven.
        same_parent: also demand that its parent has not died: the kernel gives an orphan
            another one.

    Raises:
        OSError: we cannot open files any more.
    """
    try:
        fd = os.open(f"/proc/{stat.pid}/stat", os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        if error.errno in OUR_OWN_TROUBLE:
            raise
        return ""
    try:
        data = os.read(fd, _ENOUGH)
    except OSError:
        return ""
    finally:
        os.close(fd)
    end = data.rfind(b")")  # the name itself may contain one
    if data.startswith(_DEAD, end + 2) or b" %d " % stat.start_ticks not in data:
        return ""
    if same_parent and not data.startswith(b"%d " % stat.ppid, end + 4):
        return ""
    return chr(data[end + 2])
