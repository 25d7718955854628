import os
import threading
import time

import pytest

from tests.support.waiting import wait_until
from tunnel_tui.errors import FileRefusedError, LockHeldError
from tunnel_tui.system import locks


def times_open(path: str) -> int:
    links = []
    for name in os.listdir("/proc/self/fd"):
        try:
            links.append(os.readlink(f"/proc/self/fd/{name}"))
        except OSError:
            continue
    return links.count(os.path.realpath(path))


def test_file_lock_has_one_holder_and_names_it(tmp_path):
    path = str(tmp_path / "lock")
    first, second = locks.FileLock(path), locks.FileLock(path)
    assert locks.lock_holder(path) is None
    first.try_lock()
    assert first.held
    assert locks.lock_holder(path) == os.getpid()
    with pytest.raises(LockHeldError, match=str(os.getpid())):
        second.try_lock()
    assert not second.held
    first.release()
    first.release()
    with second:
        assert second.held
    assert not second.held
    assert os.stat(path).st_mode & 0o777 == 0o600


def test_file_lock_waits(tmp_path):
    path = str(tmp_path / "lock")
    first = locks.FileLock(path)
    first.try_lock()
    started = time.monotonic()
    with pytest.raises(LockHeldError), locks.FileLock(path, timeout=0.1):
        pass
    assert time.monotonic() - started >= 0.1
    timer = threading.Timer(0.05, first.release)
    timer.start()
    with locks.FileLock(path, timeout=10):
        pass
    timer.join()


def test_file_lock_is_taken_on_the_file_that_is_there_now(tmp_path):
    """The holder's file was replaced: waiting on the old one would give two holders."""
    path = str(tmp_path / "lock")
    first = locks.FileLock(path)
    first.try_lock()
    waiting = locks.FileLock(path)
    thread = threading.Thread(target=lambda: waiting.acquire(10))
    thread.start()
    wait_until(lambda: times_open(path) == 2, what="the second one waiting")
    os.unlink(path)
    third = locks.FileLock(path)
    third.acquire(10)
    first.release()
    thread.join(0.2)
    assert not waiting.held or not thread.is_alive()
    third.release()
    thread.join(10)
    assert waiting.held
    with pytest.raises(LockHeldError):
        locks.FileLock(path).try_lock()
    waiting.release()


def test_file_lock_leaves_no_descriptor_behind(tmp_path):
    path = str(tmp_path / "lock")
    before = len(os.listdir("/proc/self/fd"))
    with locks.FileLock(path):
        for _ in range(5):
            with pytest.raises(LockHeldError):
                locks.FileLock(path).try_lock()
    assert len(os.listdir("/proc/self/fd")) == before


def test_file_lock_refuses_a_symlink(tmp_path):
    (tmp_path / "lock").symlink_to(tmp_path / "other")
    with pytest.raises(FileRefusedError):
        locks.FileLock(str(tmp_path / "lock")).try_lock()


@pytest.fixture
def place(tmp_path):
    return locks.Locks(str(tmp_path / "data" / "locks"))


def test_locks_are_private_and_leave_nothing_behind(place):
    held = place.take(["a" * 32], 0)
    assert held is not None
    assert os.stat(place.directory).st_mode & 0o777 == 0o700
    assert os.listdir(place.directory) == ["a" * 32]
    assert place.take(["a" * 32], 0.02) is None
    held.release()
    assert os.listdir(place.directory) == []


def test_the_first_free_one_of_several_is_taken(place):
    first, second = (place.take(["slot-0", "slot-1"], 0) for _ in range(2))
    assert [os.path.basename(lock.path) for lock in (first, second)] == ["slot-0", "slot-1"]
    assert place.take(["slot-0", "slot-1"], 0) is None
    first.release()
    assert place.take(["slot-0", "slot-1"], 0) is not None


def test_names_that_share_their_beginning_are_two(place):
    assert place.take(["b" * 15 + "1" * 17], 0)
    assert place.take(["b" * 15 + "2" * 17], 0)


@pytest.mark.parametrize("name", ["../out", "a/b", ".", "", "x" * 5000, "\udc80", "é"])
def test_any_name_is_a_file_in_the_directory(place, name):
    lock = place.take([name], 0)
    assert lock is not None
    assert os.path.dirname(lock.path) == place.directory
    assert place.take([name], 0) is None
    lock.release()


def test_waiting_threads_come_one_after_the_other(place):
    inside, most = 0, 0

    def work():
        nonlocal inside, most
        for _ in range(20):
            lock = place.take(["a"], 20)
            inside += 1
            most = max(most, inside)
            time.sleep(0)
            inside -= 1
            lock.release()

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == 1


def test_a_directory_that_is_a_symlink_is_refused(tmp_path):
    (tmp_path / "data").mkdir(mode=0o700)
    (tmp_path / "elsewhere").mkdir(mode=0o700)
    (tmp_path / "data" / "locks").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(FileRefusedError):
        locks.Locks(str(tmp_path / "data" / "locks")).take(["a"], 0)
