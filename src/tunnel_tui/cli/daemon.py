"""`daemon`: the watcher, in the foreground; the main process of the container."""

import errno
import os
import signal
import threading
from typing import TYPE_CHECKING, Any

from tunnel_tui.cli import codes
from tunnel_tui.cli.arguments import UsageError
from tunnel_tui.cli.context import Context
from tunnel_tui.cli.main import USER_VARIABLE
from tunnel_tui.cli.registry import ADOPT, FRESH, KEEP

if TYPE_CHECKING:
    from tunnel_tui.supervise.watcher import Begin, Watcher


def daemon(context: Context) -> int:
    """Watch until told to end: TERM or INT stops every tunnel first, HUP reads the file again.

    Raises:
        LockHeldError: somebody watches already.
        TunnelTuiError: the state file or the log directory cannot be used.
        UsageError: two options contradict each other.
    """
    from tunnel_tui import __version__
    from tunnel_tui.cli.serve_child import take_server
    from tunnel_tui.supervise.watcher import Watcher
    from tunnel_tui.supervise.watchlog import DescriptorSink, WatchLog

    log = WatchLog(DescriptorSink(1))
    server = take_server(context.settings, os.environ, log)
    watcher = Watcher(context.settings, log, begin=_begin(context), kind="daemon")
    told = _Told(watcher)
    with told:
        watcher.start()
        log.info("watching", version=__version__, pid=os.getpid(), begin=_begin(context).value)
        if server is not None:
            server.start()
        why = told.wait()
        keep = context.arguments.flag(KEEP) or not why
        log.info("ending", signal=why or "terminal closed", tunnels="kept" if keep else "stopped")
        if server is not None:
            server.stop()
        fine = watcher.stop(stop_tunnels=not keep)
    log.info("ended")
    return codes.OK if fine else codes.PARTIAL


class _Told:
    """Waits for the signal that ends the watch; passes the others on.

    A HUP reloads; but where it comes because the terminal that we run in was closed, nobody has
    asked for the tunnels to end: the watch ends, they stay.
    """

    def __init__(self, watcher: "Watcher") -> None:
        self._watcher = watcher
        self._end = threading.Event()
        self._why = ""
        self._terminal = next((fd for fd in (0, 1, 2) if _is_terminal(fd)), None)
        self._before: dict[int, Any] = {}

    def __enter__(self) -> "_Told":
        for signum in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            self._before[signum] = signal.signal(signum, self._hear)
        return self

    def __exit__(self, *_: object) -> None:
        for signum, handler in self._before.items():
            signal.signal(signum, handler)

    def wait(self) -> str:
        """Return the name of the signal that ends the watch; "": the terminal is gone."""
        self._end.wait()
        return self._why

    def _hear(self, signum: int, _frame: object) -> None:
        if signum != signal.SIGHUP:
            self._why = signal.Signals(signum).name
            self._end.set()
        elif self._terminal is not None and _is_gone(self._terminal):
            self._end.set()
        else:
            self._watcher.reload()


def _is_terminal(descriptor: int) -> bool:
    try:
        return os.isatty(descriptor)
    except OSError:
        return False


def _is_gone(terminal: int) -> bool:
    try:
        os.tcgetpgrp(terminal)
    except OSError as error:
        return error.errno in (errno.EIO, errno.ENOTTY, errno.EBADF, errno.ENXIO)
    return False


def _begin(context: Context) -> "Begin":
    from tunnel_tui.supervise.watcher import Begin

    fresh, adopt = context.arguments.flag(FRESH), context.arguments.flag(ADOPT)
    if fresh and adopt:
        raise UsageError("--fresh and --adopt contradict each other")
    # In the container nothing runs yet, and what /tmp kept is of an earlier life.
    if fresh or (context.environment.get(USER_VARIABLE) and not adopt):
        return Begin.FRESH
    return Begin.APPLY
