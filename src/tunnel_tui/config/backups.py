"""Copies of the configuration as it was before each of our changes."""

import os
import re
import time

from tunnel_tui.errors import FileRefusedError
from tunnel_tui.system.borrowed import rights_of_owner, who_bends
from tunnel_tui.system.files import write_atomic
from tunnel_tui.system.proc import user_name

KEPT = 20


def backup(path: str, data: bytes) -> str:
    """Keep `data` in `backups/` beside the file and return where.

    Older copies of ours beyond the newest 20 go; files of other names (also those of the shell
    scripts, which keep theirs in the same place) are left alone. Root leaves in a directory of
    another user what that user could have made, and as that user's.

    Raises:
        FileRefusedError: `backups` is another user's.
        OSError: the directory or the copy cannot be written.
    """
    with rights_of_owner(path):
        real = os.path.realpath(path)
        directory = os.path.join(os.path.dirname(real), "backups")
        os.makedirs(directory, exist_ok=True)
        owner = who_bends(directory)
        if os.geteuid() == 0 and owner not in (None, who_bends(path)):
            # The file is in a place such as /tmp.
            raise FileRefusedError(
                "file refused",
                f"{directory}: it belongs to user {user_name(owner[0])}",
                "look who put it there, and remove it",
            )
        return _keep(real, directory, data)


def _keep(real: str, directory: str, data: bytes) -> str:
    stem, extension = os.path.splitext(os.path.basename(real))
    now = time.time_ns()
    stamp = time.strftime("%Y%m%d%H%M%S", time.localtime(now // 1_000_000_000))
    copy = os.path.join(directory, f"{stem}_{stamp}.{now // 1000 % 1_000_000:06d}{extension}")
    write_atomic(copy, data, os.stat(real).st_mode & 0o777)
    _prune(directory, stem, extension)
    return copy


def _prune(directory: str, stem: str, extension: str) -> None:
    ours = re.compile(re.escape(stem) + r"_\d{14}\.\d{6}" + re.escape(extension))
    copies = sorted(name for name in os.listdir(directory) if ours.fullmatch(name))
    for name in copies[:-KEPT]:
        os.unlink(os.path.join(directory, name))
