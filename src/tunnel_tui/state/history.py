"""The journal of state changes: it outlives the logs, which a stop deletes."""

import errno
import fcntl
import os
from typing import NamedTuple

from tunnel_tui.errors import FileRefusedError
from tunnel_tui.system.files import make_directory, open_private, open_regular

LIMIT = 1024 * 1024
"""Bytes after which the older half of the journal is let go."""
_DAY = 24 * 3600.0
_UP, _DOWN = "RUNNING", "DEAD"


class Record(NamedTuple):
    """One change of state. `time` is in epoch seconds; `reason` is a ReasonCode or ""."""

    time: float
    hash: str
    name: str
    state: str
    pid: int | None
    reason: str
    text: str


class Summary(NamedTuple):
    """A tunnel's last 24 hours: share of time RUNNING (None: nothing known), and failures."""

    uptime: float | None
    reconnects: int
    last_failure: Record | None


class History:
    """A bounded file of JSON lines, appended under a lock, tolerant of torn lines."""

    def __init__(self, path: str) -> None:
        self.path = path

    def append(self, record: Record) -> None:
        """Write a record, unless the last one of its tunnel says the same.

        That is the same state of the same process, or another death for the same reason: a
        server that is away for a day must not push everything else out of the journal.

        Raises:
            OSError: the journal cannot be written.
        """
        import json

        try:
            make_directory(os.path.dirname(self.path), 0o700)
            fd = open_private(self.path, os.O_APPEND)
        except FileRefusedError as error:
            raise PermissionError(errno.EPERM, error.detail) from error
        try:
            fcntl.flock(fd, fcntl.LOCK_EX)
            data = os.pread(fd, 2 * LIMIT, 0)
            last = _last_of(data, record.hash)
            if last is not None and _says_the_same(last, record):
                return
            line = json.dumps(record._asdict(), ensure_ascii=True).encode() + b"\n"
            if data and not data.endswith(b"\n"):
                line = b"\n" + line  # a torn line must not swallow this one
            size = len(data)
            if size + len(line) > LIMIT:
                kept = data[-LIMIT // 2 :].partition(b"\n")[2]
                os.ftruncate(fd, size := 0)
                line = kept + line
            if os.write(fd, line) < len(line):
                os.ftruncate(fd, size)  # half a record is none
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        finally:
            os.close(fd)

    def read(self, tunnel_hash: str | None = None, limit: int = 1000) -> list[Record]:
        """Return the newest `limit` records, oldest first, of one tunnel or of all."""
        records = []
        wanted = tunnel_hash.encode() if tunnel_hash else b""
        for line in reversed(self._data().split(b"\n")):
            record = _parse(line) if wanted in line else None
            if record is not None and tunnel_hash in (None, record.hash):
                records.append(record)
                if len(records) >= limit:
                    break
        return records[::-1]

    def summary(self, tunnel_hash: str, now: float) -> Summary:
        """Sum up the 24 hours before `now` (epoch seconds)."""
        records = self.read(tunnel_hash)
        begin = now - _DAY
        up, reconnects, failure = 0.0, 0, None
        first: float | None = None
        stood = False
        for position, record in enumerate(records):
            end = records[position + 1].time if position + 1 < len(records) else now
            start = max(record.time, begin)
            if record.state == _DOWN or (record.state == "STARTING" and record.reason):
                failure = record
            if end > begin:
                first = start if first is None else first
                up += max(0.0, end - start) if record.state == _UP else 0.0
                reconnects += record.state == _UP and stood and record.time >= begin
            stood = stood or record.state == _UP
            stood = stood and record.state != "STOPPED"
        span = now - first if first is not None else 0.0
        return Summary(min(1.0, up / span) if span > 0 else None, reconnects, failure)

    def _data(self) -> bytes:
        try:
            fd = open_regular(self.path)
        except (FileRefusedError, OSError):
            return b""
        try:
            return os.pread(fd, 2 * LIMIT, 0)
        finally:
            os.close(fd)


def _says_the_same(last: Record, record: Record) -> bool:
    if last.state != record.state:
        return False
    same_death = record.state == _DOWN and bool(record.reason) and last.reason == record.reason
    return last.pid == record.pid or same_death


def _last_of(data: bytes, tunnel_hash: str) -> Record | None:
    at = data.rfind(f'"hash": "{tunnel_hash}"'.encode())
    if at < 0:
        return None
    begin = data.rfind(b"\n", 0, at) + 1
    end = data.find(b"\n", at)
    return _parse(data[begin : end if end >= 0 else None])


def _parse(line: bytes) -> Record | None:
    import json

    try:
        values = json.loads(line)
        record = Record(**values)
        return record._replace(time=float(record.time), hash=str(record.hash))
    except (ValueError, TypeError):
        return None
