"""`daemon`: the watcher, in the foreground; the main process of the container."""

import errno
import os
import signal
from typing import TYPE_CHECKING

from tunnel_tui.cli import codes
from tunnel_tui.cli.arguments import UsageError
from tunnel_tui.cli.context import Context
from tunnel_tui.cli.main import USER_VARIABLE
from tunnel_tui.cli.registry import ADOPT, FRESH, KEEP

if TYPE_CHECKING:
    from tunnel_tui.supervise.watch.watcher import Begin, Watcher
    from tunnel_tui.system.signal_queue import Signals


def daemon(context: Context) -> int:
    """Watch until told to end: TERM or INT stops every tunnel first, HUP reads the file again.

    Raises:
        LockHeldError: somebody watches already.
        TunnelTuiError: the state file or the log directory cannot be used.
        UsageError: two options contradict each other.
    """
    from tunnel_tui import __version__
    from tunnel_tui.cli.serve_child import take_server
    from tunnel_tui.ssh.config_access import closed_files
    from tunnel_tui.supervise.watch.event_log import DescriptorSink, EventLog
    from tunnel_tui.supervise.watch.watcher import Watcher
    from tunnel_tui.system.signal_queue import Signals

    log = EventLog(DescriptorSink(1))
    server = take_server(context.settings, os.environ, log)
    watcher = Watcher(context.settings, log, begin=_begin(context), kind="daemon")
    terminal = next((fd for fd in (0, 1, 2) if _is_terminal(fd)), None)
    with Signals(signal.SIGTERM, signal.SIGINT, signal.SIGHUP) as signals:
        watcher.start()
        log.info("watching", version=__version__, pid=os.getpid(), begin=_begin(context).value)
        for closed in closed_files(context.settings.ssh_config_file):
            log.error("ssh-config", detail=str(closed), advice=closed.advice)
        if server is not None:
            server.start()
        why = _wait_for_end(signals, watcher, terminal)
        keep = context.arguments.flag(KEEP) or not why
        log.info("ending", signal=why or "terminal closed", tunnels="kept" if keep else "stopped")
        if server is not None:
            server.stop()
        fine = watcher.stop(stop_tunnels=not keep)
    log.info("ended")
    return codes.OK if fine else codes.PARTIAL


def _wait_for_end(signals: "Signals", watcher: "Watcher", terminal: int | None) -> str:
    """Return the name of the signal that ends the watch; "": the terminal is gone.

    A HUP reloads; but where it comes because the terminal that we run in was closed, nobody has
    asked for the tunnels to end: the watch ends, they stay.
    """
    while (told := signals.wait()) is signal.SIGHUP:
        if terminal is not None and _is_gone(terminal):
            return ""
        watcher.reload()
    return told.name


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
    from tunnel_tui.supervise.watch.watcher import Begin

    fresh, adopt = context.arguments.flag(FRESH), context.arguments.flag(ADOPT)
    if fresh and adopt:
        raise UsageError("--fresh and --adopt contradict each other")
    # In the container nothing runs yet, and what /tmp kept is of an earlier life.
    if fresh or (context.environment.get(USER_VARIABLE) and not adopt):
        return Begin.FRESH
    return Begin.APPLY
