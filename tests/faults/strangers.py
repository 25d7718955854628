"""Processes that are nobody's tunnel: they write down every signal they get; pids on demand."""

import os
import subprocess
import sys
from pathlib import Path

from tests.support import processes
from tests.support.waiting import wait_until

STRANGER = """
import os, signal, sys, time
note = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
def write(number, _frame):
    os.write(note, f"{number}\\n".encode())
for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP, signal.SIGCHLD}:
    signal.signal(number, write)
os.write(note, b"ready\\n")
while True:
    time.sleep(3600)
"""
TAKE_PID = """
import ctypes, os, sys
class Arguments(ctypes.Structure):  # struct clone_args, linux/sched.h
    _fields_ = [(name, ctypes.c_uint64) for name in (
        "flags", "pidfd", "child_tid", "parent_tid", "exit_signal", "stack", "stack_size", "tls",
        "set_tid", "set_tid_size", "cgroup")]
wanted = (ctypes.c_int * 1)(int(sys.argv[1]))
arguments = Arguments(exit_signal=17, set_tid=ctypes.addressof(wanted), set_tid_size=1)
libc = ctypes.CDLL(None, use_errno=True)
child = libc.syscall(435, ctypes.byref(arguments), ctypes.sizeof(arguments))  # clone3(2)
if child < 0:
    sys.exit(os.strerror(ctypes.get_errno()))
if child == 0:
    os.setsid()
    os.execv(sys.argv[2], sys.argv[2:])
os.waitpid(child, 0)
"""


class Stranger:
    """A process that has nothing to do with any tunnel."""

    def __init__(self, directory: Path, pid: int | None = None) -> None:
        """Start it; with `pid`, under that number (root; the number must be free)."""
        self._note = directory / f"stranger-{pid or 'any'}"
        command = [sys.executable, "-c", STRANGER, str(self._note)]
        if pid is not None:
            command = [sys.executable, "-c", TAKE_PID, str(pid), *command]
        self._process = subprocess.Popen(command, env={}, stderr=subprocess.PIPE, text=True)
        self.pid = pid or self._process.pid
        wait_until(self._is_ready, what=f"stranger with pid {self.pid}")

    def _is_ready(self) -> bool:
        if self._process.poll() is not None:
            assert self._process.stderr
            raise AssertionError(f"no stranger: {self._process.stderr.read()}")
        return self._note.exists() and self._note.read_text().startswith("ready")

    @property
    def signals(self) -> list[int]:
        """What it was sent since it began."""
        return [int(line) for line in self._note.read_text().split()[1:]]

    def assert_unharmed(self) -> None:
        """Nobody has signalled, stopped or killed it."""
        assert processes.alive(self.pid), "the stranger was killed"
        state = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()[0]
        assert (self.signals, state) == ([], "S")

    def close(self) -> None:
        """End it."""
        if self._process.poll() is None:
            processes.end([self.pid])
            self._process.wait()


def can_choose_pids() -> bool:
    """Say whether a process can be given a chosen pid here (clone3(2), set_tid)."""
    if os.geteuid() != 0:
        return False
    gone = subprocess.Popen(["true"])
    gone.wait()
    command = [sys.executable, "-c", TAKE_PID, str(gone.pid), "/bin/true"]
    return subprocess.run(command, check=False, capture_output=True).returncode == 0
