"""Keeping a log bounded while others write to it: copied aside, then truncated in place."""

import os
import stat as stat_bits

from tunnel_tui.observe.proof import proving_lines
from tunnel_tui.observe.run_start import RunStart
from tunnel_tui.observe.tail import open_for_reading
from tunnel_tui.system.files import SAFE, open_log, write_all

_BLOCK = 1024 * 1024
_ANYBODY = RunStart()
_KEPT = 65536
"""Bytes of last lines that stay, so that nobody who reads along loses the place."""


def cap_log(path: str, limit: int, begins: RunStart = _ANYBODY) -> bool:
    """Copy the end of a log to `<path>.1` and truncate it, if it is longer than `limit` bytes.

    The writers hold it open for appending, so it is truncated rather than renamed. Written back
    are the last whole lines, 64 KiB or a tenth of `limit`, and before them those that prove the
    current run: without these nobody could tell any more whether a remote forward stands. What is
    written in the instant between may be lost. Only a log of ours is touched: others may put
    there what they like, of any size and kind.

    Returns:
        True where the log was capped.

    Raises:
        FileRefusedError: `<path>.1` is not ours to write.
        OSError: no room for the copy; the log is untouched.
    """
    source = open_for_reading(path)
    if source is None:
        return False
    try:
        found = os.fstat(source)
        size = found.st_size
        if size <= limit or found.st_uid != os.geteuid() or found.st_nlink > 1:
            return False
        _copy(source, max(0, size - 2 * limit), size, f"{path}.1")
        writable = os.open(path, os.O_WRONLY | os.O_APPEND | SAFE)
        try:
            now = os.fstat(writable)
            same = (now.st_dev, now.st_ino) == (found.st_dev, found.st_ino)
            if not same or not stat_bits.S_ISREG(now.st_mode):
                return False
            kept = _essence(source, min(_KEPT, limit // 10), begins)
            os.ftruncate(writable, 0)
            write_all(writable, kept)
        finally:
            os.close(writable)
        return True
    finally:
        os.close(source)


def _essence(source: int, most: int, begins: RunStart) -> bytes:
    """Read what proves the current run, and the last whole lines of a log, at most so many bytes.

    Nothing is there twice: the lines that prove the run are looked for before the last ones.
    """
    end = os.fstat(source).st_size
    begin = max(0, end - most)
    last = os.pread(source, end - begin, begin).partition(b"\n")[2]
    if begins.find(last) >= 0:
        return last
    return proving_lines(source, end - len(last), begins) + last


def _copy(source: int, offset: int, end: int, target: str) -> None:
    copy = open_log(target, append=False)
    try:
        while block := os.pread(source, min(_BLOCK, end - offset), offset):
            offset += len(block)
            write_all(copy, block)
    finally:
        os.close(copy)
