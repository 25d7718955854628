"""Which files of a directory are touched, from the kernel (inotify(7))."""

import ctypes
import os
import struct
from pathlib import Path

IN_OPEN, IN_ACCESS, IN_MODIFY, IN_ATTRIB = 0x20, 0x1, 0x2, 0x4
IN_CREATE, IN_DELETE, IN_MOVED = 0x100, 0x200, 0xC0
IN_ISDIR = 0x40000000
CHANGED = IN_MODIFY | IN_ATTRIB | IN_CREATE | IN_DELETE | IN_MOVED
_HEAD = struct.Struct("iIII")
_libc = ctypes.CDLL(None, use_errno=True)


class Opened:
    """Notes the names of what is opened (or whatever `mask` says) in some directories.

    Attributes:
        names: the files, once `look` was called or the block was left.
    """

    def __init__(self, *directories: Path, mask: int = IN_OPEN) -> None:
        self.names: set[str] = set()
        self._fd = _libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        assert self._fd >= 0, os.strerror(ctypes.get_errno())
        for directory in directories:
            watch = _libc.inotify_add_watch(self._fd, os.fsencode(directory), mask)
            assert watch >= 0, f"{directory}: {os.strerror(ctypes.get_errno())}"

    def look(self) -> set[str]:
        """Read what has happened so far."""
        while True:
            try:
                data = os.read(self._fd, 65536)
            except BlockingIOError:
                return self.names
            while data:
                _, events, _, length = _HEAD.unpack_from(data)
                name = data[_HEAD.size : _HEAD.size + length].rstrip(b"\0")
                if not events & IN_ISDIR:  # to list a directory is no harm
                    self.names.add(os.fsdecode(name))
                data = data[_HEAD.size + length :]

    def close(self) -> None:
        self.look()
        os.close(self._fd)

    def __enter__(self) -> "Opened":
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()
