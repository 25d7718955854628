"""Which apps are open on the same tunnels: each notes itself, the next one finds it.

Closing the terminal of `docker exec` does not end the app inside: it stays, seen by nobody.
"""

import os
import signal
import time
from contextlib import suppress
from typing import NamedTuple

from tunnel_tui.errors import FileRefusedError
from tunnel_tui.settings import Settings
from tunnel_tui.system import files, signals
from tunnel_tui.system.proc import ProcessStat, command_line, read_stat, start_time

_SEPARATOR = "\x1f"
_DIRECTORY = "apps"


class OtherApp(NamedTuple):
    """Another app that is open.

    Attributes:
        terminal: `pts/3`; "" where it is gone.
        since: epoch seconds.
        idle: seconds since a key was last pressed there; None where nobody knows.
    """

    stat: ProcessStat
    terminal: str
    since: float
    idle: float | None

    @property
    def pid(self) -> int:
        """Its process."""
        return self.stat.pid


class Presence:
    """This process, as an app that is open."""

    def __init__(self, settings: Settings) -> None:
        self._directory = os.path.join(settings.data_dir, _DIRECTORY)
        self._path = os.path.join(self._directory, str(os.getpid()))

    def note(self) -> None:
        """Note that this app is open; others may not find it where that cannot be written."""
        stat = read_stat(os.getpid())
        if stat is None:
            return
        fields = (str(stat.start_ticks), _terminal_of(stat.pid), *command_line(stat.pid))
        with suppress(OSError, FileRefusedError):
            files.make_directory(os.path.dirname(self._directory), 0o700)
            files.make_directory(self._directory, 0o700)
            files.write_atomic(self._path, _SEPARATOR.join(fields).encode(errors="replace"), 0o600)

    def forget(self) -> None:
        """Take the note away."""
        with suppress(OSError):
            os.unlink(self._path)

    def others(self) -> list[OtherApp]:
        """List the other apps that are open; notes of those that have ended are removed."""
        try:
            with files.open_directory(self._directory) as directory:
                ours = os.fstat(directory).st_uid == os.geteuid()
                names = os.listdir(directory) if ours else []
        except (OSError, FileRefusedError):
            return []
        found = []
        for name in names:
            if not name.isdecimal() or int(name) == os.getpid():
                continue
            other = self._prove(int(name))
            if other is None:
                with suppress(OSError):
                    os.unlink(os.path.join(self._directory, name))
            else:
                found.append(other)
        return sorted(found, key=lambda other: other.since)

    def _prove(self, pid: int) -> OtherApp | None:
        """Check that a process is the one that wrote the note: start time and command line."""
        stat = read_stat(pid) if pid > 1 else None
        if stat is None or stat.state in "ZX":
            return None
        try:
            with open(os.path.join(self._directory, str(pid)), "rb") as file:
                fields = file.read(1 << 16).decode(errors="replace").split(_SEPARATOR)
        except OSError:
            return None
        argv = [os.fsencode(word).decode(errors="replace") for word in command_line(pid)]
        if len(fields) < 3 or fields[0] != str(stat.start_ticks) or fields[2:] != argv:
            return None
        terminal = fields[1] if _terminal_of(pid) == fields[1] else ""
        return OtherApp(stat, terminal, start_time(stat), _idle(terminal))

    def end(self, other: OtherApp) -> bool:
        """Ask another app to end; its tunnels stay. False: it was gone, or is another now."""
        now = self._prove(other.pid)
        if now is None or now.stat.start_ticks != other.stat.start_ticks:
            return False
        return signals.send(now.stat, signal.SIGTERM)


def _terminal_of(pid: int) -> str:
    """The terminal that a process reads from, as `pts/3`; "" where there is none any more."""
    try:
        path = os.readlink(f"/proc/{pid}/fd/0")
    except OSError:
        return ""
    # A path that is gone ends in " (deleted)" (proc(5)).
    return path.removeprefix("/dev/") if path.startswith("/dev/") and os.path.exists(path) else ""


def _idle(terminal: str) -> float | None:
    """Seconds since the terminal was last read from, as w(1) has it."""
    if not terminal:
        return None
    try:
        return max(0.0, time.time() - os.stat(f"/dev/{terminal}").st_atime)
    except OSError:
        return None
