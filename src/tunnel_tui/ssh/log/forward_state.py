"""What a log says of the ssh that runs now: has its forward been confirmed, and is it still?

Only the end of a log is read; a log that has grown is read on from where it was left.
"""

import os
import re
from collections.abc import Iterator
from typing import NamedTuple

from tunnel_tui.model import Forward
from tunnel_tui.settings import LOG_CAP, Settings
from tunnel_tui.ssh.log.phrases import ORIGIN
from tunnel_tui.ssh.log.run_start import ANYBODY, RunStart
from tunnel_tui.ssh.log.tunnel_log import open_old_copy, open_own_log
from tunnel_tui.state.run_record import read_record

TAIL = 4096
BLOCK = 256 * 1024
OVERLAP = 512
_ORIGIN = ORIGIN.encode()
VOID = re.compile(
    _ORIGIN + rb"(?P<what>channel \d+: open failed: administratively prohibited"
    rb"|remote forward failure for: listen|Timeout, server |Transferred: sent |send disconnect: )",
    re.MULTILINE,
)
"""What ssh prints after the success line when the forward no longer stands."""

_SUCCESS = re.compile(
    _ORIGIN + rb"(?:Entering interactive session|remote forward success)", re.MULTILINE
)
_IN_USE = re.compile(
    _ORIGIN + rb"(?P<what>bind \[[^\]\n]{1,300}\]:\d+: Address already in use)", re.MULTILINE
)

_SPOKEN = (
    b"): Entering interactive session.",
    b"): remote forward success for: listen ",
)


class ForwardState(NamedTuple):
    """What the log says of one ssh process.

    Attributes:
        known: the beginning of its run is in the log, or its success: the log can be believed.
        confirmed: its success line is there, and nobody tries to forge it.
        void: the line after it that takes it back; "" where there is none.
        partial: the line that says that one address of the listener was in use; or "".
        starts: N of autossh's "starting ssh (count N)", the last; 0 where there is none.
    """

    known: bool = False
    confirmed: bool = False
    void: str = ""
    partial: str = ""
    starts: int = 0

    @property
    def stands(self) -> bool:
        """True where the forward is confirmed and nothing takes it back."""
        return self.confirmed and not self.refused

    @property
    def refused(self) -> bool:
        """True where ssh says that the forward does not stand, or stands in part."""
        return bool(self.void or self.partial)


def success_lines(pid: int, forward: Forward) -> tuple[bytes, ...]:
    """Spell what ssh `pid` prints (with LogVerbose) when this forward stands.

    `-L`: client_loop() says so after all local listeners are bound; the line about listening
    comes before the bind and proves nothing. `-R`: the server's answer. Before `pid=` stands
    `(`, or from OpenSSH 9.8 on `(bin=<program>, `.
    """
    if forward.listens_here:
        return (b"pid=%d): Entering interactive session." % pid,)
    listener = forward.listener
    if listener.path.startswith("~"):  # only the far end knows what it stands for
        return (b"pid=%d): remote forward success for: listen /" % pid,)
    where = f"{listener.path}:-2" if listener.path else f"{listener.bind_host}:{listener.port}"
    text = where.encode("utf-8", "surrogateescape")
    return (b"pid=%d): remote forward success for: listen %b," % (pid, text),)


class Tail(NamedTuple):
    """The end of a log: device, inode, size and time of the file, and its last TAIL bytes."""

    seen: tuple[int, int, int, int]
    data: bytes

    def speaker(self) -> int:
        """Name the ssh that was the last to say that a forward stands; 0: nobody lately.

        No more than a hint: a pid that some log names may be anybody's by now.
        """
        end = max(self.data.rfind(words) for words in _SPOKEN)
        digits = self.data[self.data.rfind(b"pid=", 0, end) + 4 : end] if end >= 0 else b""
        return int(digits) if digits.isdigit() and len(digits) < 9 else 0


class ForwardStateReader:
    """Reads one tunnel's log and remembers how far."""

    __slots__ = ("_asked", "_key", "_run", "_seen", "_settings", "_start", "hash")

    def __init__(self, settings: Settings, tunnel_hash: str) -> None:
        self.hash = tunnel_hash
        self._settings = settings
        self._seen = (0, 0, 0, 0)  # device, inode, size, mtime
        self._key: tuple[bytes, ...] = ()
        self._asked: tuple[int, Forward] | None = None
        self._run = ForwardState()
        self._start = ANYBODY

    def look(self, holder: int) -> Tail | None:
        """Read the end of the log alone; None where there is none. `holder` as for `read`."""
        fd = open_own_log(self._settings, self.hash, holder)
        if fd is None:
            return None
        self._meet(holder)
        try:
            status = os.fstat(fd)
            size = status.st_size
            data = os.pread(fd, min(size, TAIL), max(0, size - TAIL))
        except OSError:
            return None
        finally:
            os.close(fd)
        return Tail((status.st_dev, status.st_ino, size, status.st_mtime_ns), data)

    def prime(self, tail: Tail, pid: int, forward: Forward) -> None:
        """Judge ssh `pid` by the end of its log, where that suffices, and spare `read` the work."""
        key = success_lines(pid, forward)
        found = judge(tail.data, key[0], self._start, whole=tail.seen[2] <= TAIL)
        if found is not None:
            self._seen, self._key, self._asked, self._run = tail.seen, key, (pid, forward), found

    def read(self, pid: int, forward: Forward, holder: int) -> ForwardState:
        """Say what the log says of ssh `pid`; pid 0: only the attempts are counted.

        Args:
            pid: the ssh that carries the forward.
            forward: what it was told to carry.
            holder: a live process of the tunnel, which writes to this log (`open_own_log`).
        """
        fd = open_own_log(self._settings, self.hash, holder)
        if fd is None:
            self._seen, self._key, self._run = (0, 0, 0, 0), (), ForwardState()
            return self._run
        self._meet(holder)
        try:
            return self._read(fd, pid, forward)
        except OSError:
            return ForwardState()
        finally:
            os.close(fd)

    def _meet(self, holder: int) -> None:
        """Learn whose lines begin its runs: those of the process that lives, and of its starter."""
        if holder != self._start.leader or not holder:
            record = read_record(self._settings, self.hash)
            known = record is not None and holder in (0, record.pid)
            starter = record.starter if record and known else 0
            self._start = RunStart(holder or (record.pid if record else 0), starter)

    def _read(self, fd: int, pid: int, forward: Forward) -> ForwardState:
        status = os.fstat(fd)
        seen = (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)
        asked = self._asked
        if seen == self._seen and asked and asked[0] == pid and asked[1] is forward:
            return self._run
        self._asked = (pid, forward)
        key = success_lines(pid, forward)
        grown = seen[:2] == self._seen[:2] and seen[2] > self._seen[2] and key == self._key
        if grown and self._run.confirmed:
            self._run = self._read_on(fd, self._seen[2], seen[2], key[0])
        else:
            self._run = self._read_back(fd, seen[2], key[0])
        self._seen, self._key = seen, key
        return self._run

    def _read_on(self, fd: int, start: int, end: int, success: bytes) -> ForwardState:
        void = self._run.void
        for data in _blocks(fd, max(0, start - OVERLAP), end):
            if self._start.find(data) >= 0 or success in data:
                return self._read_back(fd, end, success)
            void = void or _void(data, _pid_of(success))
        return self._run._replace(void=void)

    def _read_back(self, fd: int, end: int, success: bytes) -> ForwardState:
        """Search backwards for the success line, no further than the beginning of its run."""
        position, size, behind = end, TAIL, b""
        while position > 0 and end - position < LOG_CAP:
            begin = max(0, position - size)
            data = os.pread(fd, position - begin, begin) + behind
            whole = begin == 0
            judged = None if behind else judge(data, success, self._start, whole=whole)
            if judged is not None:
                return judged
            start, found = self._start.find(data), data.rfind(success)
            if start > found:
                return ForwardState(known=True, starts=self._start.number(data, start))
            if found >= 0:
                return _confirmed(fd, begin + found, end, success, self._start)
            position, size, behind = begin, BLOCK, data[:OVERLAP]
        return (
            self._in_old_copy(fd, end, success)
            if position == 0
            else self._in_head(fd, end, success)
        )

    def _in_head(self, fd: int, end: int, success: bytes) -> ForwardState:
        """Look at the beginning of a log that has been flooded since it was capped.

        Capping leaves there what proves the run; the success line names the very process.
        """
        found = os.pread(fd, BLOCK, 0).rfind(success)
        return _confirmed(fd, found, end, success, self._start) if found >= 0 else ForwardState()

    def _in_old_copy(self, fd: int, end: int, success: bytes) -> ForwardState:
        """Look into the old copy, where capping has put what the log had before."""
        old = open_old_copy(self._settings, self.hash)
        if old is None:
            return ForwardState()
        try:
            size = os.fstat(old).st_size
            first = max(0, size - 2 * LOG_CAP)
            data = os.pread(old, 2 * LOG_CAP, first)
            found, start = data.rfind(success), self._start.find(data)
            if found < 0:
                # Of an earlier run, for all we know: capping leaves the beginning of the run
                # that lasts in the log itself, so somebody has emptied that.
                return ForwardState()
            if start > found:
                return ForwardState(known=True, starts=self._start.number(data, start))
            run = _confirmed(old, first + found, size, success, self._start)
        finally:
            os.close(old)
        return run if run.void else run._replace(void=_void_within(fd, 0, end, _pid_of(success)))


def judge(
    data: bytes, success: bytes, begins: RunStart = ANYBODY, *, whole: bool
) -> ForwardState | None:
    """Judge a run by the end of its log alone; None where one has to look further back.

    Args:
        data: the end of the log.
        success: the line that confirms the forward (`success_lines`).
        begins: whose lines begin a run.
        whole: there is nothing before `data` that matters.
    """
    start, found = begins.find(data), data.rfind(success)
    if start > found:
        return ForwardState(known=True, starts=begins.number(data, start))
    if found < 0 or (start < 0 and not whole):
        return None
    void = _void(data[found:], _pid_of(success))
    return _stood(data[max(start, 0) : found], success, void, begins.number(data, start))


def _confirmed(fd: int, at: int, end: int, success: bytes, begins: RunStart) -> ForwardState:
    """Judge the run whose success line stands at byte `at`: what came before it, and after."""
    begin = max(0, at - TAIL)
    before = os.pread(fd, at - begin, begin)
    start = begins.find(before)
    void = _void_within(fd, at, end, _pid_of(success))
    return _stood(before[max(start, 0) :], success, void, begins.number(before, start))


def _stood(before: bytes, success: bytes, void: str, starts: int) -> ForwardState:
    """Judge a run with a success line by what its ssh, or somebody, said before that.

    The server does not know the pid of our ssh. One that writes successes into ssh's log has to
    guess, and is known by those that name another process.
    """
    pid = _pid_of(success)
    forged = any(match["pid"] != pid for match in _SUCCESS.finditer(before))
    found = next((match for match in _IN_USE.finditer(before) if match["pid"] == pid), None)
    partial = _line_with(before[found.start() :], found["what"]) if found else ""
    return ForwardState(True, not forged, void, partial, starts)


def _void_within(fd: int, begin: int, end: int, pid: bytes) -> str:
    found = (_void(data, pid) for data in _blocks(fd, begin, end))
    return next(filter(None, found), "")


def _blocks(fd: int, begin: int, end: int) -> Iterator[bytes]:
    """Read a part of a log, of any size, in blocks that overlap: no line is cut in all of them."""
    while begin < end:
        yield os.pread(fd, min(BLOCK + OVERLAP, end - begin), begin)
        begin += BLOCK


def _void(data: bytes, pid: bytes) -> str:
    """Find the line of ssh `pid` that takes its success back; a server may write other pids."""
    found = next((match for match in VOID.finditer(data) if match["pid"] == pid), None)
    return _line_with(data[found.start() :], found["what"]) if found else ""


def _pid_of(success: bytes) -> bytes:
    """Return the digits of the pid in a success line (`success_lines`)."""
    return success[len(b"pid=") : success.index(b")")]


def _line_with(data: bytes, words: bytes) -> str:
    at = data.rfind(words)
    if at < 0:
        return ""
    begin = data.rfind(b"\n", 0, at) + 1
    end = data.find(b"\n", at)
    return data[begin : end if end >= 0 else None].decode("utf-8", "replace")[:300]
