"""Changes in a directory: inotify(7) by way of libc, or comparing listings where there is none."""

import os
import struct
from typing import NamedTuple

_MODIFY, _ATTRIB = 0x2, 0x4
_MOVED_FROM, _MOVED_TO, _CREATE, _DELETE = 0x40, 0x80, 0x100, 0x200
_DELETE_SELF, _MOVE_SELF = 0x400, 0x800
_UNMOUNT, _OVERFLOW, _IGNORED = 0x2000, 0x4000, 0x8000
_ONLYDIR, _EXCL_UNLINK = 0x1000000, 0x4000000
# Not IN_CLOSE_WRITE: whoever reads the state file under its lock has it open for writing, and a
# reader woken by its own reading never rests.
_MASK = (
    _MODIFY
    | _ATTRIB
    | _MOVED_FROM
    | _MOVED_TO
    | _CREATE
    | _DELETE
    | _DELETE_SELF
    | _MOVE_SELF
    | _ONLYDIR
    | _EXCL_UNLINK
)
_GONE = _DELETE_SELF | _MOVE_SELF | _UNMOUNT | _IGNORED
_EVENT = struct.Struct("iIII")
_BUFFER = 1 << 16
_READS = 16

Listing = dict[str, tuple[int, int, int]]


class Notice(NamedTuple):
    """What inotify said: something about `name` in a watch, or about the watch itself."""

    watch: int
    name: str
    gone: bool
    overflow: bool


class Inotify:
    """One inotify instance.

    Raises:
        OSError: the system has no inotify, or the user has no instance left
            (`fs.inotify.max_user_instances`).
    """

    def __init__(self) -> None:
        import ctypes

        libc = ctypes.CDLL(None, use_errno=True)
        try:
            self._add, self._remove = libc.inotify_add_watch, libc.inotify_rm_watch
            init = libc.inotify_init1
        except AttributeError:
            raise OSError("no inotify on this system") from None
        self._errno = ctypes.get_errno
        self.descriptor: int = init(os.O_NONBLOCK | os.O_CLOEXEC)
        if self.descriptor < 0:
            raise self._error()

    def add(self, directory: str) -> int:
        """Watch a directory; return the number of the watch.

        Raises:
            OSError: not there, not allowed, or `fs.inotify.max_user_watches` is reached.
        """
        watch = int(self._add(self.descriptor, os.fsencode(directory), _MASK))
        if watch < 0:
            raise self._error(directory)
        return watch

    def remove(self, watch: int) -> None:
        """End a watch; one that ended by itself does no harm."""
        self._remove(self.descriptor, watch)

    def read(self) -> list[Notice]:
        """Take what has happened since the last time, without waiting."""
        notices: dict[Notice, None] = {}
        for _ in range(_READS):  # bounded: a flood must not keep us here
            try:
                data = os.read(self.descriptor, _BUFFER)
            except OSError:
                break
            self._parse(data, notices)
        return list(notices)

    def _parse(self, data: bytes, notices: dict[Notice, None]) -> None:
        start = 0
        while start + _EVENT.size <= len(data):
            watch, mask, _, length = _EVENT.unpack_from(data, start)
            start += _EVENT.size
            name = os.fsdecode(data[start : start + length].rstrip(b"\0"))
            start += length
            notices[Notice(watch, name, bool(mask & _GONE), bool(mask & _OVERFLOW))] = None

    def close(self) -> None:
        """Give the instance back."""
        os.close(self.descriptor)

    def _error(self, path: str | None = None) -> OSError:
        number = self._errno()
        return OSError(number, os.strerror(number), path)


def listing(directory: str) -> Listing | None:
    """Note size, time and inode of every entry; None: there is no such directory."""
    found: Listing = {}
    try:
        with os.scandir(directory) as entries:
            for entry in entries:
                try:
                    state = entry.stat(follow_symlinks=False)
                except OSError:
                    continue
                found[entry.name] = (state.st_size, state.st_mtime_ns, state.st_ino)
    except OSError:
        return None
    return found


def changed_names(before: Listing, after: Listing) -> list[str]:
    """Name the entries that came, went or changed."""
    names = [name for name, state in after.items() if before.get(name) != state]
    return names + [name for name in before if name not in after]
