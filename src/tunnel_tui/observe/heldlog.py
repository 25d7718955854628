"""The log that ssh itself holds open: somebody may have deleted or replaced it under its name."""

import os
import stat as stat_bits

from tunnel_tui.observe.tail import open_for_reading


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
    return open_for_reading(_path(pid), follow=True)


def _path(pid: int) -> str:
    return f"/proc/{pid}/fd/2"
