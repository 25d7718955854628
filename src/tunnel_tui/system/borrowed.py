"""Files of other users that root is asked to change: done with that user's rights, not with root's.

Who may write to a directory decides what a name in it leads to: a symlink, a hard link or a renamed
parent turns "the configuration of alice" into any file of the machine, at any moment. So root does
there only what alice could do herself, and the kernel sees to it.
"""

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager

from tunnel_tui.errors import FileRefusedError

_MOST_LINKS = 40
"""As path_resolution(7)."""
_UNCHANGED = 2**32 - 1
"""setfsuid(2) with a number that nobody has only tells the one in force."""


@contextmanager
def rights_of_owner(path: str) -> Iterator[None]:
    """As root, have no more rights to files than the user who can bend `path`; else change nothing.

    It concerns the calling thread alone (setfsuid(2)), and what it creates belongs to that user.

    Raises:
        FileRefusedError: everybody may write to a directory on the way.
        PermissionError: the kernel does not let us.
    """
    owner = who_bends(path) if os.geteuid() == 0 else None
    if owner is None:
        yield
        return
    uid, gid = owner
    groups = os.getgroups()
    old_uid, old_gid = _file_ids()
    try:
        os.setgroups([])
        _set_file_ids(uid, gid)
        yield
    finally:
        _set_file_ids(old_uid, old_gid)
        os.setgroups(groups)


def who_bends(path: str) -> tuple[int, int] | None:
    """Name the first other user who decides what `path` leads to: uid and gid; None: nobody does.

    Root is nobody, and so are we.

    Raises:
        FileRefusedError: everybody may write to a directory on the way.
    """
    done, left, links = "/", _parts(os.path.abspath(path)), 0
    parent = os.stat(done)
    while left:
        here = os.path.join(done, left.pop(0))
        try:
            found = os.lstat(here)
        except (FileNotFoundError, NotADirectoryError):
            return None
        is_file = not (stat.S_ISDIR(found.st_mode) or stat.S_ISLNK(found.st_mode))
        # In a directory of root's a file is what it is, whoever owns it; not in /tmp.
        if found.st_uid not in (0, os.geteuid()) and not (is_file and not parent.st_mode & 0o022):
            return found.st_uid, found.st_gid
        if stat.S_ISLNK(found.st_mode):
            links += 1
            if links > _MOST_LINKS:
                raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), path)
            target = os.readlink(here)
            left = _parts(target) + left
            if target.startswith("/"):
                done, parent = "/", os.stat("/")
            continue
        if stat.S_ISDIR(found.st_mode) and found.st_mode & 0o1002 == 0o002:
            raise FileRefusedError(
                "file refused",
                f"{path}: everybody may write to {here}",
                f"chmod o-w {here}",
            )
        done, parent = os.path.normpath(here), found
    return None


def _parts(path: str) -> list[str]:
    return [part for part in path.split("/") if part not in ("", ".")]


def _file_ids() -> tuple[int, int]:
    import ctypes

    libc = ctypes.CDLL(None)
    unchanged = ctypes.c_uint(_UNCHANGED)
    return libc.setfsuid(unchanged) & _UNCHANGED, libc.setfsgid(unchanged) & _UNCHANGED


def _set_file_ids(uid: int, gid: int) -> None:
    import ctypes

    libc = ctypes.CDLL(None)
    libc.setfsgid(ctypes.c_uint(gid))
    libc.setfsuid(ctypes.c_uint(uid))
    if _file_ids() != (uid, gid):  # these two report no error
        raise PermissionError(errno.EPERM, f"cannot take the rights of user {uid}")
