"""The shared state file: who runs which tunnel, written by everybody, trusted by nobody.

The file lives in a sticky `/tmp` and several users write it. Therefore nobody renames over it and
nobody opens it with O_CREAT (`fs.protected_regular` refuses that even to root): it is opened as it
is, locked, compared with its path, read, and written over in place.

Whoever may open it may hold its lock. So what keeps our own programs apart is a lock of our own,
in a private directory; the file's lock is taken too, where that takes but a moment.
"""

import fcntl
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

from tunnel_tui.errors import FileRefusedError, LockHeldError, StateFileError
from tunnel_tui.model import TunnelEntry
from tunnel_tui.state.io import (
    MAX_LINES,
    NO_ROOM,
    Content,
    lock_shared,
    lock_whole,
    no_lock,
    open_state,
    open_to_read,
    read_all,
    refused,
    write_over,
)
from tunnel_tui.state.line import format_line, parse_line, parse_text
from tunnel_tui.system.files import SAFE, current, open_private
from tunnel_tui.system.proc import strange_owner

if TYPE_CHECKING:
    from tunnel_tui.settings import Settings

READ_LOCK_TIMEOUT = 1.0
"""Seconds a reader waits for our own writers before it reads all the same."""
WRITE_LOCK_TIMEOUT = 10.0
"""Seconds a writer waits for another of our own before it gives up."""
SLOT = "slot-"
"""What the locks of start slots begin with."""
_TRIES = 20


class StateRead(NamedTuple):
    """What the state file says.

    Attributes:
        entries: one per hash, in file order; where a hash is there twice, the last line.
        malformed: lines that cannot be acted on: wrong columns, pid below 2, binary rubbish.
        duplicates: the earlier lines of hashes that are there twice.
        exists: False where there is no file.
        problem: why the file could not be read ("" if it could): a symlink, a directory, no right;
            or that not all of it was.
        complete: False where the file is too long, and only its two ends were read.
    """

    entries: tuple[TunnelEntry, ...] = ()
    malformed: tuple[str, ...] = ()
    duplicates: tuple[TunnelEntry, ...] = ()
    exists: bool = False
    problem: str = ""
    complete: bool = True


class StateFile:
    """The protocol of the shared file. Instances are cheap and hold no file open.

    Args:
        path: the file.
        lock_dir: a private directory for the locks of our own; "": only to read.
    """

    def __init__(self, path: str, lock_dir: str = "") -> None:
        self.path = path
        self.lock_dir = lock_dir
        self._last: tuple[Content, StateRead] = (Content(b""), StateRead(exists=True))

    @classmethod
    def of(cls, settings: "Settings") -> "StateFile":
        """Return the state file of these settings, with its locks."""
        return cls(settings.state_file, settings.lock_dir)

    def read(self) -> StateRead:
        """Read it. Never raises: what is wrong is in the answer.

        Who holds a lock is not waited for longer than READ_LOCK_TIMEOUT.
        """
        try:
            content = self._read_bytes()
        except FileNotFoundError:
            return StateRead()
        except OSError as error:
            return StateRead(exists=True, problem=f"{self.path}: {error.strerror or error}")
        except FileRefusedError as error:
            return StateRead(exists=True, problem=str(error))
        return self._parsed(content)

    def _parsed(self, content: Content) -> StateRead:
        if content == self._last[0]:
            return self._last[1]
        entries, malformed = parse_text(content.text)
        # By place: equal lines are one and the same entry.
        last = {entry.hash: place for place, entry in enumerate(entries)}
        kept: list[TunnelEntry] = []
        duplicates: list[TunnelEntry] = []
        for place, entry in enumerate(entries):
            (kept if last[entry.hash] == place else duplicates).append(entry)
        problem = "" if content.complete else _limits(self.path)
        found = StateRead(
            tuple(kept), tuple(malformed), tuple(duplicates), True, problem, content.complete
        )
        self._last = (content, found)
        return found

    def entries_of(self, tunnel_hash: str) -> tuple[TunnelEntry, ...]:
        """Return what `read` says of one tunnel; where it is not in the file, without parsing."""
        try:
            content = self._read_bytes()
        except (OSError, FileRefusedError):
            return ()
        known = tunnel_hash.encode("utf-8", "surrogateescape") in content.data
        entries = self._parsed(content).entries if known else ()
        return tuple(entry for entry in entries if entry.hash == tunnel_hash)

    def update(
        self,
        change: Callable[[list[TunnelEntry]], list[TunnelEntry]],
        *,
        keep_malformed: bool = True,
    ) -> list[TunnelEntry]:
        """Change the entries under the exclusive lock and return what is in the file now.

        Of a file that is too long (`read_all`) the rest goes, with all lines that are no entries.

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
            entries, malformed = parse_text(old.text)
            wanted = list(change(list(entries)))
            lines = [format_line(entry) for entry in wanted]
            if keep_malformed and old.complete:
                lines += malformed
            text = "".join(f"{line}\n" for line in lines)
            new = text.encode("utf-8", "surrogateescape")
            if new != old.data or not old.complete:
                write_over(fd, old.data, new, self.path)
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
            old, complete = read_all(fd)
            known = tunnel_hash.encode("ascii") in old
            if known or not complete or not (old.endswith(b"\n") or not old):
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
    def lock_tunnel(self, tunnel_hash: str, timeout: float) -> Iterator["StateFile"]:
        """Hold the start/stop lock of one tunnel: one at a time, across processes and threads.

        Raises:
            LockHeldError: somebody else held it for `timeout` seconds.
            FileRefusedError, StateFileError: the lock cannot be made, or the file not be written.
        """
        self._check()
        with self._lock([tunnel_hash], timeout, "another start or stop of this tunnel"):
            yield self

    def _check(self) -> None:
        """See that the file can be written: who starts or stops must hear of it before.

        A stranger who took its place must not keep anybody from stopping a tunnel.
        """
        try:
            os.close(open_state(self.path))
        except (FileRefusedError, StateFileError):
            if not strange_owner(self.path):
                raise

    @contextmanager
    def lock_slot(self, limit: int, timeout: float) -> Iterator[None]:
        """Hold one of `limit` start slots, counted across processes and threads.

        Raises:
            LockHeldError: no slot became free within `timeout` seconds.
            FileRefusedError, StateFileError: the lock cannot be made.
        """
        slots = [f"{SLOT}{number}" for number in range(max(1, limit))]
        with self._lock(slots, timeout, f"{limit} other starts"):
            yield

    @contextmanager
    def _lock(self, names: Sequence[str], timeout: float, holder: str) -> Iterator[None]:
        from tunnel_tui.system.locks import Locks  # of no use to those who only read

        if not self.lock_dir:
            raise ValueError(f"{self.path}: no place for locks was given")
        try:
            lock = Locks(self.lock_dir).take(names, timeout)
        except OSError as error:
            if error.errno not in NO_ROOM:
                raise no_lock(self.lock_dir, error) from error
            yield  # nothing can be started either, and a stop must go on
            return
        if lock is None:
            raise LockHeldError("The tunnel is busy", f"waited {timeout:g} s for {holder}")
        try:
            yield
        finally:
            lock.release()

    def _read_bytes(self) -> Content:
        with self._our_turn(fcntl.LOCK_SH, READ_LOCK_TIMEOUT):
            for last in (False,) * _TRIES + (True,):
                fd = open_to_read(self.path)
                try:
                    lock_shared(fd, fcntl.LOCK_SH, self.path)
                    if last or current(fd, self.path):
                        return read_all(fd)
                finally:
                    os.close(fd)
        raise AssertionError("unreachable")

    @contextmanager
    def _locked(self) -> Iterator[int]:
        with self._our_turn(fcntl.LOCK_EX, WRITE_LOCK_TIMEOUT) as ours:
            if not ours:
                raise StateFileError(
                    "The state file is locked",
                    f"a program of yours has held {self._turn} for {WRITE_LOCK_TIMEOUT:g} s",
                    f"see who holds it: fuser -v {self._turn}",
                )
            for _ in range(_TRIES):
                fd = open_state(self.path)
                try:
                    lock_shared(fd, fcntl.LOCK_EX, self.path)
                    if current(fd, self.path):
                        yield fd
                        return
                finally:
                    os.close(fd)
            raise refused(self.path, "somebody replaces it again and again")

    @contextmanager
    def _our_turn(self, kind: int, timeout: float) -> Iterator[bool]:
        """Wait until none of our own programs is in the way; False: one still is."""
        fd = self._open_turn(kind)
        if fd is None:
            yield True
            return
        try:
            yield lock_whole(fd, kind, timeout)
        finally:
            os.close(fd)

    @property
    def _turn(self) -> str:
        return os.path.join(self.lock_dir, "state")

    def _open_turn(self, kind: int) -> int | None:
        """Open the file of our own lock around changes; None: there is none to be had."""
        if not self.lock_dir:
            return None
        if kind == fcntl.LOCK_SH:
            try:
                fd = os.open(self._turn, os.O_RDONLY | SAFE)
            except OSError:  # nobody has written yet
                return None
            if os.fstat(fd).st_uid == os.geteuid():
                return fd
            os.close(fd)  # the HOME is somebody else's, who may hold the lock for ever
            return None
        from tunnel_tui.system.locks import Locks

        try:
            Locks(self.lock_dir).make()
            return open_private(self._turn)
        except OSError as error:
            if error.errno not in NO_ROOM:
                raise no_lock(self.lock_dir, error) from error
            return None


def _limits(path: str) -> str:
    return (
        f"{path} is too long for what it is for: only its first and its last"
        f" {MAX_LINES // 2:,} lines are read"
    )
