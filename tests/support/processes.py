"""Finding and ending the processes of one test: by pid, after proof that they are its own."""

import os
import signal
import time
from pathlib import Path


def alive(pid: int) -> bool:
    """Say whether the process runs (a zombie does not)."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(errors="replace")
    except OSError:
        return False
    return text.rpartition(")")[2].split()[0] not in {"Z", "X"}


def command_line(pid: int) -> list[str]:
    """The arguments of a process; empty if it is gone."""
    try:
        data = Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return []
    return [part.decode(errors="replace") for part in data.split(b"\0")[:-1]]


def with_environment(variable: str, value: str) -> list[int]:
    """All live processes (but this one) that were started with `variable=value`."""
    wanted = f"{variable}={value}".encode()
    found = []
    for name in os.listdir("/proc"):
        if not name.isdigit() or int(name) == os.getpid():
            continue
        try:
            data = Path(f"/proc/{name}/environ").read_bytes()
        except OSError:
            continue
        if wanted in data.split(b"\0") and alive(int(name)):
            found.append(int(name))
    return found


def descendants(pid: int) -> list[int]:
    """Children, grandchildren and so on of a process."""
    try:
        text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    except OSError:
        return []
    result = []
    for child in map(int, text.split()):
        result += [child, *descendants(child)]
    return result


def end(pids: list[int], signum: int = signal.SIGKILL, timeout: float = 5.0) -> None:
    """Signal the processes and wait until they are gone (reaping our own children)."""
    for pid in pids:
        assert pid > 1
        try:
            os.kill(pid, signum)
        except ProcessLookupError:
            pass
    limit = time.monotonic() + timeout
    while time.monotonic() < limit:
        for pid in pids:
            reap(pid)
        if not any(alive(pid) for pid in pids):
            return
        time.sleep(0.01)


def reap(pid: int) -> None:
    """Collect the exit status if the process is a dead child of ours."""
    try:
        os.waitpid(pid, os.WNOHANG)
    except OSError:
        pass
