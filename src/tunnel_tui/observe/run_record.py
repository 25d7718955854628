"""What we remember of a tunnel that we started, where nobody else can write.

State file and log directory are shared: a line or a file there may be anybody's. The record is
written when a tunnel is started and removed when it is stopped, so that a tunnel whose line
somebody has removed is still missed, and a log that somebody has replaced is not believed.
"""

import os
from typing import NamedTuple

from tunnel_tui.errors import TunnelTuiError
from tunnel_tui.settings import Settings
from tunnel_tui.system import files


class RunRecord(NamedTuple):
    """One started tunnel.

    Attributes:
        pid: the process that was started (or the login that it rides on).
        device, inode: of its log.
        starter: the process of ours that started it, which its first line in the log names.
    """

    pid: int
    device: int
    inode: int
    starter: int

    def is_log(self, found: os.stat_result) -> bool:
        """Say whether a file is the log that was opened at the start."""
        return (found.st_dev, found.st_ino) == (self.device, self.inode)


def write_record(settings: Settings, tunnel_hash: str, pid: int, log: int) -> None:
    """Remember a start: its process, and its log by an open descriptor.

    Nothing is raised where it cannot be kept (no room): the tunnel itself matters more.
    """
    path = settings.run_record(tunnel_hash)
    found = os.fstat(log)
    try:
        files.make_directory(os.path.dirname(path), 0o700)
        data = f"{pid} {found.st_dev} {found.st_ino} {os.getpid()}\n".encode()
        files.replace_file(path, data, 0o600, durable=False)
    except (OSError, TunnelTuiError):
        remove_record(settings, tunnel_hash)


def read_record(settings: Settings, tunnel_hash: str) -> RunRecord | None:
    """Return what is remembered of a tunnel; None: nothing, it was stopped or never started."""
    try:
        with open(settings.run_record(tunnel_hash), "rb") as file:
            words = file.read(100).split()
    except OSError:
        return None
    if len(words) != 4 or not all(word.isdigit() for word in words):
        return None
    return RunRecord(*map(int, words))


def starter_of(settings: Settings, tunnel_hash: str, leader: int) -> int:
    """Return the process of ours that started process `leader` as the tunnel; 0: not known."""
    record = read_record(settings, tunnel_hash)
    return record.starter if record and record.pid == leader else 0


def remove_record(settings: Settings, tunnel_hash: str) -> None:
    """Forget a tunnel: it was stopped."""
    try:
        os.unlink(settings.run_record(tunnel_hash))
    except OSError:
        pass
