"""The shared state file among real processes, users and full disks."""

import os
import signal
from pathlib import Path

import pytest

from tunnel_tui.errors import LockHeldError, StateFileError
from tunnel_tui.model import TunnelEntry
from tunnel_tui.state.state_file import StateFile

pytestmark = pytest.mark.process


def entry(number: int, pid: int = 4242) -> TunnelEntry:
    return TunnelEntry("u@h", "80", f"{8000 + number % 1000}", "remote_to_local", f"n{number}",
                       f"{number:032x}", pid)  # fmt: skip


@pytest.fixture
def state(tmp_path: Path) -> StateFile:
    return StateFile(str(tmp_path / "tunnels.state"), str(tmp_path / "data" / "locks"))


@pytest.mark.skipif(os.geteuid() != 0, reason="mounts a file system")
def test_a_really_full_disk_leaves_the_old_content(tmp_path: Path) -> None:
    import subprocess

    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=16k", "none", str(disk)]
    if subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("no right to mount here")
    try:
        state = StateFile(str(disk / "state"))
        written = []
        try:
            for number in range(1000):
                state.put(entry(number))
                written.append(entry(number))
        except StateFileError:
            pass
        assert 0 < len(written) < 1000
        assert list(state.read().entries) == written
        assert not state.read().malformed
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def test_no_entry_is_lost_among_many_writers(state: StateFile) -> None:
    """16 processes, 25 entries each, while others remove theirs."""
    children = []
    for worker in range(16):
        child = os.fork()
        if child == 0:
            code = 1
            try:
                for number in range(25):
                    state.put(entry(worker * 100 + number))
                    if number % 5 == 0:
                        state.remove(entry(worker * 100 + number).hash)
                code = 0
            finally:
                os._exit(code)
        children.append(child)
    assert [os.waitpid(child, 0)[1] for child in children] == [0] * 16
    wanted = {entry(w * 100 + n) for w in range(16) for n in range(25) if n % 5}
    assert set(state.read().entries) == wanted
    assert not state.read().malformed


def test_a_killed_writer_leaves_no_lock(state: StateFile) -> None:
    state.clear()
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        with state.lock_tunnel("a" * 32, 5), state.lock_slot(1, 5):
            os.write(writer, b"x")
            signal.pause()
    os.read(reader, 1)
    with pytest.raises(LockHeldError), state.lock_tunnel("a" * 32, 0.05):
        pass
    with state.lock_tunnel("b" * 32, 0.05):
        pass  # another tunnel is free
    with pytest.raises(LockHeldError), state.lock_slot(1, 0.05):
        pass
    with state.lock_slot(2, 0.05):
        pass  # the second of two slots is free
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    with state.lock_tunnel("a" * 32, 1), state.lock_slot(1, 1):
        state.put(entry(1))  # the locks do not stand in the way of writing


@pytest.mark.skipif(os.geteuid() != 0, reason="needs a second user")
def test_root_and_user_alternate_in_a_sticky_directory(tmp_path: Path) -> None:
    sticky = Path("/tmp") / f"tt-sticky-{os.getpid()}"
    sticky.mkdir()
    sticky.chmod(0o1777)
    state = StateFile(str(sticky / "state"))
    try:
        for number in range(6):
            child = os.fork()
            if child == 0:
                code = 1
                try:
                    if number % 2 == 0:
                        os.setgid(65534)
                        os.setuid(65534)
                    state.put(entry(number))
                    code = 0
                finally:
                    os._exit(code)
            assert os.waitpid(child, 0)[1] == 0
        assert len(state.read().entries) == 6
        assert os.stat(state.path).st_uid == 65534
    finally:
        os.unlink(state.path)
        sticky.rmdir()
