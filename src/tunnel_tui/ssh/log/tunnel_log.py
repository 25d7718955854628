"""The log of a tunnel as evidence: only what its own processes wrote, whatever bears its name.

The directory of the logs is open to every local user, so a name in it proves nothing. A live
process shows the file that it writes to; of a dead one the file must be the one that was opened
at its start, and belong to somebody who may be believed.
"""

import os
import stat as stat_bits

from tunnel_tui.logs.tail import lines_before, open_for_reading
from tunnel_tui.settings import Settings
from tunnel_tui.ssh.log.own_words import own_words
from tunnel_tui.ssh.marks import STREAM
from tunnel_tui.state.run_record import read_record, starter_of
from tunnel_tui.system import proc
from tunnel_tui.system.proc import trusted_users


def log_path(settings: Settings, tunnel_hash: str) -> str:
    """Say where a tunnel's log is: under its shared name, or in our own directory (`Settings`)."""
    private = settings.private_log_file(tunnel_hash)
    return private if os.path.lexists(private) else settings.log_file(tunnel_hash)


def open_own_log(settings: Settings, tunnel_hash: str, pid: int = 0) -> int | None:
    """Open a tunnel's log for reading; None where there is none to be believed.

    Args:
        settings: where things are.
        tunnel_hash: of the tunnel.
        pid: a live process that was proven to be the tunnel's; 0: there is none.
    """
    if pid and proc.is_alive(pid) and not proc.hides_descriptors(pid):
        return _open_held(settings, tunnel_hash, pid)
    fd = open_for_reading(log_path(settings, tunnel_hash))
    if fd is None:
        return None
    if is_own_log(settings, tunnel_hash, os.fstat(fd)):
        return fd
    os.close(fd)
    return None


def _open_held(settings: Settings, tunnel_hash: str, pid: int) -> int | None:
    """Open the file that a tunnel's process logs to, whatever has become of its name.

    autossh has it as its standard output. ssh turns that into /dev/null once it is connected,
    and has what `-E` opened as its first other descriptor. One that has no `-E` (of the shell
    scripts, of earlier versions) logs to its standard error.
    """
    for descriptor in (STREAM, 3, 2):
        path = f"/proc/{pid}/fd/{descriptor}"
        if descriptor == 2 and _leads_to(path, settings.stderr_file(tunnel_hash)):
            return None
        fd = open_for_reading(path, follow=True)
        if fd is not None:
            return fd
    return None


def _leads_to(link: str, path: str) -> bool:
    try:
        return os.readlink(link) == os.path.realpath(path)
    except OSError:
        return True


def own_lines(settings: Settings, tunnel_hash: str, count: int, leader: int) -> list[str]:
    """Return the last lines of a tunnel's log that are ssh's, autossh's or ours, sanitised.

    Args:
        settings: where things are.
        tunnel_hash: of the tunnel.
        count: lines that are read.
        leader: the process that we have just started as the tunnel, or that lives.
    """
    fd = open_own_log(settings, tunnel_hash, leader)
    if fd is None:
        return []
    try:
        lines = lines_before(fd, os.fstat(fd).st_size, count)
    except OSError:
        return []
    finally:
        os.close(fd)
    starter = starter_of(settings, tunnel_hash, leader)
    return own_words(lines, leader, starter, whole=len(lines) < count)


def open_old_copy(settings: Settings, tunnel_hash: str) -> int | None:
    """Open what was cut off a tunnel's log (`cap`); None where there is nothing to be believed."""
    fd = open_for_reading(f"{log_path(settings, tunnel_hash)}.1")
    if fd is None or _is_trusted(os.fstat(fd)):
        return fd
    os.close(fd)
    return None


def is_own_log(settings: Settings, tunnel_hash: str, found: os.stat_result) -> bool:
    """Say whether a file under the name of a tunnel's log may be believed.

    It is a regular file with one name, of ours or of root, and the one that was opened at the
    start where we started the tunnel.
    """
    if not _is_trusted(found):
        return False
    record = read_record(settings, tunnel_hash)
    return record is None or record.is_log(found)


def _is_trusted(found: os.stat_result) -> bool:
    regular = stat_bits.S_ISREG(found.st_mode) and found.st_nlink <= 1
    return regular and found.st_uid in trusted_users()


def was_removed(settings: Settings, tunnel_hash: str) -> bool:
    """Say whether somebody may be believed to have deleted the log of a tunnel: a stop does so.

    Where strangers may delete each other's files, a missing log says nothing.
    """
    try:
        directory = os.stat(settings.log_dir)
    except OSError:
        return True
    shared = directory.st_mode & (stat_bits.S_IWGRP | stat_bits.S_IWOTH)
    guarded = not shared or directory.st_mode & stat_bits.S_ISVTX
    if not guarded or directory.st_uid not in trusted_users():
        return False
    return not os.path.lexists(log_path(settings, tunnel_hash))
