"""New processes that outlive us, and the ones that we still have to bury."""

import os
import threading
from collections.abc import Mapping, Sequence
from functools import cache

from tunnel_tui.errors import SpawnError

_AUTOSSH_WRAPPER = "/usr/bin/autossh"
_AUTOSSH_BINARY = "/usr/lib/autossh/autossh"

_signals: frozenset[int] = frozenset()
_spawned: set[int] = set()
_lock = threading.Lock()


def spawn(
    argv: Sequence[str],
    environment: Mapping[str, str],
    output_fd: int,
    error_fd: int | None = None,
) -> int:
    """Start a process in a session of its own that inherits nothing from us by accident.

    Standard input is `/dev/null`; all signals have their default action (Python ignores SIGPIPE),
    none is blocked, no other descriptor is passed on.

    Args:
        argv: the program, with its path, and its arguments.
        environment: all of the new process's environment.
        output_fd: takes its standard output; stays open here.
        error_fd: takes what it says of errors; None: `output_fd` does.

    Returns:
        The pid; its process group and session have the same number.

    Raises:
        SpawnError: the program is missing or not executable, or a system limit is reached.
    """
    actions: list[tuple[int, int, int] | tuple[int, int] | tuple[int, int, str, int, int]]
    actions = [
        (os.POSIX_SPAWN_DUP2, output_fd, 1),
        (os.POSIX_SPAWN_DUP2, output_fd if error_fd is None else error_fd, 2),
        (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
    ]
    actions += [(os.POSIX_SPAWN_CLOSE, descriptor) for descriptor in _inheritable()]
    with _lock:
        try:
            pid = os.posix_spawn(
                argv[0],
                list(argv),
                dict(environment),
                file_actions=actions,
                setsid=True,
                setsigmask=(),
                setsigdef=_changeable_signals(),
            )
        except NotImplementedError:
            pid = _spawn_by_fork(argv, environment, output_fd, error_fd)
        except (OSError, ValueError) as error:
            raise _spawn_error(argv[0], error) from error
        _spawned.add(pid)
    return pid


def reap() -> list[int]:
    """Bury the children of `spawn()` that have ended, and no others; return their pids."""
    ended = []
    with _lock:
        for pid in tuple(_spawned) if _spawned and _anybody_ended() else ():
            try:
                done = os.waitpid(pid, os.WNOHANG)[0] == pid
            except ChildProcessError:  # somebody else buried it
                done = True
            if done:
                _spawned.discard(pid)
                ended.append(pid)
    return ended


def _anybody_ended() -> bool:
    """Ask once for all children whether one has ended; nobody is buried by asking (wait(2))."""
    if not hasattr(os, "waitid"):
        return True
    try:
        return os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
    except OSError:
        return True


def find_program(name: str, environment: Mapping[str, str]) -> str | None:
    """Find the program that `name` means on the environment's PATH; None: not installed.

    Debian puts a shell script before autossh that looks for a free monitoring port; the binary
    behind it is returned instead, since its pid must be the one that stays.
    """
    path = environment.get("PATH", os.defpath)
    for directory in path.split(os.pathsep):
        candidate = os.path.abspath(os.path.join(directory, name))
        if os.path.isfile(candidate) and os.access(candidate, os.X_OK):
            return _unwrapped(candidate)
    return None


def _changeable_signals() -> frozenset[int]:
    global _signals
    if not _signals:
        import signal

        _signals = frozenset(map(int, signal.valid_signals())) - {signal.SIGKILL, signal.SIGSTOP}
    return _signals


def _unwrapped(program: str) -> str:
    if os.path.realpath(program) != os.path.realpath(_AUTOSSH_WRAPPER):
        return program
    try:
        with open(program, "rb") as file:
            is_script = file.read(2) == b"#!"
    except OSError:
        return program
    return _AUTOSSH_BINARY if is_script and os.access(_AUTOSSH_BINARY, os.X_OK) else program


@cache
def _inheritable() -> tuple[int, ...]:
    """List the descriptors from 3 up that a new program would inherit.

    Python's own never are (PEP 446); what a shell or a container engine left open is, from the
    beginning: a lock held there would be held for as long as the tunnel lives.
    """
    try:
        names = os.listdir("/proc/self/fd" if os.path.isdir("/proc/self/fd") else "/dev/fd")
    except OSError:
        return ()
    found = []
    for descriptor in (int(name) for name in names if name.isdigit()):
        try:
            if descriptor > 2 and os.get_inheritable(descriptor):
                found.append(descriptor)
        except OSError:  # the one that listed the directory
            continue
    return tuple(found)


def _spawn_by_fork(
    argv: Sequence[str], environment: Mapping[str, str], output_fd: int, error_fd: int | None
) -> int:
    """Do the same where posix_spawn(3) cannot make a session."""
    import subprocess

    try:
        process = subprocess.Popen(
            list(argv),
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=output_fd,
            stderr=output_fd if error_fd is None else error_fd,
            start_new_session=True,
            restore_signals=True,
        )
    except (OSError, ValueError) as error:
        raise _spawn_error(argv[0], error) from error
    process.returncode = 0  # it is ours to bury: Popen neither waits nor warns
    return process.pid


def _spawn_error(program: str, error: Exception) -> SpawnError:
    name = os.path.basename(program)
    if isinstance(error, FileNotFoundError):
        return SpawnError(f"{name} is not installed", program, f"install {name}")
    if isinstance(error, BlockingIOError):
        return SpawnError(
            f"{name} could not be started",
            "the system allows no more processes",
            "raise the limit (ulimit -u, pids.max of the container) or stop something",
        )
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return SpawnError(f"{name} could not be started", f"{program}: {text}")
