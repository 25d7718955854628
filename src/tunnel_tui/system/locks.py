"""Locks between processes that end with their holder: flock(2) on files of our own."""

import fcntl
import os
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from hashlib import sha256
from types import TracebackType
from typing import TypeVar

from tunnel_tui.errors import LockHeldError
from tunnel_tui.system.files import current, make_directory, open_private
from tunnel_tui.system.proc import runs_for, trusted_users

_FIRST_PAUSE, _LONGEST_PAUSE = 0.001, 0.02
T = TypeVar("T")


class FileLock:
    """An exclusive lock on a file of its own; one holder among all processes and threads.

    As a context manager it waits for `timeout` seconds (None: for ever). The file stays, but for
    a `passing` one: that goes with the lock.
    """

    __slots__ = ("_descriptor", "_passing", "path", "timeout")

    def __init__(self, path: str, timeout: float | None = 0.0, *, passing: bool = False) -> None:
        self.path = path
        self.timeout = timeout
        self._passing = passing
        self._descriptor = -1

    def try_lock(self) -> None:
        """Take the lock now.

        Raises:
            LockHeldError: somebody has it; the detail names the pid where it is known.
            FileRefusedError: the path is not a regular file, or somebody else's.
        """
        self.acquire(0.0)

    def acquire(self, timeout: float | None = None) -> None:
        """Take the lock, waiting for at most `timeout` seconds (None: for ever).

        Raises:
            LockHeldError: somebody still has it.
            FileRefusedError: the path is not a regular file, or somebody else's.
        """
        if not self.take(timeout):
            raise _held(self.path)

    def take(self, timeout: float | None = 0.0) -> bool:
        """Do as `acquire`, but answer False where somebody has the lock.

        Raises:
            FileRefusedError: the path is not a regular file, or somebody else's.
        """
        if self._descriptor >= 0:
            raise RuntimeError(f"{self.path} is locked by this object already")
        deadline = None if timeout is None else time.monotonic() + timeout
        while True:
            descriptor = open_private(self.path)
            try:
                if not _until(lambda: _try_flock(descriptor), deadline):  # noqa: B023
                    return False
                if current(descriptor, self.path):
                    self._descriptor = descriptor
                    return True
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
            if self._passing and current(descriptor, self.path):
                with suppress(OSError):
                    os.unlink(self.path)
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


class Locks:
    """The locks of a private directory: each is a file, named in full by what it stands for.

    Nobody else can hold them, unlike those on a file that everybody may open. A lock's file goes
    with the lock: there may be one for every line that a stranger has written somewhere.
    """

    __slots__ = ("directory",)

    def __init__(self, directory: str) -> None:
        self.directory = directory

    def take(self, names: Iterable[str], timeout: float) -> FileLock | None:
        """Take the first that is free within `timeout` seconds; None: all are held.

        Raises:
            FileRefusedError: the directory (or the one that it is in) is not ours alone.
            OSError: it cannot be made or written.
        """
        self.make()
        paths = [os.path.join(self.directory, _file_name(name)) for name in names]

        def take_one() -> FileLock | None:
            locks = (FileLock(path, passing=True) for path in paths)
            return next((lock for lock in locks if lock.take()), None)

        return _until(take_one, time.monotonic() + timeout, 0.05)

    def make(self) -> None:
        """See that the directory is there, and ours alone.

        Raises:
            FileRefusedError, OSError: see `take`.
        """
        make_directory(os.path.dirname(self.directory), 0o700)
        make_directory(self.directory, 0o700)


def _file_name(name: str) -> str:
    plain = name.isascii() and name.replace("-", "").isalnum() and len(name) < 100
    return name if plain else sha256(name.encode("utf-8", "surrogateescape")).hexdigest()


def lock_holder(path: str) -> int | None:
    """Say who holds the `FileLock` of a path, without touching the lock.

    Believed is a lock on this very file (device and inode, as the kernel lists them) that a
    process of ours or root's holds: others hold locks on files of theirs, as they like.

    Returns:
        The pid; 0 where somebody does who cannot be seen from here; None: nobody.
    """
    try:
        found = os.stat(path)
        with open("/proc/locks", "rb") as file:
            lines = file.read().splitlines()
    except OSError:
        return None
    suffix = b":%d" % found.st_ino
    held = [
        (fields[5].removesuffix(suffix), max(0, int(fields[4])))
        for fields in map(bytes.split, lines)
        if len(fields) > 5 and fields[1] == b"FLOCK" and fields[5].endswith(suffix)
    ]
    if not held:
        return None
    devices = {b"%02x:%02x" % (os.major(found.st_dev), os.minor(found.st_dev))}
    if all(device not in devices for device, _ in held):
        # Overlay file systems and btrfs show one device here, another there.
        devices = _listed_devices(os.path.dirname(path))
    holders = (pid for device, pid in held if device in devices)
    return next((pid for pid in holders if pid == 0 or runs_for(pid, trusted_users())), None)


def _listed_devices(directory: str) -> set[bytes]:
    """Find out how the kernel lists locks on what is in a directory: by a lock on itself."""
    try:
        descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError:
        return set()
    try:
        inode = b"%d" % os.fstat(descriptor).st_ino
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        with open(f"/proc/self/fdinfo/{descriptor}", "rb") as file:
            words = file.read().split()
        return {word.rpartition(b":")[0] for word in words if word.endswith(b":" + inode)}
    except OSError:
        return set()
    finally:
        os.close(descriptor)


def _until(attempt: Callable[[], T], deadline: float | None, longest: float = _LONGEST_PAUSE) -> T:
    """Repeat an attempt with short pauses until it succeeds or the deadline has passed.

    Returns:
        What came of the last attempt.
    """
    pause = _FIRST_PAUSE
    while not (found := attempt()):
        left = pause if deadline is None else deadline - time.monotonic()
        if left <= 0:
            break
        time.sleep(min(pause, left))
        pause = min(pause * 2, longest)
    return found


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
