"""The key of who has given none: made once, kept where nobody else can read it."""

import fcntl
import os
import secrets
import shlex
import stat

from tunnel_tui.errors import FileRefusedError
from tunnel_tui.settings import Settings
from tunnel_tui.system.files import make_directory, open_private

_BYTES = 32
_LONGEST = 1024


def key_file(settings: Settings) -> str:
    """Say where the key is kept."""
    return os.path.join(settings.data_dir, "web-key")


def kept_key(settings: Settings) -> str:
    """Read the key; make one where there is none.

    Raises:
        FileRefusedError: file or directory are a symlink, somebody else's, or open to others; or
            the file holds no key.
        OSError: not allowed, no space.
    """
    make_directory(settings.data_dir, 0o700)
    path = key_file(settings)
    descriptor = open_private(path)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)  # two servers that start at once have one key
        if stat.S_IMODE(os.fstat(descriptor).st_mode) & 0o077:
            raise _refused(path, "others may read it")
        data = os.read(descriptor, _LONGEST)
        if not data:
            data = secrets.token_urlsafe(_BYTES).encode() + b"\n"
            os.pwrite(descriptor, data, 0)
            os.fsync(descriptor)
    finally:
        os.close(descriptor)
    key = data.decode("ascii", "replace").strip()
    if len(key) < _BYTES or not key.isascii() or not key.isprintable():
        raise _refused(path, "it holds no key")
    return key


def _refused(path: str, reason: str) -> FileRefusedError:
    advice = f"rm {shlex.quote(path)} makes room: the next start makes a new key"
    return FileRefusedError("file refused", f"{path}: {reason}", advice)
