"""Real children: spawning, signals, waiting, deaths, and pids that mean somebody else."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from tests.support.waiting import wait_until
from tunnel_tui.errors import SpawnError
from tunnel_tui.system import events as events_module
from tunnel_tui.system import proc, signals, spawn
from tunnel_tui.system.events import Event, Events

SLEEP = "/bin/sleep"
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root to become somebody else")


@pytest.fixture
def start():
    """Start processes of our own; they are ended, and buried, afterwards."""
    null = os.open(os.devnull, os.O_RDWR)
    pids: list[int] = []

    def starter(*argv: str, output: int = null) -> int:
        pids.append(spawn.spawn(argv or (SLEEP, "60"), {"PATH": "/bin:/usr/bin"}, output))
        return pids[-1]

    yield starter
    os.close(null)
    for pid in pids:
        for victim in (*proc.descendants(pid), pid):
            stat = proc.read_stat(victim)
            if stat is not None:
                signals.send(stat, signal.SIGKILL)
    wait_until(lambda: not signals.wait_gone(pids, 1), what="children ended")
    spawn.reap()


@pytest.fixture(params=["pidfd", "no pidfd"])
def pidfd(request, monkeypatch):
    if request.param == "no pidfd":
        monkeypatch.delattr(os, "pidfd_open")
        monkeypatch.setattr(events_module, "POLL_INTERVAL", 0.01)
    return request.param == "pidfd"


def output_of(start, tmp_path: Path, *argv: str) -> str:
    path = tmp_path / "output"
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    pid = start(*argv, output=descriptor)
    os.close(descriptor)
    assert not signals.wait_gone([pid], 10)
    return path.read_text()


def live(pid: int) -> proc.ProcessStat:
    stat = proc.read_stat(pid)
    assert stat is not None
    return stat


def test_spawned_process_leads_its_own_session(start):
    pid = start()
    stat = live(pid)
    assert (stat.ppid, stat.pgrp, stat.session) == (os.getpid(), pid, pid)
    assert proc.command_line(pid) == (SLEEP, "60")
    assert pid in proc.children(os.getpid())
    assert os.readlink(f"/proc/{pid}/fd/0") == os.devnull
    assert 0 <= time.time() - proc.start_time(stat) < 60


def test_identity_can_be_proven_at_once(start):
    """A client that looks right after the start must not take the process for a stranger."""
    assert {proc.command_line(start()) for _ in range(30)} == {(SLEEP, "60")}


def test_spawned_process_has_default_signals(start, tmp_path):
    """Python ignores SIGPIPE, a caller may ignore or block anything: none of it is inherited."""
    old = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM, signal.SIGUSR1])
    try:
        text = output_of(start, tmp_path, "/bin/cat", "/proc/self/status")
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        signal.signal(signal.SIGHUP, old)
    values = dict(line.split(":\t", 1) for line in text.splitlines() if ":\t" in line)
    internal = 0x180000000  # 32 and 33 are the C library's own: nobody can set them
    found = {int(values[key], 16) & ~internal for key in ("SigBlk", "SigIgn", "SigCgt")}
    assert found == {0}


def test_spawned_process_inherits_no_descriptor(tmp_path):
    path = tmp_path / "output"
    script = f"""
import os
from tunnel_tui.system import spawn
fd = os.open({str(path)!r}, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC)
os.waitpid(spawn.spawn(["/bin/ls", "-1", "/proc/self/fd"], {{}}, fd), 0)
"""
    leak = os.open("/", os.O_RDONLY)
    try:
        subprocess.run([sys.executable, "-c", script], check=True, timeout=30, pass_fds=[leak])
    finally:
        os.close(leak)
    # 3 is the directory that ls itself reads
    assert path.read_text().split() == ["0", "1", "2", "3"]


@pytest.mark.parametrize("number", [0, 1, 2])
def test_output_may_be_one_of_the_standard_descriptors(tmp_path, number):
    path = tmp_path / "output"
    script = f"""
import os
from tunnel_tui.system import spawn
fd = os.open({str(path)!r}, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC)
os.dup2(fd, {number}, inheritable=False)
script = "echo out; echo err >&2; readlink /proc/self/fd/0"
os.waitpid(spawn.spawn(["/bin/sh", "-c", script], {{}}, {number}), 0)
"""
    subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, timeout=30)
    assert path.read_text().split() == ["out", "err", os.devnull]


def test_environment_is_the_given_one_only(start, tmp_path):
    assert output_of(start, tmp_path, "/usr/bin/env") == "PATH=/bin:/usr/bin\n"


@pytest.mark.parametrize(
    ("program", "words"), [("/no/such/ssh", "not installed"), ("/etc/passwd", "Permission denied")]
)
def test_what_cannot_be_started_says_why(start, program, words):
    with pytest.raises(SpawnError, match=words):
        start(program)


def test_argument_with_nul_is_a_spawn_error(start):
    with pytest.raises(SpawnError):
        start("/bin/true", "a\0b")


def test_fallback_where_posix_spawn_knows_no_session(start, monkeypatch):
    def unsupported(*args, **kwargs):
        raise NotImplementedError("setsid")

    monkeypatch.setattr(os, "posix_spawn", unsupported)
    pid = start()
    assert live(pid).session == pid
    with pytest.raises(SpawnError):
        start("/no/such/ssh")
    signals.send(live(pid), signal.SIGKILL)
    assert not signals.wait_gone([pid], 10)
    assert pid in spawn.reap()


def test_reap_buries_ours_and_nobody_elses(start):
    theirs = subprocess.Popen([SLEEP, "0"])
    ours, alive = start("/bin/true"), start()
    assert not signals.wait_gone([ours, theirs.pid], 10)
    assert spawn.reap() == [ours]
    assert spawn.reap() == []
    assert proc.read_stat(ours) is None
    assert proc.is_alive(alive)
    assert theirs.wait(10) == 0, "a child of somebody else was buried by us"


def test_zombie_is_dead(start, pidfd):
    pid = start("/bin/true")
    assert not signals.wait_gone([pid], 10)
    stat = live(pid)
    assert stat.state == "Z"
    assert not proc.is_alive(pid)
    assert proc.command_line(pid) == ()
    assert not signals.send(stat, signal.SIGTERM)


def test_signal_reaches_exactly_the_process_meant(start, pidfd):
    pid = start()
    stat = live(pid)
    assert not signals.send(stat._replace(start_ticks=stat.start_ticks - 1), signal.SIGKILL)
    assert proc.is_alive(pid), "a process that only has the same pid was signalled"
    assert signals.send(stat, signal.SIGTERM)
    assert signals.wait_gone([pid], 10) == set()
    spawn.reap()
    assert not signals.send(stat, signal.SIGTERM)


@pytest.mark.parametrize("pid", [-(2**70), -1, 0, 1])
def test_never_a_signal_to_everybody(pid, monkeypatch):
    def must_not_be_called(*args):
        raise AssertionError("a signal was sent")

    for name in ("kill", "killpg", "pidfd_open"):
        monkeypatch.setattr(os, name, must_not_be_called)
    stat = proc.ProcessStat(pid, "init", "S", 0, pid, pid, 0)
    with pytest.raises(ValueError, match="refusing"):
        signals.send(stat, signal.SIGTERM)
    with pytest.raises(ValueError, match="refusing"):
        signals.send_group(pid, signal.SIGTERM)
    with pytest.raises(ValueError, match="refusing"):
        signals.send_group(os.getpgrp(), signal.SIGTERM)


def test_group_is_reached_without_its_leader(start):
    """An ssh whose autossh was killed still is in the group of the recorded pid."""
    leader = start("/bin/sh", "-c", "sleep 60 & wait")
    (orphan,) = wait_until(lambda: proc.children(leader), what="the shell's child")
    wait_until(lambda: live(orphan).comm == "sleep", what="exec")
    assert proc.descendants(leader) == (orphan,)
    assert orphan in [stat.pid for stat in proc.scan(frozenset({"sleep"}))]
    signals.send(live(leader), signal.SIGKILL)
    assert not signals.wait_gone([leader], 10)
    spawn.reap()
    assert live(orphan).pgrp == leader
    assert signals.send_group(leader, signal.SIGTERM)
    assert not signals.wait_gone([orphan], 10)
    wait_until(lambda: not signals.send_group(leader, signal.SIGTERM), what="an empty group")


def test_children_of_other_threads_are_children(start):
    script = (
        "import subprocess, threading, time\n"
        "t = threading.Thread(target=lambda: [subprocess.Popen(['sleep', '60']), time.sleep(60)])\n"
        "t.start(); t.join()\n"
    )
    parent = start(sys.executable, "-c", script)
    wait_until(lambda: proc.children(parent), what="a child made by a thread")


def test_children_without_the_kernels_list(start, monkeypatch):
    pid = start()
    monkeypatch.setattr(proc, "_children_of_thread", lambda *args: None)
    assert pid in proc.children(os.getpid())


def test_wait_gone_reports_who_is_still_there(start, pidfd):
    stubborn, quick = start(), start(SLEEP, "0.05")
    started = time.monotonic()
    assert signals.wait_gone([stubborn, quick, 0, 1, -1, 2**22 - 1], 0.5) == {stubborn}
    assert 0.5 <= time.monotonic() - started < 5
    assert signals.wait_gone([stubborn], 0) == {stubborn}
    assert signals.wait_gone([], 10) == set()


def test_wait_gone_returns_at_once_when_they_go(start, pidfd):
    pids = [start() for _ in range(20)]
    for pid in pids:
        signals.send(live(pid), signal.SIGTERM)
    started = time.monotonic()
    assert signals.wait_gone(pids, 30) == set()
    assert time.monotonic() - started < 5


def test_wait_gone_without_a_descriptor_left(start, monkeypatch):
    pid = start(SLEEP, "0.05")

    def too_many(pid):
        raise OSError(24, "Too many open files")

    monkeypatch.setattr(os, "pidfd_open", too_many)
    assert signals.wait_gone([pid], 10) == set()


@as_root
def test_processes_of_others_are_alive_and_owned(start):
    pid = start("/usr/bin/setpriv", "--reuid=12345", "--clear-groups", SLEEP, "60")
    wait_until(lambda: live(pid).comm == "sleep", what="exec")
    assert proc.owner(pid) == (12345, "12345")
    script = f"""
import os, signal  # all imports before: the new user may not be able to read the interpreter
from tunnel_tui.system import proc, signals
os.setuid(23456)
assert proc.is_alive({pid})
assert proc.is_alive({os.getpid()})
try:
    signals.send(proc.read_stat({pid}), 15)
except PermissionError:
    print("refused")
"""
    run = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=30, check=False
    )
    assert (run.stdout, run.stderr) == ("refused\n", "")


@pytest.mark.parametrize(
    ("path", "found"), [("{0}", "{0}/tool"), ("/no:{0}:/bin", "{0}/tool"), ("/no", None)]
)
def test_find_program(tmp_path, path, found):
    for name, mode in (("tool", 0o755), ("data", 0o644)):
        (tmp_path / name).write_text("#!/bin/sh\n")
        (tmp_path / name).chmod(mode)
    environment = {"PATH": path.format(tmp_path)}
    assert spawn.find_program("tool", environment) == (found and found.format(tmp_path))
    assert spawn.find_program("data", environment) is None


def test_find_program_looks_behind_debians_wrapper(tmp_path, monkeypatch):
    wrapper, binary = tmp_path / "autossh", tmp_path / "real"
    monkeypatch.setattr(spawn, "_AUTOSSH_WRAPPER", str(wrapper))
    monkeypatch.setattr(spawn, "_AUTOSSH_BINARY", str(binary))
    wrapper.write_text("#!/bin/sh\n")
    wrapper.chmod(0o755)
    environment = {"PATH": str(tmp_path)}
    assert spawn.find_program("autossh", environment) == str(wrapper)
    binary.write_bytes(b"\x7fELF")
    binary.chmod(0o755)
    assert spawn.find_program("autossh", environment) == str(binary)
    wrapper.write_bytes(b"\x7fELF")
    assert spawn.find_program("autossh", environment) == str(wrapper)


@pytest.fixture
def events(pidfd):
    created = Events()
    yield created
    created.close()


def test_death_is_reported_once(start, events):
    pid, other = start(), start()
    for _ in range(3):
        events.watch_process(pid)
        events.watch_process(other)
    assert events.wait(0.05) == []
    signals.send(live(pid), signal.SIGKILL)
    assert events.wait(10) == [Event("died", pid)]
    events.watch_process(pid)
    assert events.wait(0.05) == [], "announced again as a zombie"
    assert pid in spawn.reap()
    events.watch_process(pid)
    assert events.wait(0.05) == [], "announced again when buried"


def test_death_of_a_stranger_is_reported(start, events):
    """Tunnels that another client started are not our children."""
    shell = start("/bin/sh", "-c", "sleep 60 & wait; wait")
    (pid,) = wait_until(lambda: proc.children(shell), what="a grandchild")
    events.watch_process(pid)
    assert events.wait(0.05) == []
    signals.send(live(pid), signal.SIGKILL)
    assert events.wait(10) == [Event("died", pid)]


def test_unwatched_death_is_not_reported(start, events):
    pid = start()
    events.watch_process(pid)
    events.unwatch_process(pid)
    signals.send(live(pid), signal.SIGKILL)
    signals.wait_gone([pid], 10)
    assert events.wait(0.05) == []


def test_more_processes_than_descriptors(start, monkeypatch):
    monkeypatch.setattr(events_module, "_pidfd_budget", lambda: 2)
    monkeypatch.setattr(events_module, "POLL_INTERVAL", 0.01)
    events = Events()
    pids = [start() for _ in range(6)]
    for pid in pids:
        events.watch_process(pid)
    for pid in pids:
        signals.send(live(pid), signal.SIGKILL)
    found: set[int] = set()
    wait_until(lambda: found.update(e.pid for e in events.wait(0.1)) or found >= set(pids))
    events.close()


@pytest.mark.alone
def test_death_is_noticed_within_milliseconds(start):
    events = Events()
    pids = [start() for _ in range(20)]
    for pid in pids:
        events.watch_process(pid)
    delays = []
    for pid in pids:
        stat = live(pid)
        timer = threading.Timer(0.01, lambda stat=stat: signals.send(stat, signal.SIGKILL))
        timer.start()
        timer.join()
        started = time.monotonic()
        assert events.wait(10) == [Event("died", pid)]
        delays.append(time.monotonic() - started)
    events.close()
    assert sorted(delays)[len(delays) // 2] < 0.02
