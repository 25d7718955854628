"""The log that ssh itself holds open: somebody may have deleted or replaced it under its name."""

import os
import stat as stat_bits

_FLAGS = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK


def held_log(pid: int) -> os.stat_result | None:
    """Look at the file that process `pid` writes its errors to (proc(5), `/proc/<pid>/fd`).

    None: it is no file, or another user's process.
    """
    try:
        found = os.stat(_path(pid))
    except OSError:
        return None
    return found if stat_bits.S_ISREG(found.st_mode) else None


def open_held_log(pid: int) -> int | None:
    """Open that file for reading, whatever has become of its name; None as above."""
    try:
        fd = os.open(_path(pid), _FLAGS)
    except OSError:
        return None
    if stat_bits.S_ISREG(os.fstat(fd).st_mode):
        return fd
    os.close(fd)
    return None


def _path(pid: int) -> str:
    return f"/proc/{pid}/fd/2"
