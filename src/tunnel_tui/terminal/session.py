"""A child on a pseudo-terminal: started, fed, listened to, resized, ended; never blocking.

The session keeps nothing of what is written to the child longer than the child takes to read it,
and no text of it appears in any `repr`, message or exception.
"""

import os
import termios
from collections.abc import Mapping, Sequence
from typing import Any

from tunnel_tui.terminal.child import Child
from tunnel_tui.terminal.spawn import close_process, local_modes, spawn, window_of

READ_SIZE = 65536
MAX_UNWRITTEN = 1 << 20


class PtySession:
    """One child on one PTY. All methods return at once; nothing is logged."""

    def __init__(self, process: Any) -> None:
        self._process = process
        self._child = Child(process.pid)
        self._fd: int = process.fd
        self._unwritten = bytearray()
        self._drained = False
        self.eof = False

    @classmethod
    def start(
        cls,
        argv: Sequence[str],
        env: Mapping[str, str],
        cols: int = 80,
        rows: int = 24,
        cwd: str | None = None,
        orphaned: int = 0,
    ) -> "PtySession":
        """Start a program as leader of a session of its own, with a PTY as its terminal.

        SIGHUP is ignored in the child, its other signals have their default actions.

        Args:
            argv: Program and arguments; looked up in `env`'s PATH.
            env: The whole environment of the child.
            cols: Width of the window.
            rows: Height of the window.
            cwd: Where to start, or None for our own directory.
            orphaned: Signal that the child gets when the thread that calls this ends (prctl(2),
                PR_SET_PDEATHSIG); 0: none. A process that the child forks does not inherit it.

        Raises:
            OSError: The program or the directory is missing or cannot be used.
        """
        return cls(spawn(argv, env, window_of(cols, rows), cwd, orphaned))

    def __repr__(self) -> str:
        state = "running" if self.exit_status is None else f"exit status {self.exit_status}"
        return f"<PtySession pid {self.pid}, {state}>"

    def fileno(self) -> int:
        """Return the PTY's descriptor to wait on, -1 when it is closed."""
        return self._fd

    @property
    def exit_fileno(self) -> int:
        """The pidfd that becomes readable when the child ends; -1: poll `check_exit`.

        It is closed as soon as the end is noticed: watch a duplicate where that may happen
        elsewhere.
        """
        return self._child.pidfd

    @property
    def pid(self) -> int:
        """The child's pid."""
        return self._child.pid

    @property
    def exit_status(self) -> int | None:
        """The exit status as far as noticed, negative for a signal; 255 if it got lost."""
        return self._child.exit_status

    @property
    def running(self) -> bool:
        """Whether the child has not ended, as far as noticed."""
        return self.exit_status is None

    @property
    def finished(self) -> bool:
        """Whether the child has ended and everything it wrote has been read."""
        return self.exit_status is not None and (self.eof or self._drained or self._fd < 0)

    def check_exit(self) -> int | None:
        """Notice the child's end; return its exit status, negative for a signal, or None."""
        status = self._child.check_exit()
        self._process.terminated = status is not None
        return status

    def read_ready(self) -> bytes | None:
        """Read once; return b"" if there is nothing now, None when there never will be.

        After the child's end, b"" also means that all it wrote has been read: the kernel
        flushes what is under way before it says so. A process that the child left behind may
        keep the PTY open, so the end of file may never come.
        """
        if self._fd < 0 or self.eof:
            return None
        try:
            data = os.read(self._fd, READ_SIZE)
        except (BlockingIOError, InterruptedError):
            self._drained = self.exit_status is not None
            return b""
        except OSError:  # EIO: the last descriptor of the other side is closed
            data = b""
        if not data:
            self.eof = True
            return None
        return data

    def write(self, data: bytes | bytearray) -> bool:
        """Send bytes to the child, keeping what it does not take yet.

        Returns:
            False, and nothing is sent, when more than 1 MB would wait or the PTY is closed.
        """
        if self._fd < 0 or self.eof or len(self._unwritten) + len(data) > MAX_UNWRITTEN:
            return False
        self._unwritten += data
        self.write_ready()
        return True

    @property
    def wants_write(self) -> bool:
        """Whether something waits for the PTY to take it."""
        return bool(self._unwritten)

    def write_ready(self) -> None:
        """Send what waits, as far as the PTY takes it."""
        while self._unwritten and self._fd >= 0:
            try:
                count = os.write(self._fd, self._unwritten)
            except (BlockingIOError, InterruptedError):
                return
            except OSError:
                self._forget_unwritten()
                return
            self._unwritten[:count] = bytes(count)  # a secret does not linger in freed memory
            del self._unwritten[:count]

    def _forget_unwritten(self) -> None:
        self._unwritten[:] = bytes(len(self._unwritten))
        self._unwritten.clear()

    @property
    def hidden(self) -> bool:
        """Whether the child has switched echo off: what is typed now is a secret."""
        return self._local_modes() & termios.ECHO == 0

    @property
    def asks_unseen(self) -> bool:
        """Whether a line is asked with echo off, and not keys one by one as an editor does."""
        modes = self._local_modes()
        return modes & termios.ECHO == 0 and modes & termios.ICANON != 0

    def _local_modes(self) -> int:
        return local_modes(self._fd) if self.running else termios.ECHO

    def resize(self, cols: int, rows: int) -> None:
        """Set the window's size; the child gets SIGWINCH."""
        if self._fd >= 0 and not self.eof:
            try:
                self._process.setwinsize(*window_of(cols, rows))
            except OSError:
                pass

    def cancel(self, grace: float = 2.0) -> float:
        """Ask the child to end (SIGTERM).

        Returns:
            Seconds after which the caller is to call `kill`; 0 if the child has ended.
        """
        self._forget_unwritten()
        return grace if self._child.terminate() else 0.0

    def kill(self) -> None:
        """End the child and what it started in its process group (SIGKILL)."""
        self._child.kill()

    def close(self) -> None:
        """Close the PTY at once; `check_exit` goes on working until the child is reaped."""
        if self._fd < 0:
            return
        self._forget_unwritten()
        self._fd = -1
        close_process(self._process)
