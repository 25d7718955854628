"""Locks between processes that end with their holder: flock(2) and open-file-description locks."""

import errno
import fcntl
import os
import struct
import time
from collections.abc import Callable
from types import TracebackType

from tunnel_tui.errors import LockHeldError
from tunnel_tui.system.files import current, open_shared

_OFD_SETLK = getattr(fcntl, "F_OFD_SETLK", 37)  # fcntl(2), Linux 3.15
_OFD_SETLKW = getattr(fcntl, "F_OFD_SETLKW", 38)
_HAS_OFD = hasattr(fcntl, "F_OFD_SETLK") or os.uname().sysname == "Linux"
_BUSY = (errno.EAGAIN, errno.EACCES)
_FIRST_PAUSE, _LONGEST_PAUSE = 0.001, 0.02


class FileLock:
    """An exclusive lock on a file of its own; one holder among all processes and threads.

    As a context manager it waits for `timeout` seconds (None: for ever). The file stays.
    """

    __slots__ = ("_descriptor", "path", "timeout")

    def __init__(self, path: str, timeout: float | None = 0.0) -> None:
        self.path = path
        self.timeout = timeout
        self._descriptor = -1

    def try_lock(self) -> None:
        """Take the lock now.

        Raises:
            LockHeldError: somebody has it; the detail names the pid where it is known.
            FileRefusedError: the path is not a regular file.
        """
        self.acquire(0.0)

    def acquire(self, timeout: float | None = None) -> None:
        """Take the lock, waiting for at most `timeout` seconds (None: for ever).

        Raises:
            LockHeldError: somebody still has it.
            FileRefusedError: the path is not a regular file.
        """
        if self._descriptor >= 0:
            raise RuntimeError(f"{self.path} is locked by this object already")
        deadline = None if timeout is None else time.monotonic() + timeout
        while True:
            descriptor = open_shared(self.path, create_mode=0o600)
            try:
                taken = _until(lambda: _try_flock(descriptor), deadline)  # noqa: B023
                if taken and current(descriptor, self.path):
                    self._descriptor = descriptor
                    return
                if not taken:
                    raise _held(self.path)
            finally:
                if self._descriptor != descriptor:
                    os.close(descriptor)

    def note(self, text: str) -> None:
        """Write who holds the lock into its file, for people; needs the lock."""
        if self._descriptor >= 0:
            os.ftruncate(self._descriptor, 0)
            os.pwrite(self._descriptor, text.encode("utf-8", "replace"), 0)

    def release(self) -> None:
        """Give the lock up; nothing happens without one."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            # Closing alone is too late: a child that is just being started holds a copy until
            # its exec(3).
            fcntl.flock(descriptor, fcntl.LOCK_UN)
            os.close(descriptor)

    @property
    def held(self) -> bool:
        """True while this object has the lock."""
        return self._descriptor >= 0

    def __enter__(self) -> "FileLock":
        self.acquire(self.timeout)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.release()


class RangeLock:
    """An exclusive lock on one byte of an open file, which need not exist in it.

    It belongs to the open file description (fcntl(2), F_OFD_SETLK): it excludes other threads
    too, as long as each has opened the file for itself, and it ends when that is closed.
    """

    __slots__ = ("_fd", "_held", "_offset")

    def __init__(self, fd: int, offset: int) -> None:
        self._fd = fd
        self._offset = offset
        self._held = False

    def acquire(self, blocking: bool = True, timeout: float | None = None) -> bool:
        """Take the lock; False: somebody else has it.

        Args:
            blocking: False asks once.
            timeout: seconds to wait for it when blocking; None: for ever.
        """
        if blocking and timeout is None:
            self._call(fcntl.F_WRLCK, wait=True)
            self._held = True
        else:
            seconds = timeout if blocking and timeout is not None else 0.0
            self._held = _until(self._try, time.monotonic() + seconds)
        return self._held

    def release(self) -> None:
        """Give the lock up; nothing happens without one."""
        if self._held:
            self._held = False
            self._call(fcntl.F_UNLCK, wait=False)

    def __enter__(self) -> "RangeLock":
        self.acquire()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.release()

    def _try(self) -> bool:
        try:
            self._call(fcntl.F_WRLCK, wait=False)
        except OSError as error:
            if error.errno in _BUSY:
                return False
            raise
        return True

    def _call(self, kind: int, wait: bool) -> None:
        if _HAS_OFD:
            # struct flock: type, whence, start, len, pid (0 here), padded to eight bytes
            request = struct.pack("hhqqi0q", kind, os.SEEK_SET, self._offset, 1, 0)
            fcntl.fcntl(self._fd, _OFD_SETLKW if wait else _OFD_SETLK, request)
            return
        # Elsewhere locks belong to the process: between processes that is the same.
        how = {fcntl.F_WRLCK: fcntl.LOCK_EX, fcntl.F_UNLCK: fcntl.LOCK_UN}[kind]
        flag = 0 if wait or kind == fcntl.F_UNLCK else fcntl.LOCK_NB
        fcntl.lockf(self._fd, how | flag, 1, self._offset, os.SEEK_SET)


def lock_holder(path: str) -> int | None:
    """Say who holds the `FileLock` of a path, without touching the lock.

    Returns:
        The pid; 0 where somebody does who cannot be seen from here; None: nobody.
    """
    try:
        found = os.stat(path)
        with open("/proc/locks", "rb") as file:
            lines = file.read().splitlines()
    except OSError:
        return None
    device = b"%02x:%02x:%d" % (os.major(found.st_dev), os.minor(found.st_dev), found.st_ino)
    suffix = b":%d" % found.st_ino  # overlay file systems show one device here, another there
    held = [
        fields for fields in map(bytes.split, lines) if len(fields) > 5 and fields[1] == b"FLOCK"
    ]
    for matches in (
        [fields for fields in held if fields[5] == device],
        [fields for fields in held if fields[5].endswith(suffix)],
    ):
        if matches:
            return max(0, int(matches[0][4]))
    return None


def _until(attempt: Callable[[], bool], deadline: float | None) -> bool:
    """Repeat an attempt with short pauses until it succeeds or the deadline has passed."""
    pause = _FIRST_PAUSE
    while not attempt():
        left = pause if deadline is None else deadline - time.monotonic()
        if left <= 0:
            return False
        time.sleep(min(pause, left))
        pause = min(pause * 2, _LONGEST_PAUSE)
    return True


def _try_flock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _held(path: str) -> LockHeldError:
    pid = lock_holder(path)
    detail = f"{path} is locked by process {pid}" if pid else f"{path} is locked"
    return LockHeldError("another process holds the lock", detail)
