"""The bytes of the state file: opened, locked, read, and written over or left as they were."""

import errno
import fcntl
import os
import stat
import time
from typing import NamedTuple

from tunnel_tui.errors import FileRefusedError, StateFileError
from tunnel_tui.system.files import open_regular, open_shared
from tunnel_tui.system.proc import strange_owner

SHARED_TIMEOUT = 0.3
"""Seconds to wait for the lock of the shared file, which anybody may hold."""
_NOT_AGAIN = 30.0
MAX_SIZE = 4 * 1024 * 1024
"""Bytes of it that are read."""
MAX_LINES = 5_000
"""Lines of it that are read; nobody has so many tunnels."""
NO_ROOM = frozenset((errno.ENOSPC, errno.EDQUOT, errno.EROFS))
"""Errors of a disk that takes nothing more."""


class Content(NamedTuple):
    """What was read of the file; `complete` is False where it is too long to be read whole."""

    data: bytes
    complete: bool = True

    @property
    def text(self) -> str:
        """The same as text that can be turned back."""
        return self.data.decode("utf-8", "surrogateescape")


def open_state(path: str) -> int:
    """Open the file for reading and writing, creating it (mode 666) where there is none.

    Raises:
        FileRefusedError: it is a symlink or no regular file.
        StateFileError: it cannot be opened.
    """
    try:
        try:
            return open_shared(path)
        except FileRefusedError as error:
            if not _has_second_name(path):
                raise _refused_as(path, error) from None
            os.unlink(path)  # a new one is made, and what runs is found again
            return open_shared(path)
    except OSError as error:
        raise failed(path, error) from error


def _has_second_name(path: str) -> bool:
    """Say whether the file is ours and somebody has given it a second name (a hard link)."""
    found = os.lstat(path)
    return stat.S_ISREG(found.st_mode) and found.st_nlink > 1 and found.st_uid == os.geteuid()


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


_held: dict[tuple[str, int], float] = {}
"""Locks of state files that a stranger seems to hold, and until when nobody waits for them."""


def lock_shared(fd: int, kind: int, path: str) -> bool:
    """Take the lock of the shared file if that takes but a moment; False: go on without it.

    It keeps other users and the shell scripts apart from us, who hold it for a moment. Whoever
    may open the file may hold its lock for ever, too: that is noticed once, not again each time.
    """
    patience = SHARED_TIMEOUT if time.monotonic() >= _held.get((path, kind), 0.0) else 0.0
    if lock_whole(fd, kind, patience):
        return True
    if patience:
        _held[path, kind] = time.monotonic() + _NOT_AGAIN
    return False


def open_to_read(path: str) -> int:
    """Open the file for reading alone: the scripts leave it behind with mode 644.

    Raises:
        FileRefusedError: it is a symlink or no regular file.
        FileNotFoundError, OSError: there is none, or it may not be read.
    """
    try:
        return open_regular(path)
    except FileRefusedError as error:
        raise _refused_as(path, error) from None


def read_all(fd: int) -> Content:
    """Read the whole file; of one that is too long the first and the last lines.

    What is ours is older than a flood or younger.
    """
    size = os.fstat(fd).st_size
    if size <= MAX_SIZE:
        data, complete = _read(fd, 0, size), True
    else:
        half = MAX_SIZE // 2
        head, tail = _read(fd, 0, half), _read(fd, size - half, half)
        data, complete = head[: head.rfind(b"\n") + 1] + tail.partition(b"\n")[2], False
    if data.count(b"\n") > MAX_LINES:
        lines = data.split(b"\n")
        half = MAX_LINES // 2
        data, complete = b"\n".join(lines[:half] + lines[-half:]), False
    return Content(data, complete)


def _read(fd: int, offset: int, size: int) -> bytes:
    end = offset + size
    parts: list[bytes] = []
    while offset < end and (part := os.pread(fd, end - offset, offset)):
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
        if os.fstat(fd).st_size != len(new):
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
    advice = "remove it; it is written anew"
    if strange_owner(path):
        advice += ", or set AUTOSSH_STATE_FILE to another place"
    return FileRefusedError("The state file is refused", f"{path}: {why}", advice)


def no_lock(directory: str, error: OSError) -> StateFileError:
    """Make the error of a directory in which no lock can be made."""
    return StateFileError(
        "No lock can be made",
        f"{error.filename or directory}: {error.strerror or error}",
        "see whose it is, or set XDG_STATE_HOME",
    )


def _refused_as(path: str, error: FileRefusedError) -> FileRefusedError:
    return refused(path, error.detail.removeprefix(f"{path}: "))


def failed(path: str, error: OSError) -> StateFileError:
    """Make the error of a file that cannot be opened or written."""
    if who := strange_owner(path):
        return StateFileError(
            "The state file cannot be written",
            f"{path} belongs to user {who}: {error.strerror or error}",
            "root or that user removes it; or set AUTOSSH_STATE_FILE to another place",
        )
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
