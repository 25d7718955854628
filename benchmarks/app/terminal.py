"""A program in a pseudo terminal of its own, seen from outside: the bytes that come out of it."""

import os
import pty
import re
import select
import signal
import struct
import termios
import time
from collections.abc import Callable, Mapping, Sequence
from fcntl import ioctl
from pathlib import Path

ROOT = Path(__file__).parents[2]
KEPT = 8192
"""Bytes of what came before that are searched together with what comes."""
_MOVE = re.compile(rb"\x1b\[(\d+);\d+H")


class Terminal:
    """Starts a program and reads what it draws."""

    def __init__(
        self,
        arguments: Sequence[str],
        environment: Mapping[str, str],
        size: tuple[int, int] = (140, 40),
    ) -> None:
        self.started = time.perf_counter()
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            try:
                ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", size[1], size[0], 0, 0))
                os.chdir(ROOT)
                os.execve(arguments[0], arguments, environment)
            finally:
                os._exit(127)
        self.closed = False

    def wait(
        self, seconds: float, found: Callable[[bytes], object] | bytes | None = None
    ) -> float | None:
        """Read for so long, or until what came has what is wanted.

        Returns:
            When the bytes came that made it so (`time.perf_counter`); None: they never came.
        """
        wanted = (lambda data: found in data) if isinstance(found, bytes) else found
        end, data = time.perf_counter() + seconds, b""
        while (left := end - time.perf_counter()) > 0:
            if not select.select([self.fd], [], [], left)[0]:
                break
            try:
                data = data[-KEPT:] + os.read(self.fd, 65536)
            except OSError:  # it has left
                return None
            if wanted and wanted(data):
                return time.perf_counter()
        return None

    def rest(self, silence: float, most: float = 30.0) -> None:
        """Read until nothing has come for so long."""
        end = time.perf_counter() + most
        while time.perf_counter() < end and select.select([self.fd], [], [], silence)[0]:
            os.read(self.fd, 65536)

    def press(
        self, keys: bytes, found: Callable[[bytes], object] | bytes, most: float = 2.0
    ) -> float:
        """Press keys; returns the seconds until the wanted bytes came, `most` if they did not."""
        self.rest(0.0)
        start = time.perf_counter()
        os.write(self.fd, keys)
        at = self.wait(most, found)
        return most if at is None else at - start

    def kill(self) -> None:
        """End it at once."""
        self.closed = True
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        os.close(self.fd)

    def close(self) -> None:
        """Leave by the key, or else by force."""
        if self.closed:
            return
        self.closed = True
        try:
            os.write(self.fd, b"q")
            self.rest(1.5, most=3.0)
        except OSError:
            pass
        for number in (signal.SIGTERM, signal.SIGKILL):
            end = time.monotonic() + 2
            while time.monotonic() < end:
                if os.waitpid(self.pid, os.WNOHANG)[0]:
                    os.close(self.fd)
                    return
                time.sleep(0.02)
            os.kill(self.pid, number)
        os.waitpid(self.pid, 0)
        os.close(self.fd)


def cursor_on(line: int, cursor: bytes = "▌".encode()) -> Callable[[bytes], bool]:
    """Wait for the table's cursor to be drawn on a line of the screen (the first is 1)."""

    def found(data: bytes) -> bool:
        place = -1
        while (place := data.find(cursor, place + 1)) >= 0:
            moves = _MOVE.findall(data, max(0, place - 400), place)
            if moves and int(moves[-1]) == line:
                return True
        return False

    return found


def cpu_seconds(pid: int) -> float:
    """CPU time that a process has taken, all its threads (proc(5), `schedstat`)."""
    tasks = Path(f"/proc/{pid}/task").iterdir()
    return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks) / 1e9


def memory(pid: int) -> float:
    """Memory that a process holds, in MB (proc(5), `VmRSS`)."""
    found = re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())
    return int(found[1]) / 1024 if found else 0.0
