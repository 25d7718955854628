"""One place to wait for deaths of processes, changes of files and other threads."""

import os
import selectors
import time
from typing import NamedTuple

from tunnel_tui.system import inotify
from tunnel_tui.system.proc import read_stat
from tunnel_tui.system.signals import open_pidfd

DIED, CHANGED, WOKEN = "died", "changed", "woken"
POLL_INTERVAL = 1.0
"""Seconds between looks at what the kernel does not report by itself."""

_REMEMBERED_DEATHS = 4096


class Event(NamedTuple):
    """What happened: "died" with a pid, "changed" with a path, or "woken".

    The path is an entry of a watched directory, or the directory itself where it appeared,
    vanished, or where more happened than the kernel could note.
    """

    kind: str
    pid: int = 0
    path: str = ""


class _Directory:
    """A directory that is watched: by inotify, by listings, or waited for."""

    __slots__ = ("identity", "listing", "path", "watch")

    def __init__(self, path: str) -> None:
        self.path = path
        self.watch = -1
        self.identity: tuple[int, int] | None = None
        self.listing: inotify.Listing | None = None


class Events:
    """Waits for pidfds, inotify and a wake-up pipe; looks for itself where these are missing.

    One thread watches and waits; `wake` may be called from any thread or signal handler.
    """

    def __init__(self) -> None:
        self._selector = selectors.DefaultSelector()
        self._pidfds: dict[int, int] = {}
        self._polled: dict[int, int] = {}  # pid → start_ticks
        self._dead: dict[int, int] = {}  # announced and perhaps not buried yet
        self._directories: dict[str, _Directory] = {}
        self._watches: dict[int, _Directory] = {}
        self._pending: dict[Event, None] = {}
        self._next_look = 0.0
        self._wake_reader, self._wake_writer = os.pipe()
        for descriptor in (self._wake_reader, self._wake_writer):
            os.set_blocking(descriptor, False)
        self._selector.register(self._wake_reader, selectors.EVENT_READ, self._drain_wake)
        self._inotify: inotify.Inotify | None = None
        try:
            self._inotify = inotify.Inotify()
        except OSError:
            return
        self._selector.register(self._inotify.descriptor, selectors.EVENT_READ, self._read_inotify)

    def watch_process(self, pid: int) -> None:
        """Report the death of a process, once; one that is dead already is reported too.

        Watching it again changes nothing. Pids up to 1 are ignored.
        """
        if pid <= 1 or pid in self._pidfds or pid in self._polled:
            return
        stat = read_stat(pid)
        if self._dead.get(pid) == (stat.start_ticks if stat else -1):
            return
        if stat is None or not stat.alive:
            self._announce(pid, stat.start_ticks if stat else -1)
            return
        if not self._open(pid):
            self._polled[pid] = stat.start_ticks

    def unwatch_process(self, pid: int) -> None:
        """Forget a process; nothing happens when it was not watched."""
        self._close_pidfd(pid)
        self._polled.pop(pid, None)
        self._dead.pop(pid, None)
        self._pending.pop(Event(DIED, pid), None)

    def watch_directory(self, path: str) -> None:
        """Report changes of a directory's entries, also when it comes, goes and comes again."""
        if path not in self._directories:
            directory = self._directories[path] = _Directory(path)
            self._arm(directory)

    def wake(self) -> None:
        """End a wait now; from any thread or signal handler."""
        try:
            os.write(self._wake_writer, b"\0")
        except OSError:  # full: it will wake anyway; closed: nobody waits
            pass

    def wait(self, timeout: float) -> list[Event]:
        """Wait until something happens, for at most `timeout` seconds.

        Returns:
            What happened, everything once; empty when nothing did.
        """
        deadline = time.monotonic() + timeout
        while True:
            now = time.monotonic()
            if now >= self._next_look:
                self._look()
                self._next_look = now + POLL_INTERVAL
            until = min(deadline, self._next_look) if self._must_look() else deadline
            pause = 0.0 if self._pending else max(0.0, until - now)
            for key, _ in self._selector.select(pause):
                key.data()
            if self._pending or time.monotonic() >= deadline:
                events, self._pending = list(self._pending), {}
                return events

    def close(self) -> None:
        """Give all descriptors back; a second time does nothing."""
        for pid in tuple(self._pidfds):
            self._close_pidfd(pid)
        self._polled.clear()
        self._directories.clear()
        self._watches.clear()
        if self._inotify is not None:
            self._inotify.close()
            self._inotify = None
        reader, writer = self._wake_reader, self._wake_writer
        self._wake_reader = self._wake_writer = -1
        if reader >= 0:
            self._selector.close()
            os.close(reader)
            os.close(writer)

    def _open(self, pid: int) -> bool:
        descriptor = open_pidfd(pid)
        if descriptor is None:
            return False
        try:
            self._selector.register(descriptor, selectors.EVENT_READ, lambda: self._died(pid))
        except OSError:  # fs.epoll.max_user_watches
            os.close(descriptor)
            return False
        self._pidfds[pid] = descriptor
        return True

    def _close_pidfd(self, pid: int) -> None:
        descriptor = self._pidfds.pop(pid, None)
        if descriptor is not None:
            self._selector.unregister(descriptor)
            os.close(descriptor)

    def _died(self, pid: int) -> None:
        self._close_pidfd(pid)
        stat = read_stat(pid)
        self._announce(pid, stat.start_ticks if stat and not stat.alive else -1)

    def _announce(self, pid: int, start_ticks: int) -> None:
        self._pending[Event(DIED, pid)] = None
        self._dead.pop(pid, None)
        self._dead[pid] = start_ticks
        while len(self._dead) > _REMEMBERED_DEATHS:
            del self._dead[next(iter(self._dead))]

    def _drain_wake(self) -> None:
        try:
            os.read(self._wake_reader, 4096)
        except OSError:
            return
        self._pending[Event(WOKEN)] = None

    def _read_inotify(self) -> None:
        if self._inotify is None:
            return
        for notice in self._inotify.read():
            if notice.overflow:
                for path in self._directories:
                    self._changed(path)
                continue
            directory = self._watches.get(notice.watch)
            if directory is None:
                continue
            if notice.gone and not notice.name:
                self._disarm(directory)
                self._arm(directory)
                self._changed(directory.path)
            elif notice.name:
                self._changed(os.path.join(directory.path, notice.name))

    def _changed(self, path: str) -> None:
        self._pending[Event(CHANGED, 0, path)] = None

    def _arm(self, directory: _Directory) -> None:
        directory.identity = _identity(directory.path)
        if directory.identity is None:
            return
        if self._inotify is not None:
            try:
                directory.watch = self._inotify.add(directory.path)
            except OSError:  # no watch left: compare listings
                pass
            else:
                self._watches[directory.watch] = directory
                return
        directory.listing = inotify.listing(directory.path)

    def _disarm(self, directory: _Directory) -> None:
        self._watches.pop(directory.watch, None)
        if self._inotify is not None and directory.watch >= 0:
            self._inotify.remove(directory.watch)
        directory.watch, directory.identity, directory.listing = -1, None, None

    def _must_look(self) -> bool:
        return bool(self._polled) or any(d.watch < 0 for d in self._directories.values())

    def _look(self) -> None:
        for pid, ticks in tuple(self._polled.items()):
            stat = read_stat(pid)
            if stat is None or not stat.alive or stat.start_ticks != ticks:
                del self._polled[pid]
                self._announce(pid, ticks if stat and stat.start_ticks == ticks else -1)
            elif self._open(pid):
                del self._polled[pid]
        for directory in self._directories.values():
            self._look_at(directory)

    def _look_at(self, directory: _Directory) -> None:
        if _identity(directory.path) != directory.identity:
            self._disarm(directory)
            self._arm(directory)
            self._changed(directory.path)
        elif directory.listing is not None:
            before, after = directory.listing, inotify.listing(directory.path) or {}
            directory.listing = after
            for name in inotify.changed_names(before, after):
                self._changed(os.path.join(directory.path, name))


def _identity(path: str) -> tuple[int, int] | None:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_dev, found.st_ino
