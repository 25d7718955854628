"""What importing the machine's modules costs, and that it works where Linux's words are missing."""

import subprocess
import sys

import pytest

READING = ["proc", "signals", "sockets", "netlink", "files", "locks"]
ALL = [*READING, "spawn", "inotify", "events"]

SLOW = {
    "asyncio",
    "ctypes",
    "dataclasses",
    "inspect",
    "json",
    "logging",
    "pathlib",
    "psutil",
    "shutil",
    "socket",
    "subprocess",
    "tempfile",
}

ELSEWHERE = """
import fcntl, os, select, signal, socket, time
gone = {
    os: ["pidfd_open", "posix_fallocate", "O_TMPFILE", "sched_getaffinity"],
    fcntl: ["F_OFD_SETLK", "F_OFD_SETLKW", "F_OFD_GETLK"],
    select: ["epoll"],
    signal: ["pidfd_send_signal"],
    socket: ["AF_NETLINK"],
    time: ["CLOCK_BOOTTIME"],
}
for module, names in gone.items():
    for name in names:
        if hasattr(module, name):
            delattr(module, name)
real = os.path.exists
os.path.exists = lambda path: not str(path).startswith("/proc") and real(path)
os.uname = lambda: os.uname_result(("Darwin", "mac", "24", "1", "arm64"))
"""


def python(script: str) -> str:
    return subprocess.check_output([sys.executable, "-c", script], text=True, timeout=60)


@pytest.mark.parametrize("module", READING)
def test_reading_modules_import_nothing_slow(module):
    loaded = python(
        f"import sys, tunnel_tui.system.{module}\nprint(*sys.modules)",
    ).split()
    # what the interpreter itself loads (a .pth file of an editable install) is not our doing
    before = python("import sys; print(*sys.modules)").split()
    assert SLOW & (set(loaded) - set(before)) == set()


def test_everything_works_a_little_without_linux(tmp_path):
    script = ELSEWHERE + "\n".join(f"import tunnel_tui.system.{name}" for name in ALL)
    script += f"""
from tunnel_tui.system import events, files, locks, proc, signals, sockets, spawn
pid = spawn.spawn(["/bin/sleep", "60"], {{}}, 1)
stat = proc.read_stat(pid)
assert stat is not None and proc.is_alive(pid) and stat.session == pid
waiting = events.Events()
waiting.watch_process(pid)
waiting.watch_directory({str(tmp_path)!r})
assert signals.send(stat, 9)
assert signals.wait_gone([pid], 10) == set()
assert not proc.is_alive(pid)
assert [event.pid for event in waiting.wait(10)] == [pid]
assert spawn.reap() == [pid]
os_state = files.open_shared({str(tmp_path / "state")!r})
with locks.FileLock({str(tmp_path / "lock")!r}):
    pass
assert any("state" in event.path for event in waiting.wait(10))
waiting.close()
print(sockets.tcp_sockets(True) is not None)
"""
    assert python(script) == "True\n"
