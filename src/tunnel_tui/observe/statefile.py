"""The shared state file: who runs which tunnel, written by everybody, trusted by nobody.

The file lives in a sticky `/tmp` and several users write it. Therefore nobody renames over it and
nobody opens it with O_CREAT (`fs.protected_regular` refuses that even to root): it is opened as it
is, locked, compared with its path, read, and written over in place.
"""

import errno
import fcntl
import os
import stat as stat_bits
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

from tunnel_tui.errors import FileRefusedError, LockHeldError, StateFileError
from tunnel_tui.model import TunnelEntry
from tunnel_tui.observe.statebytes import (
    lock_whole,
    open_state,
    read_all,
    refused,
    write_over,
)
from tunnel_tui.observe.stateline import format_line, parse_line, parse_text
from tunnel_tui.system.files import current

if TYPE_CHECKING:
    from tunnel_tui.system.locks import RangeLock

READ_LOCK_TIMEOUT = 1.0
"""Seconds a reader waits for writers before it reads without the lock."""
WRITE_LOCK_TIMEOUT = 10.0
"""Seconds a writer waits before it gives up."""
_HASH_LOCKS = 1 << 32
_SLOT_LOCKS = 1 << 62


class StateRead(NamedTuple):
    """What the state file says.

    Attributes:
        entries: one per hash, in file order; where a hash is there twice, the last line.
        malformed: lines that cannot be acted on: wrong columns, pid below 2, binary rubbish.
        duplicates: the earlier lines of hashes that are there twice.
        exists: False where there is no file.
        problem: why the file could not be read ("" if it could): a symlink, a directory, no right.
    """

    entries: tuple[TunnelEntry, ...] = ()
    malformed: tuple[str, ...] = ()
    duplicates: tuple[TunnelEntry, ...] = ()
    exists: bool = False
    problem: str = ""


class StateFile:
    """The protocol of the shared file. Instances are cheap and hold no file open."""

    def __init__(self, path: str) -> None:
        self.path = path
        self._last: tuple[bytes, StateRead] = (b"", StateRead(exists=True))

    def read(self) -> StateRead:
        """Read under a shared lock. Never raises: what is wrong is in the answer.

        A reader that does not get the lock within READ_LOCK_TIMEOUT reads all the same: anybody
        may hold the lock of a file that everybody may open.
        """
        try:
            data = self._read_bytes()
        except FileNotFoundError:
            return StateRead()
        except OSError as error:
            return StateRead(exists=True, problem=f"{self.path}: {error.strerror or error}")
        except FileRefusedError as error:
            return StateRead(exists=True, problem=str(error))
        return self._parsed(data)

    def _parsed(self, data: bytes) -> StateRead:
        if data == self._last[0]:
            return self._last[1]
        entries, malformed = parse_text(data.decode("utf-8", "surrogateescape"))
        # By place: equal lines are one and the same entry.
        last = {entry.hash: place for place, entry in enumerate(entries)}
        kept: list[TunnelEntry] = []
        duplicates: list[TunnelEntry] = []
        for place, entry in enumerate(entries):
            (kept if last[entry.hash] == place else duplicates).append(entry)
        found = StateRead(tuple(kept), tuple(malformed), tuple(duplicates), exists=True)
        self._last = (data, found)
        return found

    def entries_of(self, tunnel_hash: str) -> tuple[TunnelEntry, ...]:
        """Return what `read` says of one tunnel; where it is not in the file, without parsing."""
        try:
            data = self._read_bytes()
        except (OSError, FileRefusedError):
            return ()
        known = tunnel_hash.encode("utf-8", "surrogateescape") in data
        entries = self._parsed(data).entries if known else ()
        return tuple(entry for entry in entries if entry.hash == tunnel_hash)

    def update(
        self,
        change: Callable[[list[TunnelEntry]], list[TunnelEntry]],
        *,
        keep_malformed: bool = True,
    ) -> list[TunnelEntry]:
        """Change the entries under the exclusive lock and return what is in the file now.

        Args:
            change: gets all entries (duplicates included), returns all that shall be there.
            keep_malformed: False drops lines that are no entries (`cleanup` does).

        Raises:
            FileRefusedError: the path is a symlink or no regular file.
            StateFileError: the lock is held too long, or the file cannot be written; the old
                content is still there.
        """
        with self._locked() as fd:
            old = read_all(fd)
            entries, malformed = parse_text(old.decode("utf-8", "surrogateescape"))
            wanted = list(change(list(entries)))
            lines = [format_line(entry) for entry in wanted]
            if keep_malformed:
                lines += malformed
            text = "".join(f"{line}\n" for line in lines)
            new = text.encode("utf-8", "surrogateescape")
            if new != old:
                write_over(fd, old, new, self.path)
            return wanted

    def put(self, entry: TunnelEntry) -> None:
        """Register `entry` in place of every entry of the same hash.

        Raises:
            StateFileError: see `update`. ValueError: the entry could not be read back.
        """
        line = format_line(entry)
        if parse_line(line) != entry:
            raise ValueError(f"not an entry for the state file: {entry!r}")
        if self._append(entry.hash, f"{line}\n"):
            return

        def change(entries: list[TunnelEntry]) -> list[TunnelEntry]:
            return [other for other in entries if other.hash != entry.hash] + [entry]

        self.update(change)

    def _append(self, tunnel_hash: str, line: str) -> bool:
        """Add a line where nothing has to make room for it; False: `update` has to do it."""
        with self._locked() as fd:
            old = read_all(fd)
            if tunnel_hash.encode("ascii") in old or not (old.endswith(b"\n") or not old):
                return False
            new = line.encode("utf-8", "surrogateescape")
            write_over(fd, old, old + new, self.path, len(old))
            return True

    def remove(self, tunnel_hash: str, pid: int | None = None) -> bool:
        """Remove the entries of a hash (only those of `pid`, if given); False: there were none."""
        removed = False

        def change(entries: list[TunnelEntry]) -> list[TunnelEntry]:
            nonlocal removed
            kept = [
                entry
                for entry in entries
                if entry.hash != tunnel_hash or (pid is not None and entry.pid != pid)
            ]
            removed = len(kept) < len(entries)
            return kept

        if not self.read().exists:
            return False
        self.update(change)
        return removed

    def clear(self) -> None:
        """Empty the file, creating it (mode 666) where there is none."""
        self.update(lambda _: [], keep_malformed=False)

    @contextmanager
    def opened(self) -> Iterator["StateFile"]:
        """Keep the file open for many locks of one thread, one after the other.

        Raises:
            FileRefusedError, StateFileError: see `update`.
        """
        fd = open_state(self.path)
        try:
            yield _OpenStateFile(self.path, fd)
        finally:
            os.close(fd)

    @contextmanager
    def lock_tunnel(self, tunnel_hash: str, timeout: float) -> Iterator["StateFile"]:
        """Hold the start/stop lock of one tunnel: one at a time, across processes and threads.

        Yields:
            The same file, cheaper to use in this thread while the lock is held; it must not
            lock the same tunnel again (the descriptor has that lock, and would lose it).

        Raises:
            LockHeldError: somebody else held it for `timeout` seconds.
            FileRefusedError, StateFileError: see `update`.
        """
        holder = "another start or stop of this tunnel"
        with self._range((_tunnel_lock(tunnel_hash),), timeout, holder) as fd:
            yield _OpenStateFile(self.path, fd)

    @contextmanager
    def lock_slot(self, limit: int, timeout: float) -> Iterator[None]:
        """Hold one of `limit` start slots, counted across processes and threads.

        Raises:
            LockHeldError: no slot became free within `timeout` seconds.
            FileRefusedError, StateFileError: see `update`.
        """
        slots = [_SLOT_LOCKS + number for number in range(max(1, limit))]
        with self._range(slots, timeout, f"{limit} other starts"):
            yield

    @contextmanager
    def _range(self, offsets: Iterable[int], timeout: float, holder: str) -> Iterator[int]:
        deadline = time.monotonic() + timeout
        pause = 0.005
        while True:
            # A descriptor of its own: the lock belongs to the open file, so threads exclude
            # each other too.
            fd = open_state(self.path)
            lock = None
            try:
                lock = _first_free(fd, offsets)
                if lock is not None and current(fd, self.path):
                    yield fd
                    return
            finally:
                if lock is not None:
                    lock.release()
                os.close(fd)
            if time.monotonic() >= deadline:
                raise LockHeldError("The tunnel is busy", f"waited {timeout:g} s for {holder}")
            time.sleep(pause)
            pause = min(pause * 1.5, 0.05)

    def _read_bytes(self) -> bytes:
        while True:
            # Not O_RDWR: the scripts leave the file behind with mode 644.
            flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
            try:
                fd = os.open(self.path, flags)
            except OSError as error:
                if error.errno == errno.ELOOP:
                    raise refused(self.path, "it is a symbolic link") from None
                raise
            try:
                if not stat_bits.S_ISREG(os.fstat(fd).st_mode):
                    raise refused(self.path, "it is not a regular file")
                locked = lock_whole(fd, fcntl.LOCK_SH, READ_LOCK_TIMEOUT)
                if current(fd, self.path) or not locked:
                    return read_all(fd)
            finally:
                os.close(fd)

    @contextmanager
    def _locked(self) -> Iterator[int]:
        deadline = time.monotonic() + WRITE_LOCK_TIMEOUT
        while True:
            fd = open_state(self.path)
            try:
                if not lock_whole(fd, fcntl.LOCK_EX, deadline - time.monotonic()):
                    raise StateFileError(
                        "The state file is locked",
                        f"{self.path} has been held for {WRITE_LOCK_TIMEOUT:g} s",
                        f"see who holds it: fuser -v {self.path}",
                    )
                if current(fd, self.path):
                    yield fd
                    return
            finally:
                os.close(fd)


class _OpenStateFile(StateFile):
    """The same through a descriptor that somebody holds open, as long as it is the same file.

    flock(2) and the range locks of fcntl(2) know nothing of each other.
    """

    def __init__(self, path: str, fd: int) -> None:
        super().__init__(path)
        self._fd = fd

    @contextmanager
    def lock_tunnel(self, tunnel_hash: str, timeout: float) -> Iterator[StateFile]:
        lock = _first_free(self._fd, (_tunnel_lock(tunnel_hash),))
        try:
            if lock is not None and current(self._fd, self.path):
                yield self
                return
        finally:
            if lock is not None:
                lock.release()
        # Somebody else's for the moment, or another file by now.
        with super().lock_tunnel(tunnel_hash, timeout) as state:
            yield state

    def _read_bytes(self) -> bytes:
        locked = lock_whole(self._fd, fcntl.LOCK_SH, READ_LOCK_TIMEOUT)
        try:
            if current(self._fd, self.path):
                return read_all(self._fd)
        finally:
            if locked:
                fcntl.flock(self._fd, fcntl.LOCK_UN)
        return super()._read_bytes()

    @contextmanager
    def _locked(self) -> Iterator[int]:
        if lock_whole(self._fd, fcntl.LOCK_EX, WRITE_LOCK_TIMEOUT):
            try:
                if current(self._fd, self.path):
                    yield self._fd
                    return
            finally:
                fcntl.flock(self._fd, fcntl.LOCK_UN)
        with super()._locked() as fd:
            yield fd


def _tunnel_lock(tunnel_hash: str) -> int:
    """Say which byte stands for a tunnel."""
    try:
        return _HASH_LOCKS + int(tunnel_hash[:15], 16)
    except ValueError:
        return _HASH_LOCKS + int.from_bytes(tunnel_hash.encode("utf-8", "replace")[:7], "big")


def _first_free(fd: int, offsets: Iterable[int]) -> "RangeLock | None":
    from tunnel_tui.system.locks import RangeLock  # of no use to those who only read

    for offset in offsets:
        lock = RangeLock(fd, offset)
        if lock.acquire(blocking=False):
            return lock
    return None
