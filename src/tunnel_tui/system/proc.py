"""Processes as the kernel shows them: raw readers of proc(5), a few microseconds each.

`psutil` answers the same questions a hundred times slower: it is used where that does not matter.
"""

import errno
import os
import time
from collections.abc import Container, Iterator
from typing import NamedTuple

OUR_OWN_TROUBLE = frozenset((errno.EMFILE, errno.ENFILE, errno.ENOMEM))
"""Errors that say nothing of the process that was to be read."""
_DEAD_STATES = frozenset("ZXx")
_CHUNK = 65536
_TICKS = os.sysconf("SC_CLK_TCK")
_EXEC_TIMEOUT, _EXEC_PAUSE = 0.2, 0.0002
_KERNEL = (0, 2)
"""Parents of kernel threads: nobody, and kthreadd."""
_START_FIELD = 19  # proc(5): starttime is field 22, and the fields behind comm start with 3


class ProcessStat(NamedTuple):
    """One process at one moment (proc(5), `/proc/<pid>/stat`).

    `pid` and `start_ticks` (clock ticks after boot) together name a process for good: a pid
    alone may have passed to another process.
    """

    pid: int
    comm: str
    state: str
    ppid: int
    pgrp: int
    session: int
    start_ticks: int

    @property
    def alive(self) -> bool:
        """False for a zombie: it holds a pid, and nothing else."""
        return self.state not in _DEAD_STATES


def read_stat(pid: int) -> ProcessStat | None:
    """Read what the kernel says of a process, zombies included; None: gone or hidden.

    Raises:
        OSError: we cannot open files any more; that must not look like a death.
    """
    if pid <= 0:
        return None
    data = _read(f"/proc/{pid}/stat", strict=True)
    return _parse_stat(data) if data else None


def is_alive(pid: int) -> bool:
    """Tell whether a process runs, whoever owns it. Zombies and pids up to 1 do not count."""
    if pid <= 1:
        return False
    if data := _read(f"/proc/{pid}/stat", strict=True):
        state = data.rfind(b")") + 2  # the name before it may contain anything
        return data[state : state + 1].decode("ascii", "replace") not in _DEAD_STATES
    # `hidepid` (proc(5)) hides other people's processes; signal 0 still tells them from nobody.
    try:
        os.kill(pid, 0)
    except PermissionError:
        return True
    except (OSError, OverflowError):
        return False
    return False


def exists(pid: int) -> bool:
    """Tell whether a process has this pid, zombies included; a fifth of the cost of `is_alive`."""
    if pid <= 1:
        return False
    try:
        os.kill(pid, 0)
    except PermissionError:
        return True
    except (OSError, OverflowError):
        return False
    return True


def command_line(pid: int) -> tuple[str, ...]:
    """Read the arguments of a process; empty when it is gone, hidden or a zombie."""
    if pid <= 0:
        return ()
    data = raw_command_line(pid).rstrip(b"\0")
    return tuple(os.fsdecode(data).split("\0")) if data else ()


def raw_command_line(pid: int) -> bytes:
    """Read the arguments as proc(5) has them, a zero byte behind each; empty as above."""
    if pid <= 0:
        return b""
    return _read(f"/proc/{pid}/cmdline") or _arguments_to_come(pid)


def _arguments_to_come(pid: int) -> bytes:
    """Wait for the arguments of a program that is just being started.

    posix_spawn(3) returns when the child has left our memory, some microseconds before execve(2)
    is through: until then a live process has no arguments. Kernel threads never have any.
    """
    deadline = time.monotonic() + _EXEC_TIMEOUT
    while time.monotonic() < deadline:
        try:
            stat = read_stat(pid)
        except OSError:
            break
        if stat is None or not stat.alive or stat.ppid in _KERNEL:
            break
        data = _read(f"/proc/{pid}/cmdline")
        if data:
            return data
        time.sleep(_EXEC_PAUSE)
    return b""


def children(pid: int) -> tuple[int, ...]:
    """List the children of a process, zombies included."""
    if pid <= 0:
        return ()
    found = _children_of_thread(pid, pid)
    if found is None:
        if _children_of_thread(os.getpid(), os.getpid()) is not None:
            return ()  # gone
        return tuple(stat.pid for stat in _all() if stat.ppid == pid)  # no CONFIG_PROC_CHILDREN
    if _has_one_thread(pid):
        return found
    for thread in _numbers(f"/proc/{pid}/task"):
        if thread != pid:  # a child belongs to the thread that made it
            found += _children_of_thread(pid, thread) or ()
    return found


def descendants(pid: int) -> tuple[int, ...]:
    """List children, their children and so on, parents before their children."""
    found: dict[int, None] = {}
    queue = [pid]
    for parent in queue:
        for child in children(parent):
            if child not in found and child != pid:
                found[child] = None
                queue.append(child)
    return tuple(found)


_boot_epoch = 0.0


def start_time(stat: ProcessStat) -> float:
    """Say when a process began, in epoch seconds.

    The same process always gives the same value, unless the system clock jumps.
    """
    global _boot_epoch
    boot = time.time() - time.clock_gettime(time.CLOCK_BOOTTIME)
    if abs(boot - _boot_epoch) > 1.0:  # first use, or the clock was set
        _boot_epoch = boot
    return _boot_epoch + stat.start_ticks / _TICKS


def scan(names: frozenset[str]) -> list[ProcessStat]:
    """Find all live processes whose `comm` is one of `names`, in one cheap pass."""
    return [stat for stat in _all(names) if stat.alive]


def owner(pid: int) -> tuple[int, str] | None:
    """Say who runs a process: effective user id and user name. None: gone or hidden."""
    if pid <= 0:
        return None
    import psutil

    try:
        uid = psutil.Process(pid).uids().effective
    except (psutil.Error, OverflowError):
        return None
    return uid, user_name(uid)


def runs_for(pid: int, uids: Container[int]) -> bool:
    """Tell whether a process belongs to these users through and through.

    Real, effective, saved and file-system user id count (proc(5), status, `Uid`): a set-user-ID
    program that a stranger has started with arguments of his making is not its owner's. False
    for a process that is gone or hidden.
    """
    _, _, rest = _read(f"/proc/{pid}/status").partition(b"\nUid:")
    ids = rest.partition(b"\n")[0].split()
    return bool(ids) and all(int(uid) in uids for uid in ids)


def hides_descriptors(pid: int) -> bool:
    """Tell whether the descriptors of a live process may not be read (proc(5), fd).

    Root's are closed to others, and those in another user namespace to everybody outside.
    """
    try:
        os.readlink(f"/proc/{pid}/fd/1")
    except PermissionError:
        return True
    except OSError:
        return False
    return False


def trusted_users() -> frozenset[int]:
    """Name the users whose processes and files may be believed: ourselves, and root."""
    return frozenset((0, os.geteuid()))


def foreign_owner(pid: int) -> str:
    """Name the user of a process that neither we nor root run; "" for any other."""
    if runs_for(pid, trusted_users()):
        return ""
    found = owner(pid)
    return found[1] if found else ""


def strange_owner(path: str) -> str:
    """Name the user whose a file or directory is; "" where it is ours or root's, or is not there.

    A symlink is not followed.
    """
    try:
        uid = os.lstat(path).st_uid
    except OSError:
        return ""
    return "" if uid in trusted_users() else user_name(uid)


def user_name(uid: int) -> str:
    """Name a user; the number where nobody has it."""
    import pwd

    try:
        return pwd.getpwuid(uid).pw_name
    except (KeyError, OverflowError):
        return str(uid)


def pids() -> list[int]:
    """List all process ids that are visible, ascending."""
    return sorted(_numbers("/proc"))


def _all(names: frozenset[str] | None = None) -> Iterator[ProcessStat]:
    """Yield every process, or those of some names, without parsing what is not asked for."""
    wanted = None if names is None else {os.fsencode(name)[:15] for name in names}
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        data = _read(f"/proc/{entry}/stat")
        if wanted is not None and data[data.find(b"(") + 1 : data.rfind(b")")] not in wanted:
            continue
        stat = _parse_stat(data)
        if stat is not None:
            yield stat


def _parse_stat(data: bytes) -> ProcessStat | None:
    opening, closing = data.find(b"("), data.rfind(b")")  # comm itself may contain either
    fields = data[closing + 2 :].split(None, _START_FIELD + 1)
    if opening < 0 or len(fields) <= _START_FIELD:
        return None
    return ProcessStat(
        int(data[:opening]),
        os.fsdecode(data[opening + 1 : closing]),
        fields[0].decode("ascii", "replace"),
        int(fields[1]),
        int(fields[2]),
        int(fields[3]),
        int(fields[_START_FIELD]),
    )


def _children_of_thread(pid: int, thread: int) -> tuple[int, ...] | None:
    try:
        descriptor = os.open(f"/proc/{pid}/task/{thread}/children", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        data = b"".join(iter(lambda: os.read(descriptor, _CHUNK), b""))
    except OSError:
        return None
    finally:
        os.close(descriptor)
    return tuple(map(int, data.split()))


def _has_one_thread(pid: int) -> bool:
    """Count the threads by the links of their directory: cheaper than listing it (proc(5))."""
    try:
        return os.stat(f"/proc/{pid}/task").st_nlink <= 3  # ".", "..", and one thread
    except OSError:
        return True


def _numbers(directory: str) -> list[int]:
    try:
        return [int(entry) for entry in os.listdir(directory) if entry.isdigit()]
    except OSError:
        return []


def _read(path: str, *, strict: bool = False) -> bytes:
    """Read a small file of `/proc`; empty when the process is gone or hidden."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        if strict and error.errno in OUR_OWN_TROUBLE:
            raise
        return b""
    except OverflowError:
        return b""
    try:
        data = os.read(descriptor, _CHUNK)
        if len(data) < _CHUNK:
            return data
        return data + b"".join(iter(lambda: os.read(descriptor, _CHUNK), b""))
    except OSError:
        return b""
    finally:
        os.close(descriptor)
