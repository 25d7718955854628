"""The end of a log, whatever its size: read backwards, never from the start."""

import os
import stat as stat_bits

from tunnel_tui.logs.sanitise import LINE_LIMIT, decode
from tunnel_tui.system.proc import trusted_users

_BLOCK = 65536
_MOST = 8 * 1024 * 1024
"""Bytes that `tail_lines` reads back at most, however long the lines are."""


def open_for_reading(path: str, *, follow: bool = False) -> int | None:
    """Open a log; None where there is no regular file of ours or of root's to read.

    Args:
        path: a symlink is refused.
        follow: follow it all the same, whoever owns what it leads to: the kernel's own links to
            open files are such, and what a configuration names.
    """
    # O_NONBLOCK: a FIFO in the log's place must not hang us.
    flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | (0 if follow else os.O_NOFOLLOW)
    try:
        fd = os.open(path, flags)
    except OSError:
        return None
    found = os.fstat(fd)
    if stat_bits.S_ISREG(found.st_mode) and (follow or found.st_uid in trusted_users()):
        return fd
    os.close(fd)
    return None


def read_tail(path: str, max_bytes: int) -> bytes:
    """Return the last `max_bytes` of a file; b"" where it is absent or not regular."""
    fd = open_for_reading(path)
    if fd is None:
        return b""
    try:
        size = os.fstat(fd).st_size
        return os.pread(fd, max_bytes, max(0, size - max_bytes))
    except OSError:
        return b""
    finally:
        os.close(fd)


def tail_lines(path: str, count: int) -> list[str]:
    """Return the last `count` lines, sanitised and shortened."""
    fd = open_for_reading(path)
    if fd is None:
        return []
    try:
        return lines_before(fd, os.fstat(fd).st_size, count)
    except OSError:
        return []
    finally:
        os.close(fd)


def lines_before(fd: int, end: int, count: int) -> list[str]:
    """Return the last `count` lines that stand before byte `end` of an open file."""
    if count <= 0:
        return []
    blocks: list[bytes] = []
    breaks = 0
    position = end
    # One line feed more than lines: the one in front of the first line.
    while position > 0 and breaks <= count and end - position < _MOST:
        size = min(_BLOCK, position)
        position -= size
        block = os.pread(fd, size, position)
        blocks.append(block)
        breaks += block.count(b"\n")
    data = b"".join(reversed(blocks))
    lines = data.removesuffix(b"\n").rsplit(b"\n", count)[-count:] if data else []
    return [decode(line, LINE_LIMIT) for line in lines]
