import os
import threading
import time

import pytest

from tests.support.waiting import wait_until
from tunnel_tui.errors import FileRefusedError, LockHeldError
from tunnel_tui.system import locks
from tunnel_tui.system.files import open_shared

FAR = 2**32 + 12345


def times_open(path: str) -> int:
    links = []
    for name in os.listdir("/proc/self/fd"):
        try:
            links.append(os.readlink(f"/proc/self/fd/{name}"))
        except OSError:
            continue
    return links.count(os.path.realpath(path))


@pytest.fixture
def two_files(tmp_path):
    path = str(tmp_path / "state")
    descriptors = open_shared(path), open_shared(path)
    yield descriptors
    for descriptor in descriptors:
        os.close(descriptor)


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


def test_range_lock_excludes_another_open_file_of_the_same_process(two_files):
    first, second = (locks.RangeLock(descriptor, FAR) for descriptor in two_files)
    assert first.acquire()
    assert not second.acquire(blocking=False)
    started = time.monotonic()
    assert not second.acquire(timeout=0.1)
    assert 0.1 <= time.monotonic() - started < 5
    first.release()
    assert second.acquire(timeout=5)
    second.release()
    assert os.fstat(two_files[0]).st_size == 0, "a lock beyond the end must not grow the file"


def test_range_locks_of_different_offsets_do_not_meet(two_files):
    first = locks.RangeLock(two_files[0], FAR)
    before, after = (locks.RangeLock(two_files[1], FAR + step) for step in (-1, 1))
    with first:
        assert before.acquire(blocking=False)
        assert after.acquire(blocking=False)


def test_range_lock_ends_with_its_file(tmp_path):
    path = str(tmp_path / "state")
    first, second = open_shared(path), open_shared(path)
    assert locks.RangeLock(first, FAR).acquire()
    os.close(open_shared(path))  # a POSIX lock would end here
    assert not locks.RangeLock(second, FAR).acquire(blocking=False)
    os.close(first)
    assert locks.RangeLock(second, FAR).acquire(blocking=False)
    os.close(second)


def test_range_lock_without_limit_waits_until_it_is_free(two_files):
    first, second = (locks.RangeLock(descriptor, FAR) for descriptor in two_files)
    first.acquire()
    thread = threading.Thread(target=second.acquire)
    thread.start()
    thread.join(0.05)
    assert thread.is_alive()
    first.release()
    thread.join(10)
    assert not thread.is_alive()


def test_release_of_a_lock_that_was_never_taken_takes_nothing_away(two_files):
    first, second = (locks.RangeLock(descriptor, FAR) for descriptor in two_files)
    with first:
        assert not second.acquire(blocking=False)
        second.release()
        assert not second.acquire(blocking=False)
