"""Copies of the configuration as it was before each of our changes."""

import os
import re
import time

from tunnel_tui.system.files import write_atomic

KEPT = 20


def backup(path: str, data: bytes) -> str:
    """Keep `data` in `backups/` beside the file and return where.

    Older copies of ours beyond the newest 20 go; files of other names (also those of the shell
    scripts, which keep theirs in the same place) are left alone.

    Raises:
        OSError: the directory or the copy cannot be written.
    """
    real = os.path.realpath(path)
    directory = os.path.join(os.path.dirname(real), "backups")
    os.makedirs(directory, exist_ok=True)
    stem, extension = os.path.splitext(os.path.basename(real))
    now = time.time_ns()
    stamp = time.strftime("%Y%m%d%H%M%S", time.localtime(now // 1_000_000_000))
    copy = os.path.join(directory, f"{stem}_{stamp}.{now // 1000 % 1_000_000:06d}{extension}")
    status = os.stat(real)
    write_atomic(copy, data, status.st_mode & 0o777)
    for made in (directory, copy):
        _give(made, status)
    _prune(directory, stem, extension)
    return copy


def _give(path: str, status: os.stat_result) -> None:
    """Let the owner of the file own what root made beside it."""
    if os.stat(path).st_uid == os.geteuid() != status.st_uid:
        try:
            os.chown(path, status.st_uid, status.st_gid)
        except PermissionError:
            pass


def _prune(directory: str, stem: str, extension: str) -> None:
    ours = re.compile(re.escape(stem) + r"_\d{14}\.\d{6}" + re.escape(extension))
    copies = sorted(name for name in os.listdir(directory) if ours.fullmatch(name))
    for name in copies[:-KEPT]:
        os.unlink(os.path.join(directory, name))
