"""One watcher at a time: a held lock, not a pid file, says that somebody watches."""

import os
from typing import NamedTuple

from tunnel_tui.errors import LockHeldError
from tunnel_tui.settings import Settings
from tunnel_tui.system import files
from tunnel_tui.system.locks import FileLock, lock_holder

LOCK_NAME = "watcher.lock"


class WatcherState(NamedTuple):
    """Who watches.

    Attributes:
        pid: None where nobody does, or where it cannot be seen from here.
        description: for people: `daemon (pid 12)`; "" where nobody watches.
    """

    running: bool
    pid: int | None
    description: str


def watcher_state(settings: Settings) -> WatcherState:
    """Say who watches, without touching the lock."""
    pid = lock_holder(_path(settings))
    if pid is None:
        return WatcherState(False, None, "")
    written, kind = _read(settings)
    if pid == 0:
        return WatcherState(True, None, f"{kind or 'a process'} of another user or container")
    name = kind if written == pid and kind else "a process"
    return WatcherState(True, pid, f"{name} (pid {pid})")


class WatcherLock:
    """The right to watch; `kind` says who holds it: "daemon" or "app"."""

    def __init__(self, settings: Settings, kind: str) -> None:
        self._settings = settings
        self._kind = kind
        self._lock = FileLock(_path(settings))

    def take(self) -> None:
        """Take it now.

        Raises:
            LockHeldError: somebody watches already; the detail says who.
            FileRefusedError, OSError: the data directory cannot be used.
        """
        files.make_directory(self._settings.data_dir, 0o700)
        try:
            self._lock.try_lock()
        except LockHeldError:
            who = watcher_state(self._settings).description or "another process"
            raise LockHeldError(
                "a watcher is running already", who, "one is enough; stop that one first"
            ) from None
        try:
            self._lock.note(f"{os.getpid()} {self._kind}\n")
        except OSError:
            pass  # the lock itself says who holds it

    def release(self) -> None:
        """Give it up; nothing happens without it."""
        self._lock.release()


def _path(settings: Settings) -> str:
    return os.path.join(settings.data_dir, LOCK_NAME)


def _read(settings: Settings) -> tuple[int, str]:
    try:
        with open(_path(settings), encoding="utf-8", errors="replace") as file:
            first, _, kind = file.read(100).strip().partition(" ")
    except OSError:
        return 0, ""
    return (int(first) if first.isdecimal() else 0), (kind if kind.isalpha() else "")
