"""`serve` as a child of the watcher: as long as that lives, and never in its way."""

import os
import sys
import threading
import time
from collections.abc import Mapping, MutableMapping
from typing import TYPE_CHECKING

from tunnel_tui.errors import TunnelTuiError
from tunnel_tui.observe.liveness import read_liveness
from tunnel_tui.system import proc, signals, spawn

if TYPE_CHECKING:
    from tunnel_tui.settings import Settings
    from tunnel_tui.supervise.watch.event_log import EventLog

ENABLE, KEY, HOST = "API_ENABLE", "API_KEY", "API_HOST"
FIRST_PAUSE, LONGEST_PAUSE = 1.0, 60.0
"""Seconds before a server that has ended is started again: doubled each time."""
STEADY = 60.0
"""Seconds after which a server counts as one that works."""
GRACE = 1.5
"""Seconds between TERM and KILL: the tunnels have to end as well before `docker stop` kills."""
_ALL = "0.0.0.0"
_LOOK = 60.0
_YES, _NO = ("true", "1", "yes", "on"), ("", "false", "0", "no", "off")


class ServeChild:
    """Runs the server and starts it again when it ends, in a thread of its own.

    Args:
        argv: what starts it.
        environment: all of its environment, the key included.
        log: gets the events.
    """

    def __init__(
        self, argv: list[str], environment: Mapping[str, str], log: "EventLog", output_fd: int = 1
    ) -> None:
        self._argv = argv
        self._environment = dict(environment)
        self._log = log
        self._output = output_fd
        self._ending = threading.Event()
        self._lock = threading.Lock()
        self._child: proc.ProcessStat | None = None
        self._thread = threading.Thread(target=self._run, name="serve", daemon=True)

    def start(self) -> None:
        """Begin; a server that cannot be started is tried again."""
        self._thread.start()

    def stop(self) -> None:
        """End the server, within GRACE or by force."""
        with self._lock:  # from here on no new one is started
            self._ending.set()
            child = self._child
        if child is not None:
            _end(child)

    def _run(self) -> None:
        pause = FIRST_PAUSE
        while True:
            began = time.monotonic()
            child = self._spawn()
            while child is not None and read_liveness(child):
                signals.wait_gone((child.pid,), _LOOK)
            spawn.reap()
            if self._ending.is_set():
                return
            if time.monotonic() - began >= STEADY:
                pause = FIRST_PAUSE
            if child is not None:
                self._log.warning("server-ended", pid=child.pid, retry_in=f"{pause:g}s")
            if self._ending.wait(pause):
                return
            pause = min(pause * 2, LONGEST_PAUSE)

    def _spawn(self) -> proc.ProcessStat | None:
        with self._lock:
            if self._ending.is_set():
                return None
            try:
                pid = spawn.spawn(self._argv, self._environment, self._output)
            except TunnelTuiError as error:
                self._log.error("not-serving", detail=error)
                return None
            self._child = proc.read_stat(pid)
        self._log.info("server-started", pid=pid)
        return self._child


def take_server(
    settings: "Settings", environment: MutableMapping[str, str], log: "EventLog"
) -> ServeChild | None:
    """Prepare what `API_ENABLE` asks for; None: nothing, or not possible, which the log says.

    The key leaves `environment` in any case, so that nothing else that is started inherits it.
    """
    given = dict(environment)
    environment.pop(KEY, None)
    wish = given.get(ENABLE, "").strip().lower()
    if wish in _NO:
        return None
    if wish not in _YES:
        log.error(
            "not-serving", detail=f"{ENABLE}={wish} is not understood", advice="true or false"
        )
    elif not any(key.strip() for key in given.get(KEY, "").split(",")):
        log.error(
            "not-serving",
            detail=f"{ENABLE} is set, but {KEY} is not",
            advice=f"set {KEY} (openssl rand -hex 32 makes one)",
        )
    else:
        return _checked(settings, given, log)
    return None


def main() -> int:
    """Be that child: `<pid of the watcher> <arguments of tunnel-tui>`."""
    watcher, *arguments = sys.argv[1:]
    _end_with_parent(int(watcher))
    from tunnel_tui.cli.main import main as run

    return run(arguments)


def _checked(settings: "Settings", given: Mapping[str, str], log: "EventLog") -> ServeChild | None:
    """Refuse here what the server would refuse at each of its starts."""
    from tunnel_tui.web.options import load_options

    host = given.get(HOST) or _ALL
    try:
        load_options(given, host)
    except TunnelTuiError as error:
        log.error("not-serving", detail=f"{error.title}: {error.detail}", advice=error.advice)
        return None
    return ServeChild(_command(settings, host), given, log)


def _command(settings: "Settings", host: str) -> list[str]:
    program = "import sys; from tunnel_tui.cli.serve_child import main; sys.exit(main())"
    # -P: the directory that the watcher was started in is no place to import from.
    command = [sys.executable, "-P", "-c", program, str(os.getpid())]
    command += ["-c", settings.config_file, "-s", settings.ssh_config_dir]
    return [*command, "-f", settings.state_file, "serve", "--host", host]


def _end_with_parent(parent: int) -> None:
    """Get TERM when the thread that started us ends, as it does when its process is killed.

    PR_SET_PDEATHSIG of prctl(2). Without it a server would stay behind and keep the port.
    """
    import ctypes
    import signal

    try:
        ctypes.CDLL(None).prctl(1, int(signal.SIGTERM), 0, 0, 0)
    except (OSError, AttributeError):
        return
    if os.getppid() != parent:  # it has ended before we asked
        sys.exit(1)


def _end(child: proc.ProcessStat) -> None:
    import signal

    if signals.send(child, signal.SIGTERM) and signals.wait_gone((child.pid,), GRACE):
        signals.send(child, signal.SIGKILL)
        signals.wait_gone((child.pid,), GRACE)
    spawn.reap()
