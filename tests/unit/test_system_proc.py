import os
import threading
import time

import pytest

from tunnel_tui.system import proc

NOBODY = 2**22 - 1  # kernel.pid_max is at most 2**22


def test_own_stat():
    stat = proc.read_stat(os.getpid())
    assert stat is not None
    assert (stat.pid, stat.ppid, stat.pgrp) == (os.getpid(), os.getppid(), os.getpgrp())
    assert stat.session == os.getsid(0)
    assert stat.alive
    assert proc.is_alive(os.getpid())


@pytest.mark.parametrize("comm", ["ssh", "a b", ")", "x) R 1 2 (y", "((", "tab\there", "\\n"])
def test_any_program_name_is_read(comm):
    fields = "S 7 8 9 0 -1 4194304 1 0 0 0 1 2 0 0 20 0 1 0 12345 99 100"
    stat = proc._parse_stat(f"42 ({comm}) {fields}\n".encode())
    assert stat == proc.ProcessStat(42, comm, "S", 7, 8, 9, 12345)


@pytest.mark.parametrize("data", [b"", b"42", b"42 (x) S 1", b"no stat at all (x", b"()"])
def test_torn_stat_is_nobody(data):
    assert proc._parse_stat(data) is None


@pytest.mark.parametrize("state", list("ZXx"))
def test_zombie_is_dead(state):
    assert not proc.ProcessStat(42, "ssh", state, 1, 42, 42, 1).alive


@pytest.mark.parametrize("pid", [-(2**70), -1, 0, 1])
def test_pids_up_to_one_are_never_alive(pid):
    assert not proc.is_alive(pid)


@pytest.mark.parametrize("pid", [-(2**70), -1, 0, NOBODY, 2**31, 2**70])
def test_nobody(pid):
    assert proc.read_stat(pid) is None
    assert not proc.is_alive(pid)
    assert proc.command_line(pid) == ()
    assert proc.children(pid) == ()
    assert proc.descendants(pid) == ()
    assert proc.owner(pid) is None


def test_hidden_process_is_alive(monkeypatch):
    """With hidepid=2 (proc(5)) only the answer to signal 0 tells."""

    def hidden(pid, signum):
        assert signum == 0
        raise PermissionError

    monkeypatch.setattr(os, "kill", hidden)
    assert proc.is_alive(NOBODY)


def test_own_command_line_and_owner():
    with open("/proc/self/cmdline", "rb") as file:
        assert list(proc.command_line(os.getpid())) == os.fsdecode(file.read())[:-1].split("\0")
    owner = proc.owner(os.getpid())
    assert owner is not None
    assert owner[0] == os.geteuid()
    assert owner[1]
    assert proc.user_name(4_000_000_000) == "4000000000"


def test_start_time_does_not_waver():
    stat = proc.read_stat(os.getpid())
    assert stat is not None
    times = {proc.start_time(stat) for _ in range(50)}
    assert len(times) == 1
    assert time.time() - 3600 * 24 < times.pop() <= time.time()


def test_start_time_follows_a_clock_jump(monkeypatch):
    stat = proc.read_stat(os.getpid())
    assert stat is not None
    before, real = proc.start_time(stat), time.time
    monkeypatch.setattr(time, "time", lambda: real() + 7200)
    assert proc.start_time(stat) == pytest.approx(before + 7200, abs=1)


def test_scan_finds_by_name():
    stat = proc.read_stat(os.getpid())
    assert stat is not None
    assert os.getpid() in [found.pid for found in proc.scan(frozenset({stat.comm, "other"}))]
    assert proc.scan(frozenset({"no-such-name"})) == []
    assert proc.scan(frozenset()) == []
    assert os.getpid() in proc.pids()


def test_no_descriptor_is_lost():
    before = len(os.listdir("/proc/self/fd"))
    for pid in (os.getpid(), NOBODY):
        proc.read_stat(pid)
        proc.command_line(pid)
        proc.children(pid)
    assert len(os.listdir("/proc/self/fd")) == before


def test_threads_may_read_at_once():
    results: list[bool] = []
    threads = [
        threading.Thread(target=lambda: results.append(proc.is_alive(os.getpid())))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [True] * 8
