"""The app on watch: while nobody else watches, this process does."""

import os
import threading
from collections.abc import Callable
from contextlib import suppress

from tunnel_tui.errors import LockHeldError, TunnelTuiError
from tunnel_tui.settings import Settings
from tunnel_tui.ssh.log.line_class import cap_log
from tunnel_tui.supervise.monitor.monitor import Snapshot
from tunnel_tui.supervise.watch.event_log import EventLog
from tunnel_tui.supervise.watch.watcher import Begin, Watcher, watcher_state

RETRY = 3.0
"""Seconds between looks whether the watch has become free."""
LOG_LIMIT = 1024 * 1024
"""Bytes of the watcher's own log."""
OWN = "on (this app)"
"""What the header says of us."""


class BackgroundWatcher:
    """Takes the watch when it is free and keeps it until the app ends.

    Args:
        settings: where things are.
        changed: called, from a thread of ours, when we have begun to watch, or cannot.

    Attributes:
        trouble: why we cannot watch; "" where nothing keeps us from it.
    """

    def __init__(self, settings: Settings, changed: Callable[[], None]) -> None:
        self._settings = settings
        self._changed = changed
        self._watcher: Watcher | None = None
        self._latest: Snapshot | None = None
        self._lock = threading.Lock()
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name="duty", daemon=True)
        self.trouble = ""

    @property
    def on(self) -> bool:
        """True while this process watches."""
        return self._watcher is not None

    def start(self) -> None:
        """Begin to look for the chance."""
        self._thread.start()

    def stop(self) -> None:
        """Give the watch back. Touches no tunnel."""
        self._ending.set()
        with self._lock:
            watcher, self._watcher = self._watcher, None
        if watcher is not None:
            watcher.stop()

    def feed(self, snapshot: Snapshot) -> None:
        """Pass on what the app's monitor sees: one look serves both."""
        self._latest = snapshot
        watcher = self._watcher
        if watcher is not None:
            watcher.feed(snapshot)

    def _run(self) -> None:
        while not self._ending.is_set():
            if self._watcher is None and not watcher_state(self._settings).running:
                self._take()
            self._ending.wait(RETRY)

    def _take(self) -> None:
        path = os.path.join(self._settings.data_dir, "watcher.log")
        # What runs stays as it is until the file changes: somebody only opened an app.
        log = EventLog(_Journal(path))
        watcher = Watcher(self._settings, log, begin=Begin.ADOPT, kind="app", monitor=False)
        with self._lock:
            if self._ending.is_set():
                return
            try:
                watcher.start()
            except LockHeldError:
                return
            except (TunnelTuiError, OSError) as error:
                told, self.trouble = self.trouble, str(error)
                if self.trouble != told:
                    self._changed()
                return
            self._watcher, self.trouble = watcher, ""
        if self._latest is not None:
            watcher.feed(self._latest)
        self._changed()


class _Journal:
    """Appends lines to a file of bounded size; a line that cannot be written is lost."""

    def __init__(self, path: str) -> None:
        self._path = path

    def __call__(self, line: str) -> None:
        with suppress(OSError, TunnelTuiError):
            flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
            descriptor = os.open(self._path, flags, 0o600)
            try:
                os.write(descriptor, line.encode("utf-8", "replace") + b"\n")
            finally:
                os.close(descriptor)
            if os.path.getsize(self._path) > LOG_LIMIT:
                cap_log(self._path, LOG_LIMIT)
