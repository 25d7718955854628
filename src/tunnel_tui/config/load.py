"""The configuration file as it stands: tunnels, and every mistake in it with its line."""

import os
import stat

from tunnel_tui.config.config import Config
from tunnel_tui.model import DirectionMode, Problem

MAX_BYTES = 8 * 1024 * 1024
"""A thousand tunnels take 150 KB."""


def load_config(path: str, mode: DirectionMode = DirectionMode.DEFAULT) -> Config:
    """Read the configuration file; whatever is wrong with it becomes a problem.

    Args:
        path: the file.
        mode: decides which ends listen, for the warning of two tunnels with one listener.
    """
    try:
        data = read_bytes(path)
    except OSError as error:
        return _unreadable(path, error)
    # Not before it is needed: the YAML parser costs more than all the rest of a command.
    from tunnel_tui.config.parse import parse_config

    return parse_config(path, data, mode)


def read_bytes(path: str) -> bytes:
    """Read a regular file of a sane size.

    Raises:
        OSError: absent, unreadable, a directory, a pipe, too big.
    """
    # O_NONBLOCK: a pipe without a writer must not hang us before we see that it is one
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY)
    try:
        status = os.fstat(descriptor)
        if stat.S_ISDIR(status.st_mode):
            raise IsADirectoryError(21, "is a directory, not a file", path)
        if not stat.S_ISREG(status.st_mode):
            raise OSError(0, "is not a regular file", path)
        if status.st_size > MAX_BYTES:
            raise OSError(0, f"is bigger than {MAX_BYTES // 1024 // 1024} MB", path)
        chunks = []
        while chunk := os.read(descriptor, MAX_BYTES):
            chunks.append(chunk)
        return b"".join(chunks)
    finally:
        os.close(descriptor)


def _unreadable(path: str, error: OSError) -> Config:
    if isinstance(error, FileNotFoundError):
        message, allowed = "does not exist", "create it, or name another with --config"
    elif isinstance(error, PermissionError):
        from tunnel_tui.system.access import closed_at

        closed = closed_at(path)
        message, allowed = "may not be read", "check its owner and its mode"
        if closed is not None:
            message, allowed = f"may not be read: {closed}", closed.advice
    else:
        message, allowed = error.strerror or str(error), "name a regular file"
    return Config(path, (), (Problem(path, 0, "", message, "", allowed),), "")
