"""The bytes of the state file: opened, locked, read, and written over or left as they were."""

import errno
import fcntl
import os
import time

from tunnel_tui.errors import FileRefusedError, StateFileError
from tunnel_tui.system.files import open_shared

MAX_SIZE = 64 * 1024 * 1024
"""Bytes of it that are read; nobody has so many tunnels."""


def open_state(path: str) -> int:
    """Open the file for reading and writing, creating it (mode 666) where there is none.

    Raises:
        FileRefusedError: it is a symlink or no regular file.
        StateFileError: it cannot be opened.
    """
    try:
        return open_shared(path)
    except OSError as error:
        raise failed(path, error) from error


def lock_whole(fd: int, kind: int, timeout: float) -> bool:
    """Take a lock (flock(2)) within `timeout` seconds; False: others still hold it."""
    deadline = time.monotonic() + timeout
    pause = 0.001
    while True:
        try:
            fcntl.flock(fd, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= deadline:
                return False
            time.sleep(pause)
            pause = min(pause * 1.5, 0.004)  # longer would starve the unlucky
        else:
            return True


def read_all(fd: int) -> bytes:
    """Read the whole file."""
    size = min(os.fstat(fd).st_size, MAX_SIZE)
    parts: list[bytes] = []
    offset = 0
    while offset < size:
        part = os.pread(fd, size - offset, offset)
        if not part:
            break
        parts.append(part)
        offset += len(part)
    return b"".join(parts)


def write_over(fd: int, old: bytes, new: bytes, path: str, start: int = 0) -> None:
    """Replace the content; up to byte `start` old and new are the same.

    Raises:
        StateFileError: it cannot be written; the old content is still there.
    """
    # Reserve first: a full disk must be noticed before the first byte is changed.
    try:
        if len(new) > len(old):
            os.posix_fallocate(fd, len(old), len(new) - len(old))
        if new and os.pwrite(fd, new[start:], start) != len(new) - start:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        if len(new) < len(old):
            os.ftruncate(fd, len(new))
    except OSError as error:
        try:
            if old:
                os.pwrite(fd, old, 0)
            os.ftruncate(fd, len(old))
        except OSError:
            pass  # the first error says it
        raise failed(path, error) from error


def refused(path: str, why: str) -> FileRefusedError:
    """Make the error of a file that is not one to trust."""
    return FileRefusedError(
        "The state file is refused", f"{path}: {why}", "remove it; it is written anew"
    )


def failed(path: str, error: OSError) -> StateFileError:
    """Make the error of a file that cannot be opened or written."""
    advice = {
        errno.ENOSPC: "make room on the disk",
        errno.EDQUOT: "make room: your quota is used up",
        errno.EACCES: "give everybody who runs tunnels the right to write it: mode 666",
    }
    return StateFileError(
        "The state file cannot be written",
        f"{path}: {error.strerror or error}",
        advice.get(error.errno or 0, ""),
    )
