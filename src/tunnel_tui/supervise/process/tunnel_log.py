"""Our own lines in a tunnel's log, and the files that its process writes to."""

import errno
import os
import time

from tunnel_tui.errors import (
    FileRefusedError,
    SpawnError,
    TunnelTuiError,
)
from tunnel_tui.settings import Settings
from tunnel_tui.system import files
from tunnel_tui.system.proc import strange_owner

LOG_DIRECTORY_MODE = 0o1777
"""Sticky: everybody may write there, and nobody removes what is another's."""
NOT_STARTED = "not started: "
"""What a line of ours says before the reason (ssh/log/failures.py reads it)."""


def make_log_directory(settings: Settings) -> None:
    """Make the directory of the logs.

    Raises:
        FileRefusedError: it is a symlink, or something else that is no directory.
        OSError: it cannot be made.
    """
    try:
        files.make_directory(settings.log_dir, LOG_DIRECTORY_MODE)
    except FileRefusedError as error:
        advice = "remove it, or set AUTOSSH_LOG_DIR to another directory"
        raise FileRefusedError("log directory refused", error.detail, advice) from error


def note(settings: Settings, tunnel_hash: str, text: str) -> None:
    """Write a line of ours into a log, if that can be: what it is about matters more."""
    try:
        _, log = open_log(settings, tunnel_hash)
    except TunnelTuiError:
        return
    try:
        write_line(log, text)
    except OSError:
        pass  # the disk is full
    finally:
        os.close(log)


def open_log(settings: Settings, tunnel_hash: str) -> tuple[str, int]:
    """Open a tunnel's log for appending, creating it; return its path and a descriptor.

    It is in our own directory where the shared one, or what stands there under its name, is
    another user's.

    Raises:
        FileRefusedError: it is a symlink, no regular file, or root's.
        SpawnError: it cannot be written.
    """
    path = settings.log_file(tunnel_hash)
    try:
        try:
            if not strange_owner(settings.log_dir):
                return path, files.open_log(path)
        except FileRefusedError:
            if not strange_owner(path):
                raise
        path = settings.private_log_file(tunnel_hash)
        files.make_directory(os.path.dirname(path), 0o700)
        return path, files.open_log(path)
    except FileRefusedError as error:
        # Mostly what an earlier run left there, of another user: a stop of theirs removes it.
        advice = f"its owner or root removes it with: tunnel-tui stop-tunnel {tunnel_hash[:8]}"
        raise FileRefusedError(error.title, error.detail, advice) from error
    except OSError as error:
        raise unwritable(path, error) from error


def open_stderr(settings: Settings, tunnel_hash: str) -> int:
    """Open the private file for what others say on ssh's standard error, empty.

    Raises:
        SpawnError: it cannot be written.
    """
    path = settings.stderr_file(tunnel_hash)
    try:
        files.make_directory(os.path.dirname(path), 0o700)
        return files.open_log(path, append=False)
    except OSError as error:
        raise unwritable(path, error) from error


def unwritable(path: str, error: OSError) -> SpawnError:
    """Make the error of a log that cannot be written."""
    full = error.errno in (errno.ENOSPC, errno.EDQUOT)
    advice = "make room on the disk" if full else "check the directory"
    return SpawnError("the log cannot be written", f"{path}: {error.strerror or error}", advice)


def write_line(log: int, text: str) -> None:
    """Append a line of our own to a tunnel's log, dated the way autossh(1) does."""
    stamp = time.strftime("%Y/%m/%d %H:%M:%S")
    shown = text
    if not text.isprintable():
        shown = "".join(character if character.isprintable() else "?" for character in text)
    line = f"{stamp} tunnel-tui[{os.getpid()}]: {shown}\n"
    os.write(log, line.encode("utf-8", "replace"))
