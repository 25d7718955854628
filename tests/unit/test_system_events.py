import os
import shutil
import signal
import threading
import time
from pathlib import Path

import pytest

from tunnel_tui.system import events as events_module
from tunnel_tui.system import files, inotify
from tunnel_tui.system.events import Event, Events
from tunnel_tui.system.wake_pipe import WakePipe


@pytest.fixture(params=["inotify", "polling"])
def events(request, monkeypatch):
    if request.param == "polling":
        no_inotify(monkeypatch)
    created = Events()
    yield created
    created.close()


@pytest.fixture
def kernel_events():
    created = Events()
    yield created
    created.close()


def no_inotify(monkeypatch):
    def missing():
        raise OSError("no instance left")

    monkeypatch.setattr(inotify, "Inotify", missing)
    monkeypatch.setattr(events_module, "POLL_INTERVAL", 0.01)


def paths(events: Events, *wanted: str, timeout: float = 10.0) -> set[str]:
    """Collect changed paths until all wanted ones have come."""
    deadline, found = time.monotonic() + timeout, set()
    while not found >= set(wanted) and time.monotonic() < deadline:
        found |= {event.path for event in events.wait(0.2) if event.kind == "changed"}
    return found


def test_entries_come_change_move_and_go(events, tmp_path):
    file, other = str(tmp_path / "a"), str(tmp_path / "b")
    events.watch_directory(str(tmp_path))
    steps = [
        lambda: open(file, "w").close(),
        lambda: os.truncate(file, 10),
        lambda: os.rename(file, other),
        lambda: files.write_atomic(other, b"replaced"),
        lambda: os.unlink(other),
    ]
    for step, path in zip(steps, [file, file, other, other, other], strict=True):
        step()
        assert paths(events, path) >= {path}
    assert events.wait(0.05) == []


def test_directory_may_come_go_and_come_again(events, tmp_path, monkeypatch):
    monkeypatch.setattr(events_module, "POLL_INTERVAL", 0.01)
    directory = tmp_path / "later" / "logs"
    events.watch_directory(str(directory))
    assert events.wait(0.05) == []
    for _ in range(2):
        directory.mkdir(parents=True)
        assert str(directory) in paths(events, str(directory))
        (directory / "log").write_bytes(b"x")
        assert paths(events, str(directory / "log"))
        shutil.rmtree(directory)
        assert str(directory) in paths(events, str(directory))
        events.wait(0.05)


def test_directory_replaced_by_another(events, tmp_path, monkeypatch):
    monkeypatch.setattr(events_module, "POLL_INTERVAL", 0.01)
    directory, other = tmp_path / "d", tmp_path / "e"
    directory.mkdir()
    other.mkdir()
    events.watch_directory(str(directory))
    directory.rename(tmp_path / "away")
    other.rename(directory)
    assert paths(events, str(directory))
    (directory / "new").write_bytes(b"x")
    assert paths(events, str(directory / "new"))


def test_symlink_turned_to_another_directory(events, tmp_path, monkeypatch):
    """That is how mounted configuration is updated in a cluster."""
    monkeypatch.setattr(events_module, "POLL_INTERVAL", 0.01)
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    link = tmp_path / "config"
    link.symlink_to("one")
    events.watch_directory(str(link))
    (tmp_path / "new").symlink_to("two")
    os.rename(tmp_path / "new", link)
    assert paths(events, str(link))
    (tmp_path / "two" / "config.yaml").write_bytes(b"x")
    assert paths(events, str(link / "config.yaml"))


def test_only_named_entries_of_a_busy_directory(events, tmp_path):
    events.watch_directory(str(tmp_path), ["state"])
    (tmp_path / "noise").write_bytes(b"x")
    assert events.wait(0.1) == []
    (tmp_path / "state").write_bytes(b"x")
    assert paths(events, str(tmp_path / "state")) == {str(tmp_path / "state")}
    events.watch_directory(str(tmp_path), ["other"])
    (tmp_path / "other").write_bytes(b"x")
    assert paths(events, str(tmp_path / "other")) == {str(tmp_path / "other")}
    events.watch_directory(str(tmp_path))
    (tmp_path / "noise").write_bytes(b"longer")
    assert paths(events, str(tmp_path / "noise"))


def test_one_directory_under_two_names(kernel_events, tmp_path):
    real, link = tmp_path / "real", tmp_path / "link"
    real.mkdir()
    link.symlink_to(real)
    kernel_events.watch_directory(str(real))
    kernel_events.watch_directory(str(link))
    (real / "a").write_bytes(b"x")
    assert paths(kernel_events, str(real / "a"), str(link / "a")) == {
        str(real / "a"),
        str(link / "a"),
    }


def test_reading_the_state_file_wakes_nobody(kernel_events, tmp_path):
    """Else a refresh, which reads it, would call for the next one."""
    path = str(tmp_path / "state")
    os.close(files.open_shared(path))
    kernel_events.watch_directory(str(tmp_path))
    os.close(files.open_shared(path))
    os.close(files.open_regular(path))
    os.listdir(tmp_path)
    assert kernel_events.wait(0.1) == []


def test_a_flood_is_one_event_and_bounded_work(kernel_events, tmp_path):
    kernel_events.watch_directory(str(tmp_path))
    logs = [files.open_log(str(tmp_path / f"log-{number}")) for number in range(5)]
    for _ in range(2000):
        for log in logs:
            os.write(log, b"line\n")
    started = time.monotonic()
    events = kernel_events.wait(5)
    assert len(events) == len(set(events)) <= 5
    assert time.monotonic() - started < 1
    for log in logs:
        os.close(log)


def test_more_than_the_kernel_can_note_names_the_directory(kernel_events, tmp_path):
    with open("/proc/sys/fs/inotify/max_queued_events") as file:
        limit = int(file.read())
    if limit > 20000:
        pytest.skip("the queue is too long to fill in a moment")
    kernel_events.watch_directory(str(tmp_path), ["never"])
    logs = [files.open_log(str(tmp_path / f"{number}")) for number in range(2)]
    for _ in range(limit // 2 + 50):
        for log in logs:
            os.write(log, b"x")
    assert paths(kernel_events, str(tmp_path)) == {str(tmp_path)}
    for log in logs:
        os.close(log)


def test_watches_run_out(tmp_path, monkeypatch):
    def no_space(self, directory):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(inotify.Inotify, "add", no_space)
    monkeypatch.setattr(events_module, "POLL_INTERVAL", 0.01)
    events = Events()
    events.watch_directory(str(tmp_path))
    (tmp_path / "a").write_bytes(b"x")
    assert paths(events, str(tmp_path / "a"))
    events.close()


@pytest.mark.parametrize("path", ["/nonexistent/\0", "/dev/null", "/proc/self/mem/x"])
def test_impossible_directories_are_waited_for(events, path):
    events.watch_directory(path)
    assert events.wait(0.05) == []


def test_wake_from_a_thread(events):
    timer = threading.Timer(0.05, events.wake)
    timer.start()
    started = time.monotonic()
    assert events.wait(10) == [Event("woken")]
    assert time.monotonic() - started < 5
    timer.join()


def test_wake_from_a_signal_handler(kernel_events):
    old = signal.signal(signal.SIGALRM, lambda *_: kernel_events.wake())
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.05)
        assert kernel_events.wait(10) == [Event("woken")]
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, old)


def test_many_wakes_are_one_and_never_block(kernel_events):
    for _ in range(100_000):
        kernel_events.wake()
    found = []
    while events := kernel_events.wait(0.01):
        found += events
    assert set(found) == {Event("woken")}
    assert len(found) < 50


def test_wait_keeps_its_time(kernel_events):
    started = time.monotonic()
    assert kernel_events.wait(0.1) == []
    assert 0.1 <= time.monotonic() - started < 5
    assert kernel_events.wait(0) == []


def test_quiet_waiting_costs_nothing(kernel_events, tmp_path):
    kernel_events.watch_directory(str(tmp_path))
    kernel_events.watch_process(os.getppid())
    before = time.process_time()
    assert kernel_events.wait(0.5) == []
    assert time.process_time() - before < 0.02


@pytest.mark.parametrize("pid", [-1, 0, 1])
def test_pids_up_to_one_are_ignored(events, pid):
    events.watch_process(pid)
    assert events.wait(0) == []


def test_the_dead_are_announced_once(events):
    nobody = 2**22 - 1
    for _ in range(3):
        events.watch_process(nobody)
    assert events.wait(1) == [Event("died", nobody)]
    events.watch_process(nobody)
    assert events.wait(0) == []
    events.unwatch_process(nobody)
    events.watch_process(nobody)
    events.unwatch_process(nobody)
    assert events.wait(0) == []


def test_close_gives_everything_back(tmp_path):
    before = sorted(os.listdir("/proc/self/fd"))
    events = Events()
    events.watch_directory(str(tmp_path))
    events.watch_process(os.getppid())
    events.close()
    events.close()
    events.wake()
    assert sorted(os.listdir("/proc/self/fd")) == before


def test_a_pipe_that_is_closed_writes_into_nobodys_file(tmp_path: Path) -> None:
    """The number of a closed descriptor is the next file's; others may be waking meanwhile."""
    ending, pipes = threading.Event(), [WakePipe()]

    def hammer() -> None:
        while not ending.is_set():
            pipes[-1].wake()

    threads = [threading.Thread(target=hammer) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        for number in range(3000):
            pipe = pipes[-1]
            pipe.close()
            with (tmp_path / "stranger").open("ab") as one, (tmp_path / "other").open("ab") as two:
                pipes.append(WakePipe())
                assert (one.tell(), two.tell()) == (0, 0), number
            del pipes[0]
    finally:
        ending.set()
        for thread in threads:
            thread.join()
        pipes[-1].close()
    assert (tmp_path / "stranger").stat().st_size == 0
    assert (tmp_path / "other").stat().st_size == 0
