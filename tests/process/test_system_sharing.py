"""Several real processes at one file and one port."""

import os
import signal
import socket
import subprocess
import sys

import pytest

from tunnel_tui.system import locks, sockets

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root to become somebody else")

COUNT = """
import os, sys
from tunnel_tui.system.files import open_shared
from tunnel_tui.system.locks import FileLock
path, kind = sys.argv[1:]
for _ in range(100):
    fd = open_shared(path)
    with FileLock(path + ".lock", timeout=60, passing=kind == "passing"):
        number = int(os.pread(fd, 20, 0) or b"0")
        os.pwrite(fd, b"%d" % (number + 1), 0)
    os.close(fd)
"""

HOLD = """
import os, sys
from tunnel_tui.system.locks import FileLock
lock = FileLock(sys.argv[1]); lock.try_lock()
print("held", flush=True)
sys.stdin.read()
"""

LISTEN = """
import os, socket, sys
if len(sys.argv) > 1: os.setuid(int(sys.argv[1]))
s = socket.socket(); s.bind(("127.0.0.1", 0)); s.listen()
print(s.getsockname()[1], flush=True)
sys.stdin.read()
"""


@pytest.fixture
def run():
    """Start Python processes that end with their standard input; yields their first line."""
    started: list[subprocess.Popen[str]] = []

    def runner(script: str, *arguments: str) -> tuple[subprocess.Popen[str], str]:
        process = subprocess.Popen(
            [sys.executable, "-c", script, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        assert process.stdout is not None
        return process, process.stdout.readline().strip()

    yield runner
    for process in started:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("kind", ["staying", "passing"])
def test_no_update_is_lost(tmp_path, kind):
    path = tmp_path / "counter"
    workers = [subprocess.Popen([sys.executable, "-c", COUNT, str(path), kind]) for _ in range(4)]
    assert [worker.wait(90) for worker in workers] == [0] * 4
    assert path.read_bytes() == b"400"


def test_locks_end_with_a_killed_holder(tmp_path, run):
    path = str(tmp_path / "lock")
    process, line = run(HOLD, path)
    assert line == "held"
    assert locks.lock_holder(path) == process.pid
    process.send_signal(signal.SIGKILL)
    with locks.FileLock(path, timeout=10):
        assert locks.lock_holder(path) == os.getpid()


def test_locks_are_not_inherited_by_children(tmp_path):
    """A tunnel started under a lock must not hold it for the rest of its life."""
    path = str(tmp_path / "lock")
    lock = locks.FileLock(path)
    lock.try_lock()
    children = []
    try:
        for _ in range(20):
            children.append(subprocess.Popen(["/bin/sleep", "60"], close_fds=False))
            lock.release()
            lock.try_lock()
    finally:
        for child in children:
            child.kill()
            child.wait()


def test_many_create_one_file(tmp_path):
    """All get the same file, with its mode, whoever comes first."""
    script = (
        "import os, sys; os.umask(0o77)\n"
        "from tunnel_tui.system.files import open_shared\n"
        "os.write(os.open(sys.argv[1] + '.out', os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644),"
        " b'%d\\n' % os.fstat(open_shared(sys.argv[1])).st_ino)\n"
    )
    path = tmp_path / "state"
    workers = [subprocess.Popen([sys.executable, "-c", script, str(path)]) for _ in range(8)]
    assert [worker.wait(60) for worker in workers] == [0] * 8
    found = path.stat()
    assert found.st_mode & 0o777 == 0o666
    assert (tmp_path / "state.out").read_text().split() == [str(found.st_ino)] * 8


def test_holder_is_another_process(run):
    process, port = run(LISTEN)
    holder = sockets.port_holder("localhost", int(port))
    assert holder is not None
    assert holder.pid == process.pid
    assert holder.command.startswith(sys.executable)
    assert holder.address == f"127.0.0.1:{port}"


@as_root
def test_holder_that_may_not_be_seen_has_a_user(run):
    """An unprivileged caller reads no descriptors of others, but the kernel names the owner."""
    process, port = run(LISTEN)
    script = f"""
import os
from tunnel_tui.system import sockets
sockets.port_holder("127.0.0.1", {port})  # imports what it needs while everything is readable
os.setuid(12345)
print(sockets.port_holder("127.0.0.1", {port}))
"""
    output = subprocess.check_output([sys.executable, "-c", script], text=True, timeout=30)
    assert output == f"Holder(pid=None, command='', user='root', address='127.0.0.1:{port}')\n"
    process, port = run(LISTEN, "12345")
    holder = sockets.port_holder("127.0.0.1", int(port))
    assert holder is not None
    assert (holder.pid, holder.user) == (process.pid, "12345")


def test_lowest_of_several_holders_is_named(run):
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        child = subprocess.Popen(["/bin/sleep", "60"], pass_fds=[server.fileno()])
        holder = sockets.port_holder("127.0.0.1", server.getsockname()[1])
        child.kill()
        child.wait()
    assert holder is not None
    assert holder.pid == min(os.getpid(), child.pid)
