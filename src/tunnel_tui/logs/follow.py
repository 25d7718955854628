"""Following a log for a reader: what is new since the last look, whatever became of the file."""

import os
from typing import NamedTuple

from tunnel_tui.logs.sanitise import decode
from tunnel_tui.logs.tail import lines_before, open_for_reading

_STEP = 256 * 1024
"""Bytes that one poll reads at most."""
_BACKLOG = 4 * 1024 * 1024
"""Bytes that a follower may lie behind before it jumps to the end."""
_PARTIAL = 64 * 1024
"""Bytes of an unfinished line that are kept."""
_PROBE = 64
"""Bytes before the position that are compared to notice a file written anew."""


class LogUpdate(NamedTuple):
    """What a poll found.

    Attributes:
        reset: True where the file is another one (truncated, deleted, made anew): what was
            shown before is no longer in it.
        lines: new lines, sanitised.
        more: True where there is more to read at once.
    """

    reset: bool
    lines: list[str]
    more: bool = False


class LogFollower:
    """A reader's place in one log.

    Survives truncation, rotation, deletion and re-creation; memory and work of a poll are
    bounded whatever is written.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self._fd: int | None = None
        self._identity = (0, 0)
        self._offset = 0
        self._probe = b""
        self._partial = b""
        self._dropped = 0
        self._idle = False

    def open(self, lines: int) -> list[str]:
        """Begin at the end and return the last `lines` lines."""
        self.close()
        if not self._attach():
            return []
        assert self._fd is not None
        end = os.fstat(self._fd).st_size
        found = lines_before(self._fd, end, lines)
        self._set_offset(end)
        return found

    def poll(self) -> LogUpdate:
        """Return what came since the last poll. Never raises for what happens to the file."""
        try:
            return self._poll()
        except OSError:
            self.close()
            return LogUpdate(False, [])

    def close(self) -> None:
        """Let go of the file; a later poll takes it up again from its start."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None
        self._set_offset(0)
        self._partial = b""
        self._dropped = 0

    def _poll(self) -> LogUpdate:
        reset = False
        if self._fd is None:
            if not self._attach():
                return LogUpdate(False, [])
            reset = True
        elif self._replaced():
            rest = self._read_new()
            if rest.lines or rest.more:
                return rest  # the old file first, to its end
            self.close()
            if not self._attach():
                return LogUpdate(True, [])
            reset = True
        elif self._rewritten():
            self._partial, self._dropped = b"", 0
            self._set_offset(0)
            reset = True
        update = self._read_new()
        return update._replace(reset=reset)

    def _attach(self) -> bool:
        self._fd = open_for_reading(self.path)
        if self._fd is None:
            return False
        status = os.fstat(self._fd)
        self._identity = (status.st_dev, status.st_ino)
        return True

    def _replaced(self) -> bool:
        try:
            status = os.lstat(self.path)
        except OSError:
            return True
        return (status.st_dev, status.st_ino) != self._identity

    def _rewritten(self) -> bool:
        assert self._fd is not None
        if os.fstat(self._fd).st_size < self._offset:
            return True
        # Truncated and grown past our place between two polls: the bytes before it differ.
        start = self._offset - len(self._probe)
        return os.pread(self._fd, len(self._probe), start) != self._probe

    def _set_offset(self, offset: int) -> None:
        self._offset = offset
        self._probe = b""
        if self._fd is not None and offset:
            start = max(0, offset - _PROBE)
            self._probe = os.pread(self._fd, offset - start, start)

    def _read_new(self) -> LogUpdate:
        assert self._fd is not None
        size = os.fstat(self._fd).st_size
        lines: list[str] = []
        if size - self._offset > _BACKLOG:
            skipped = size - _STEP - self._offset
            lines.append(f"… {skipped:,} bytes were written faster than they can be shown …")
            self._partial, self._dropped = b"", 1  # up to the next line feed
            self._offset = size - _STEP
        data = os.pread(self._fd, _STEP, self._offset)
        if data:
            self._set_offset(self._offset + len(data))
            lines += self._split(data)
            self._idle = False
        elif self._partial and not self._idle:
            self._idle = True
        elif self._partial:
            # Nobody has finished this line for a whole poll: show it as it is.
            lines.append(decode(self._partial))
            self._partial = b""
        return LogUpdate(False, lines, self._offset < size)

    def _split(self, data: bytes) -> list[str]:
        first, feed, rest = data.partition(b"\n")
        if not feed:
            self._hold(data)
            return []
        lines = [] if self._dropped else [decode(self._partial + first)]
        self._dropped = 0
        self._partial = b""
        *complete, last = rest.split(b"\n")
        lines += [decode(line) for line in complete]
        self._hold(last)
        return lines

    def _hold(self, data: bytes) -> None:
        room = _PARTIAL - len(self._partial)
        self._partial += data[: max(0, room)]
