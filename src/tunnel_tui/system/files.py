"""Files in places that others may write to: no symlink followed, no stranger's file trusted.

In a sticky directory such as /tmp the kernel refuses even root to open another user's file with
O_CREAT (sysctl `fs.protected_regular`) unless O_EXCL refuses it first, hence opening and creating
are always two steps.
"""

import errno
import os
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from tunnel_tui.errors import FileRefusedError

SAFE = os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY
"""open(2): no symlink is followed, and neither a FIFO nor a lease makes us wait."""
_TRIES = 20


def open_shared(path: str, *, create_mode: int = 0o666) -> int:
    """Open a file that several users write, for reading and writing; create it where absent.

    Args:
        path: a symlink is refused.
        create_mode: exact mode of a new file, whatever the umask.

    Raises:
        FileRefusedError: not a regular file, or one with a second name (hard link).
        OSError: not allowed, no such directory, no space.
    """
    return _open_or_create(path, os.O_RDWR, create_mode)


def open_private(path: str, flags: int = 0) -> int:
    """Open a file that is ours alone, for reading and writing; create it with mode 600.

    Args:
        path: a symlink is refused.
        flags: more of open(2): O_APPEND.

    Raises:
        FileRefusedError: not a regular file, one with a second name, or somebody else's.
        OSError: not allowed, no such directory, no space.
    """
    return _open_or_create(path, os.O_RDWR | flags, 0o600, ours=True)


def open_log(path: str, *, append: bool = True) -> int:
    """Open a log of ours for writing at its end; create it with mode 644 where absent.

    Args:
        path: a symlink is refused.
        append: False empties the log first.

    What is not ours and stands in its place goes, where the directory is ours.

    Raises:
        FileRefusedError: not a regular file, one with a second name (hard link), or somebody
            else's; or the directory is a symlink.
        OSError: not allowed, no such directory, no space.
    """
    flags = os.O_WRONLY | os.O_APPEND
    with open_directory(os.path.dirname(path)) as directory:
        try:
            descriptor = _open_or_create(path, flags, 0o644, ours=True, directory=directory)
        except FileRefusedError:
            if os.fstat(directory).st_uid != os.geteuid() or not _is_strange(path, directory):
                raise
            os.unlink(os.path.basename(path), dir_fd=directory)
            descriptor = _open_or_create(path, flags, 0o644, ours=True, directory=directory)
    if not append:
        os.ftruncate(descriptor, 0)
    return descriptor


@contextmanager
def open_directory(path: str) -> Iterator[int]:
    """Hold a directory open, so that what is done in it is done there and nowhere else.

    Raises:
        FileRefusedError: it is a symlink, or no directory.
        OSError: not allowed, no such directory.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | SAFE)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENOTDIR):
            raise _refused(
                path, f"it is {_kind(os.lstat(path).st_mode)}, not a directory"
            ) from error
        raise
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def open_regular(path: str) -> int:
    """Open an existing regular file for reading.

    Raises:
        FileRefusedError: a symlink, or not a regular file.
        FileNotFoundError: there is none.
    """
    return _open_checked(path, os.O_RDONLY, ours=False)


def make_directory(path: str, mode: int) -> None:
    """Make a directory, with its parents, and see that it has `mode` whatever the umask.

    One that exists is given the mode where it is ours. A private one (nothing for group and
    others in `mode`) must be our own; a shared one may be somebody else's.

    Raises:
        FileRefusedError: not a directory (a symlink is none), or a private one of somebody else's.
        OSError: not allowed, no space.
    """
    private = not mode & 0o077
    try:
        found = os.lstat(path)
    except FileNotFoundError:
        os.makedirs(os.path.dirname(os.path.abspath(path)), exist_ok=True)
        with suppress(FileExistsError):
            os.mkdir(path, mode)
        found = os.lstat(path)
    if not stat.S_ISDIR(found.st_mode):
        raise _refused(path, f"it is {_kind(found.st_mode)}, not a directory")
    has = stat.S_IMODE(found.st_mode)
    if found.st_uid == os.geteuid():
        if has != mode if private else has & mode != mode:
            _change_mode(path, mode if private else has | mode)
    elif private:
        raise _refused(path, _belongs_to(found.st_uid))


def write_atomic(path: str, data: bytes, mode: int | None = None) -> None:
    """Replace a file's content so that every reader sees all of the old or all of the new.

    Mode and owner stay; a symlink stays and what it leads to is replaced. Where the file cannot
    be replaced (mounted on its own, or the directory is not writable) it is overwritten.

    Args:
        path: the file; it need not exist.
        data: all of the new content.
        mode: of the file afterwards; by default as it was, or 644 for a new one.

    Raises:
        OSError: not allowed, no space; the old content is then still there.
    """
    path = os.path.realpath(path)
    try:
        old: os.stat_result | None = os.stat(path)
    except FileNotFoundError:
        old = None
    if mode is None:
        mode = stat.S_IMODE(old.st_mode) if old else 0o644
    try:
        replace_file(path, data, mode, old)
    except OSError as error:
        if old is None or error.errno not in (errno.EBUSY, errno.EXDEV, errno.EACCES, errno.EPERM):
            raise
        _overwrite(path, data, mode)


def current(descriptor: int, path: str) -> bool:
    """Tell whether an open file still is the one that `path` names."""
    try:
        ours, theirs = os.fstat(descriptor), os.lstat(path)
    except OSError:
        return False
    return (ours.st_dev, ours.st_ino) == (theirs.st_dev, theirs.st_ino)


def _open_or_create(
    path: str, flags: int, mode: int, *, ours: bool = False, directory: int | None = None
) -> int:
    if ours:  # mostly there is none
        with suppress(FileExistsError):
            return _create(path, flags, mode, directory)
    for attempt in range(_TRIES):
        last = attempt == _TRIES - 1
        try:
            return _open_checked(path, flags, ours, directory)
        except FileNotFoundError:
            pass
        except PermissionError:
            # Its creator may be between creating it and setting the mode.
            if last or not _is_new(path):
                raise
            time.sleep(0.002)
            continue
        try:
            return _create(path, flags, mode, directory)
        except FileExistsError:  # somebody was faster
            if last:
                raise
    raise AssertionError("unreachable")


def _open_checked(path: str, flags: int, ours: bool, directory: int | None = None) -> int:
    try:
        descriptor = os.open(_within(path, directory), flags | SAFE, dir_fd=directory)
    except OSError as error:
        reasons = {
            errno.ELOOP: "it is a symlink",
            errno.EISDIR: "it is a directory",
            errno.ENXIO: "it is a socket or a pipe",
        }
        if error.errno in reasons:
            raise _refused(path, reasons[error.errno]) from error
        if ours and error.errno == errno.EACCES and (owner := _stranger(path)):
            raise _refused(path, owner) from error
        raise
    try:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            raise _refused(path, f"it is {_kind(found.st_mode)}, not a regular file")
        if flags & (os.O_WRONLY | os.O_RDWR) and found.st_nlink > 1:
            raise _refused(path, "it has a second name elsewhere (a hard link)")
        if ours and found.st_uid != os.geteuid():
            raise _refused(path, _belongs_to(found.st_uid))
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _within(path: str, directory: int | None) -> str:
    return path if directory is None else os.path.basename(path)


def _create(path: str, flags: int, mode: int, directory: int | None) -> int:
    flags |= SAFE | os.O_CREAT | os.O_EXCL
    descriptor = os.open(_within(path, directory), flags, mode, dir_fd=directory)
    try:
        os.fchmod(descriptor, mode)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _is_new(path: str) -> bool:
    try:
        return time.time() - os.lstat(path).st_ctime < 1.0
    except OSError:
        return True


def _is_strange(path: str, directory: int) -> bool:
    """Say whether what stands there is somebody else's."""
    found = os.lstat(os.path.basename(path), dir_fd=directory)
    return found.st_uid != os.geteuid()


def _change_mode(path: str, mode: int) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        os.fchmod(descriptor, mode)
    finally:
        os.close(descriptor)


def replace_file(
    path: str,
    data: bytes,
    mode: int,
    old: os.stat_result | None = None,
    *,
    durable: bool = True,
) -> None:
    """Put a new file in the place of `path`, whatever is there; a symlink is not followed.

    Args:
        path: the file.
        data: all of its content.
        mode: its permissions.
        old: whose owner it shall have, as far as we may.
        durable: False where a crash of the machine may take it along.

    Raises:
        OSError: not allowed, no space; what was there before still is.
    """
    directory, name = os.path.split(path)
    temporary = os.path.join(directory, f".{name[:200]}.{os.getpid()}.{time.monotonic_ns()}.tmp")
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(temporary, flags, 0o600)
    try:
        try:
            write_all(descriptor, data)
            if old is not None:
                _give_to(descriptor, old.st_uid, old.st_gid)
            os.fchmod(descriptor, mode)  # after chown, which clears bits
            if durable:
                os.fsync(descriptor)
        finally:
            os.close(descriptor)
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise
    if durable:
        _sync_directory(directory)


def _give_to(descriptor: int, uid: int, gid: int) -> None:
    now = os.fstat(descriptor)
    for user, group in ((uid, -1), (-1, gid)):
        if user in (-1, now.st_uid) and group in (-1, now.st_gid):
            continue
        try:
            os.fchown(descriptor, user, group)
        except PermissionError:
            pass


def _overwrite(path: str, data: bytes, mode: int) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    try:
        if stat.S_IMODE(os.fstat(descriptor).st_mode) != mode:
            os.fchmod(descriptor, mode)
        if data and hasattr(os, "posix_fallocate"):
            os.posix_fallocate(descriptor, 0, len(data))  # a full disk is noticed before harm
        write_all(descriptor, data)
        os.ftruncate(descriptor, len(data))
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_all(descriptor: int, data: bytes) -> None:
    """Write all of it, however little of it each call takes (write(2)).

    Raises:
        OSError: a part of it may be written.
    """
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def _sync_directory(directory: str) -> None:
    try:
        descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError:
        return
    try:
        os.fsync(descriptor)
    except OSError:
        pass
    finally:
        os.close(descriptor)


def _stranger(path: str) -> str:
    """Say whose a file is that we may not open; "" where it is ours, or cannot be seen."""
    try:
        uid = os.lstat(path).st_uid
    except OSError:
        return ""
    return "" if uid == os.geteuid() else _belongs_to(uid)


def _belongs_to(uid: int) -> str:
    from tunnel_tui.system.proc import user_name

    return f"it belongs to user {user_name(uid)}"


def _kind(mode: int) -> str:
    kinds = {
        stat.S_IFLNK: "a symlink",
        stat.S_IFDIR: "a directory",
        stat.S_IFIFO: "a pipe",
        stat.S_IFSOCK: "a socket",
        stat.S_IFCHR: "a device",
        stat.S_IFBLK: "a device",
        stat.S_IFREG: "a regular file",
    }
    return kinds.get(stat.S_IFMT(mode), "something else")


def _refused(path: str, reason: str) -> FileRefusedError:
    return FileRefusedError(
        "file refused", f"{path}: {reason}", "look who put it there; remove it or use another place"
    )
