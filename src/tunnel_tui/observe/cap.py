"""Keeping a log bounded while others write to it: copied aside, then truncated in place."""

import os

from tunnel_tui.observe.proof import proving_lines
from tunnel_tui.observe.tail import open_for_reading

_BLOCK = 1024 * 1024


def cap_log(path: str, limit: int) -> bool:
    """Copy the end of a log to `<path>.1` and truncate it, if it is longer than `limit` bytes.

    The writers hold it open for appending, so it is truncated rather than renamed. The lines
    that prove the current run are written back: without them nobody could tell any more whether
    a remote forward stands. What is written in the instant between may be lost.

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
        size = os.fstat(source).st_size
        if size <= limit:
            return False
        _copy(source, max(0, size - 2 * limit), f"{path}.1")
        writable = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            if os.fstat(writable).st_ino != os.fstat(source).st_ino:
                return False
            proof = proving_lines(source, size)
            os.ftruncate(writable, 0)
            if proof:
                os.write(writable, proof)
        finally:
            os.close(writable)
        return True
    finally:
        os.close(source)


def _copy(source: int, offset: int, target: str) -> None:
    from tunnel_tui.system.files import open_log

    copy = open_log(target, append=False)
    try:
        os.ftruncate(copy, 0)
        while block := os.pread(source, _BLOCK, offset):
            offset += len(block)
            view = memoryview(block)
            while view:
                view = view[os.write(copy, view) :]
    finally:
        os.close(copy)
