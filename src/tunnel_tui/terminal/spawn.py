"""The pseudo-terminal itself: starting a program on it, its size, its modes, its end."""

import errno
import os
import shutil
import signal
import termios
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ptyprocess import PtyProcess

MAX_WINDOW = 9999
_PR_SET_PDEATHSIG = 1  # linux/prctl.h


def spawn(
    argv: Sequence[str],
    env: Mapping[str, str],
    window: tuple[int, int],
    cwd: str | None = None,
    orphaned: int = 0,
) -> Any:
    """Start a program as leader of a session of its own, with a PTY as its terminal.

    Args:
        argv: Program and arguments; looked up in `env`'s PATH.
        env: The whole environment of the child.
        window: Rows and columns.
        cwd: Where to start, or None for our own directory.
        orphaned: Signal that the child gets when the calling thread ends; 0: none.

    Returns:
        The `ptyprocess.PtyProcess`, with a non-blocking descriptor.

    Raises:
        OSError: The program or the directory is missing or cannot be used.
    """
    path = shutil.which(argv[0], path=env.get("PATH"))
    if path is None:
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), argv[0])
    bind = _binder(orphaned) if orphaned else None
    begun: list[Any] = []

    class Begun(PtyProcess):  # type: ignore[misc]
        """Known to us even where spawning it fails after the fork."""

        def __init__(self, pid: int, fd: int) -> None:
            super().__init__(pid, fd)
            begun.append(self)

    try:
        process = Begun.spawn(
            [path, *argv[1:]],
            env=dict(env),
            preexec_fn=lambda: _prepare_child(cwd, bind),
            dimensions=window,
        )
    except BaseException:
        for failed in begun:
            _clear_away(failed)
        raise
    process.env = None  # its repr would show the environment
    os.set_blocking(process.fd, False)
    return process


def window_of(cols: int, rows: int) -> tuple[int, int]:
    """Return a size as the kernel takes it: rows and columns, both at least 1."""
    return min(max(rows, 1), MAX_WINDOW), min(max(cols, 1), MAX_WINDOW)


def close_process(process: Any) -> None:
    """Close the PTY of a process at once.

    Not with `os.close`, because the file object owns the descriptor; not with the process's own
    `close`, because that sleeps.
    """
    try:
        process.fileobj.close()
    except OSError:
        pass
    process.closed = True
    process.fd = -1


def local_modes(fd: int) -> int:
    """Return a terminal's local modes (termios(3), c_lflag); a closed one echoes."""
    try:
        return int(termios.tcgetattr(fd)[3]) if fd >= 0 else termios.ECHO
    except (termios.error, OSError):
        return termios.ECHO


def _clear_away(process: Any) -> None:
    """Close and reap a child that reported a failure instead of becoming the program."""
    close_process(process)
    process.terminated = True
    try:
        os.waitpid(process.pid, 0)
    except ChildProcessError:
        pass


def _prepare_child(cwd: str | None, bind: Callable[[], None] | None) -> None:
    """Set up signals and directory between fork and exec.

    SIGHUP is ignored: an ssh that goes to the background (`-f`) must outlive the PTY. The other
    signals get their default actions, whatever we do with ours.
    """
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    for signum in signal.valid_signals():
        if signal.getsignal(signum) is signal.SIG_IGN:
            signal.signal(signum, signal.SIG_DFL)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    if bind is not None:
        bind()
    if cwd is not None:
        os.chdir(cwd)


def _binder(signum: int) -> Callable[[], None]:
    """Return what binds a child to the calling thread's life (prctl(2), PR_SET_PDEATHSIG).

    The library is loaded here: between fork and exec is no time for it. What the child forks
    does not inherit the bond, so an ssh in the background is free.
    """
    import ctypes

    prctl = ctypes.CDLL(None).prctl
    parent = os.getpid()

    def bind() -> None:
        prctl(_PR_SET_PDEATHSIG, ctypes.c_ulong(signum), 0, 0, 0)
        if os.getppid() != parent:  # it ended in between: the signal would never come
            os._exit(128 + signum)

    return bind
