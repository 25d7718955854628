"""One place to wait for deaths of processes, changes of files and other threads."""

import os
import selectors
import time
from collections.abc import Collection
from typing import NamedTuple

from tunnel_tui.system import inotify
from tunnel_tui.system.proc import is_alive, read_stat
from tunnel_tui.system.signals import open_pidfd
from tunnel_tui.system.wake_pipe import WakePipe

DIED, CHANGED, WOKEN = "died", "changed", "woken"
POLL_INTERVAL = 1.0
"""Seconds between looks at what the kernel does not report by itself."""

_REMEMBERED_DEATHS = 4096
_SPARE_DESCRIPTORS = 256


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

    __slots__ = ("identity", "listing", "names", "path", "watch")

    def __init__(self, path: str, names: frozenset[str] | None) -> None:
        self.path = path
        self.names = names
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
        self._most_pidfds = _pidfd_budget()
        self._polled: dict[int, int] = {}  # pid → start_ticks
        self._dead: dict[int, None] = {}  # announced; the oldest first
        self._directories: dict[str, _Directory] = {}
        self._watches: dict[int, list[_Directory]] = {}
        self._pending: dict[Event, None] = {}
        self._next_look = 0.0
        self._woken = WakePipe()
        self._selector.register(self._woken.reader, selectors.EVENT_READ, self._drain_wake)
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
        if not is_alive(pid):
            if pid not in self._dead:
                self._announce(pid)
            return
        self._dead.pop(pid, None)
        if not self._open(pid):
            stat = read_stat(pid)
            self._polled[pid] = stat.start_ticks if stat else 0

    def unwatch_process(self, pid: int) -> None:
        """Forget a process; nothing happens when it was not watched."""
        self._close_pidfd(pid)
        self._polled.pop(pid, None)
        self._dead.pop(pid, None)
        self._pending.pop(Event(DIED, pid), None)

    def watch_directory(self, path: str, names: Collection[str] | None = None) -> None:
        """Report changes of a directory's entries, also when it comes, goes and comes again.

        Args:
            path: a directory that need not exist yet.
            names: entries that matter, for a busy directory such as /tmp; None: all. Watching
                the same directory again adds to them.
        """
        directory = self._directories.get(path)
        if directory is None:
            directory = self._directories[path] = _Directory(path, frozenset(names or ()))
            self._arm(directory)
        if names is None:
            directory.names = None
        elif directory.names is not None:
            directory.names |= frozenset(names)

    def wake(self) -> None:
        """End a wait now; from any thread or signal handler."""
        self._woken.wake()

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
        if self._woken.reader >= 0:
            self._selector.close()
            self._woken.close()

    def _open(self, pid: int) -> bool:
        descriptor = open_pidfd(pid) if len(self._pidfds) < self._most_pidfds else None
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
        self._announce(pid)

    def _announce(self, pid: int) -> None:
        self._pending[Event(DIED, pid)] = None
        self._dead.pop(pid, None)
        self._dead[pid] = None
        while len(self._dead) > _REMEMBERED_DEATHS:
            del self._dead[next(iter(self._dead))]

    def _drain_wake(self) -> None:
        self._woken.drain()
        self._pending[Event(WOKEN)] = None

    def _read_inotify(self) -> None:
        if self._inotify is None:
            return
        for notice in self._inotify.read():
            if notice.overflow:
                for path in self._directories:
                    self._changed(path)
                continue
            for directory in tuple(self._watches.get(notice.watch, ())):
                if notice.gone and not notice.name:
                    self._disarm(directory)
                    self._arm(directory)
                    self._changed(directory.path)
                elif notice.name:
                    self._entry_changed(directory, notice.name)

    def _entry_changed(self, directory: _Directory, name: str) -> None:
        if directory.names is None or name in directory.names:
            self._changed(os.path.join(directory.path, name))

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
                # the same directory under two names has one watch
                self._watches.setdefault(directory.watch, []).append(directory)
                return
        directory.listing = inotify.listing(directory.path)

    def _disarm(self, directory: _Directory) -> None:
        sharing = self._watches.get(directory.watch, [])
        if directory in sharing:
            sharing.remove(directory)
            if not sharing:
                del self._watches[directory.watch]
                if self._inotify is not None:
                    self._inotify.remove(directory.watch)
        directory.watch, directory.identity, directory.listing = -1, None, None

    def _must_look(self) -> bool:
        return bool(self._polled) or any(d.watch < 0 for d in self._directories.values())

    def _look(self) -> None:
        for pid, ticks in tuple(self._polled.items()):
            if _has_ended(pid, ticks):
                del self._polled[pid]
                self._announce(pid)
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
                self._entry_changed(directory, name)


def _has_ended(pid: int, start_ticks: int) -> bool:
    stat = read_stat(pid)
    if stat is None:  # gone, or hidden from us
        return not is_alive(pid)
    return not stat.alive or (start_ticks != 0 and stat.start_ticks != start_ticks)


def _pidfd_budget() -> int:
    """Leave descriptors for everybody else: a shell often allows 1,024 in all."""
    import resource

    soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return 1 << 20 if soft == resource.RLIM_INFINITY else max(soft // 8, soft - _SPARE_DESCRIPTORS)


def _identity(path: str) -> tuple[int, int] | None:
    try:
        found = os.stat(path)
    except (OSError, ValueError):
        return None
    return found.st_dev, found.st_ino
