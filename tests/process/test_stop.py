"""Stopping and cleaning up: nothing of ours stays, nothing of others is touched."""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.conftest import Lab
from tests.support import processes
from tests.support.network import free_port, passes
from tests.support.tunnels import inward, outward, state_of, status_of
from tests.support.waiting import wait_until
from tunnel_tui.model import State, TunnelEntry, TunnelSpec
from tunnel_tui.settings import Settings
from tunnel_tui.state.state_file import StateFile
from tunnel_tui.supervise.actions import cleanup
from tunnel_tui.supervise.actions.cleanup import clean_up
from tunnel_tui.supervise.actions.lifecycle import (
    start_tunnel,
    start_tunnels,
    stop_tunnel,
    stop_tunnels,
)
from tunnel_tui.supervise.process import terminate
from tunnel_tui.supervise.process.process_tree import ProcessTable
from tunnel_tui.supervise.process.watcher_lock import WatcherLock

pytestmark = pytest.mark.process


@pytest.fixture
def stranger() -> Iterator["subprocess.Popen[bytes]"]:
    """A process that is nobody's tunnel."""
    process = subprocess.Popen(["sleep", "300"], start_new_session=True)
    yield process
    process.kill()
    process.wait()


def _start(lab: Lab, spec: TunnelSpec) -> int:
    outcome = start_tunnel(lab.home.settings, spec, wait=15)
    assert outcome.ok, outcome
    assert outcome.pid
    return outcome.pid


def _kill(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: not processes.alive(pid), what="end of the killed process")


@pytest.mark.parametrize("way", ["stop", "stop all", "cleanup", "start"])
@pytest.mark.parametrize("kind", [inward, outward])
def test_killed_autossh_is_dead_and_no_ssh_is_left_behind(
    lab: Lab, way: str, kind: Callable[..., TunnelSpec]
) -> None:
    port = free_port()
    spec = kind(lab.echo.port, port)
    pid = _start(lab, spec)
    ssh = status_of(lab.home, spec).ssh_pid
    assert ssh
    _kill(pid)
    assert state_of(lab.home, spec) is State.DEAD
    assert processes.alive(ssh)
    if way == "stop":
        assert stop_tunnel(lab.home.settings, spec.hash).ok
    elif way == "stop all":
        assert all(outcome.ok for outcome in stop_tunnels(lab.home.settings, None))
    elif way == "cleanup":
        (outcome,) = clean_up(lab.home.settings, [spec])
        assert outcome.verb == "removed"
        assert str(ssh) in outcome.message
    else:
        assert _start(lab, spec) != pid
        assert passes(port)
        assert len(lab.home.processes("ssh")) == 1
    assert not processes.alive(ssh)
    if way != "start":
        assert lab.home.processes() == []
        assert state_of(lab.home, spec) is State.STOPPED


def test_a_killed_ssh_is_replaced_by_autossh(lab: Lab) -> None:
    port = free_port()
    spec = inward(lab.echo.port, port)
    pid = _start(lab, spec)
    ssh = status_of(lab.home, spec).ssh_pid
    assert ssh
    _kill(ssh)

    def is_back() -> bool:
        status = status_of(lab.home, spec)
        return status.state is State.RUNNING and status.ssh_pid != ssh

    wait_until(is_back, 20.0, what="another ssh")
    status = status_of(lab.home, spec)
    assert (status.pid, status.reconnects) == (pid, 1)
    assert passes(port)


@pytest.mark.parametrize("which", ["ssh", "autossh", "both"])
def test_stopped_processes_are_ended(lab: Lab, which: str) -> None:
    """SIGSTOP: TERM alone would wait for ever."""
    spec = inward(lab.echo.port, free_port())
    pid = _start(lab, spec)
    ssh = status_of(lab.home, spec).ssh_pid
    assert ssh
    for frozen in (ssh, pid):
        if which == "both" or frozen == (ssh if which == "ssh" else pid):
            os.kill(frozen, signal.SIGSTOP)
    before = time.monotonic()
    assert stop_tunnel(lab.home.settings, spec.hash).verb == "stopped"
    assert time.monotonic() - before < 6
    assert lab.home.processes() == []


def test_a_process_that_ignores_term_is_killed_after_the_grace(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    stubborn = lab.home.path / "bin"
    stubborn.mkdir()
    (stubborn / "ssh").write_text("#!/bin/bash\ntrap '' TERM\nwhile :; do sleep 1; done\n")
    (stubborn / "ssh").chmod(0o755)
    monkeypatch.setenv("PATH", f"{stubborn}:{os.environ['PATH']}")
    specs = [inward(lab.echo.port, free_port(), name=str(n)) for n in range(6)]
    for spec in specs:
        assert start_tunnel(lab.home.settings, spec).ok
    wait_until(lambda: len(lab.home.processes("bash")) >= 6, what="stubborn stand-ins")
    before = time.monotonic()
    outcomes = stop_tunnels(lab.home.settings, None, grace=2.0)
    took = time.monotonic() - before
    assert [outcome.verb for outcome in outcomes] == ["stopped"] * 6
    assert 1.5 < took < 5, "all together, not one after the other"
    wait_until(lambda: lab.home.processes() == [], what="end of all")


def test_stop_all_is_parallel_and_leaves_nothing(lab: Lab) -> None:
    specs = [inward(lab.echo.port, free_port(), name=str(n)) for n in range(12)]
    assert all(outcome.ok for outcome in start_tunnels(lab.home.settings, specs))
    (lab.home.log_dir / ("tunnel-" + "0" * 32 + ".log")).write_text("left over\n")
    seen = []
    before = time.monotonic()
    outcomes = stop_tunnels(lab.home.settings, None, lambda *values: seen.append(values[:2]))
    assert time.monotonic() - before < 5
    assert {outcome.verb for outcome in outcomes} == {"stopped"}
    assert seen == [(number, 12) for number in range(1, 13)]
    assert lab.home.processes() == []
    assert lab.home.state_file.read_text() == ""
    assert os.listdir(lab.home.log_dir) == []


def test_stop_all_finds_what_has_no_entry(lab: Lab) -> None:
    spec = inward(lab.echo.port, free_port())
    _start(lab, spec)
    StateFile.of(lab.home.settings).clear()
    (outcome,) = stop_tunnels(lab.home.settings, None)
    assert (outcome.hash, outcome.verb) == (spec.hash, "stopped")
    assert lab.home.processes() == []


def test_stopping_what_does_not_run(lab: Lab) -> None:
    outcome = stop_tunnel(lab.home.settings, "a" * 32, name="web")
    assert (outcome.ok, outcome.verb, outcome.name) == (True, "not running", "web")
    assert stop_tunnels(lab.home.settings, None) == []


def test_helpers_of_a_proxy_command_end_with_the_tunnel(lab: Lab) -> None:
    """Also when both autossh and ssh were killed: the helper is found by its environment."""
    through = f"ssh -F {lab.home.ssh_config} -o BatchMode=yes -W 127.0.0.1:{lab.sshd.port} server"
    through += " -o StrictHostKeyChecking=accept-new -o UserKnownHostsFile=/dev/null"
    lab.home.add_host("proxied", lab.sshd.port, ProxyCommand=f"sh -c 'sleep 300 & exec {through}'")
    spec = inward(lab.echo.port, free_port(), host="proxied")
    pid = _start(lab, spec)
    ssh = status_of(lab.home, spec).ssh_pid
    assert ssh
    _kill(pid)
    _kill(ssh)
    assert lab.home.processes("sleep")
    assert stop_tunnel(lab.home.settings, spec.hash).ok
    assert lab.home.processes() == []


def _recorder(
    name: str, real: Callable[..., None], sent: list[tuple[str, int]]
) -> Callable[..., None]:
    """Note a signal instead of sending it, unless a test tidies up after itself."""

    def record(target: int, signum: int, *rest: object) -> None:
        import sys

        caller = sys._getframe(1).f_globals["__name__"]
        if signum and caller.startswith("tunnel_tui."):
            sent.append((f"{name}({target})", signum))
        else:
            real(target, signum, *rest)

    return record


class TestStateFileWithStrangers:
    """Pids that must not be signalled, whatever the file says."""

    @pytest.fixture
    def sent(self, lab: Lab, monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
        """Record every signal that would be sent."""
        sent: list[tuple[str, int]] = []
        for owner, name in (
            (os, "kill"),
            (os, "killpg"),
            (signal, "pidfd_send_signal"),
        ):
            monkeypatch.setattr(owner, name, _recorder(name, getattr(owner, name), sent))
        return sent

    def _write(self, lab: Lab, pid: int | str) -> TunnelSpec:
        spec = inward(8000, free_port())
        entry = TunnelEntry.of(spec, 0)
        lab.home.state_file.write_text("\t".join([*entry[:6], str(pid)]) + "\n")
        lab.home.log_dir.mkdir()
        Path(lab.home.settings.log_file(spec.hash)).write_text("old\n")
        return spec

    @pytest.mark.parametrize("pid", ["-1", "0", "1", "-4", "00000000001", "99999999999999999999"])
    @pytest.mark.parametrize("way", ["cleanup", "stop", "stop all", "start"])
    def test_pids_that_would_reach_everything(
        self, lab: Lab, sent: list[tuple[str, int]], pid: str, way: str
    ) -> None:
        spec = self._write(lab, pid)
        if way == "cleanup":
            (outcome,) = clean_up(lab.home.settings, [spec])
            assert outcome.verb == "removed"
            assert "web" in outcome.message
        elif way == "stop":
            assert stop_tunnel(lab.home.settings, spec.hash).verb == "not running"
            clean_up(lab.home.settings, [spec])
        elif way == "stop all":
            stop_tunnels(lab.home.settings, None)
        else:
            assert start_tunnels(lab.home.settings, [spec])[0].verb == "started"
            assert sent == []
            return
        assert lab.home.state_file.read_text() == ""
        assert sent == []

    @pytest.mark.parametrize("way", ["cleanup", "stop", "stop all"])
    def test_a_stranger(
        self,
        lab: Lab,
        sent: list[tuple[str, int]],
        stranger: "subprocess.Popen[bytes]",
        way: str,
    ) -> None:
        spec = self._write(lab, stranger.pid)
        if way == "cleanup":
            (outcome,) = clean_up(lab.home.settings, [spec])
        elif way == "stop":
            outcome = stop_tunnel(lab.home.settings, spec.hash)
        else:
            (outcome,) = stop_tunnels(lab.home.settings, None)
        assert (outcome.ok, outcome.verb) == (True, "removed")
        assert str(stranger.pid) in outcome.message
        assert "not" in outcome.message
        assert sent == []
        assert lab.home.state_file.read_text() == ""
        assert os.listdir(lab.home.log_dir) == []

    def test_a_persons_own_ssh(self, lab: Lab, sent: list[tuple[str, int]]) -> None:
        """An ssh to the same host without the tunnel's forward is not the tunnel."""
        options = ("BatchMode=yes", "StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null")
        command = ["ssh", "-F", str(lab.home.ssh_config), "-N", "server"]
        command[1:1] = [word for option in options for word in ("-o", option)]
        own = subprocess.Popen(command, env=lab.home.variables, stderr=subprocess.DEVNULL)
        spec = self._write(lab, own.pid)
        wait_until(lambda: processes.command_line(own.pid)[:1] == ["ssh"])
        assert stop_tunnel(lab.home.settings, spec.hash).verb == "removed"
        assert sent == []
        assert own.poll() is None

    def test_a_zombie(self, lab: Lab, sent: list[tuple[str, int]]) -> None:
        child = subprocess.Popen(["true"])
        wait_until(lambda: not processes.alive(child.pid), what="the child being a zombie")
        spec = self._write(lab, child.pid)
        assert state_of(lab.home, spec) is State.DEAD
        (outcome,) = clean_up(lab.home.settings, [spec])
        assert outcome.verb == "removed"
        assert sent == []
        child.wait()


def test_cleanup_leaves_live_tunnels_alone_and_is_silent_about_them(lab: Lab) -> None:
    port = free_port()
    spec = inward(lab.echo.port, port)
    pid = _start(lab, spec)
    before = lab.home.state_file.read_text()
    assert clean_up(lab.home.settings, []) == []
    assert lab.home.state_file.read_text() == before
    assert processes.alive(pid)
    assert passes(port)


def test_cleanup_looks_at_all_processes_as_often_for_many_tunnels_as_for_one(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[ProcessTable] = []

    class Counted(ProcessTable):
        def __init__(self, settings: Settings) -> None:
            super().__init__(settings)
            looks.append(self)

    monkeypatch.setattr(cleanup, "ProcessTable", Counted)
    specs = [inward(lab.echo.port, free_port(), name=f"web-{number}") for number in range(4)]
    counts = []
    for spec in specs:
        _start(lab, spec)
        looks.clear()
        assert clean_up(lab.home.settings, specs) == []
        counts.append(len(looks))
    assert counts == [1, 1, 1, 1]


def test_cleanup_leaves_to_a_watcher_what_it_starts_again(lab: Lab) -> None:
    """Without its entry it would count as stopped by somebody."""
    spec, unwanted = inward(lab.echo.port, free_port()), inward(lab.echo.port, free_port())
    for tunnel in (spec, unwanted):
        _kill(_start(lab, tunnel))
    settings = lab.home.settings
    lock = WatcherLock(settings, "daemon")
    lock.take()
    try:
        told = [
            (outcome.hash, outcome.verb, outcome.message) for outcome in clean_up(settings, [spec])
        ]
        assert (spec.hash, "kept", "the watcher tries it again") in told
        assert {verb for digest, verb, _ in told if digest == unwanted.hash} == {"removed"}
        assert lab.home.processes() == [], "what was left behind is ended all the same"
        assert lab.home.log(spec.hash)
        entries = StateFile.of(settings).read().entries
        assert [entry.hash for entry in entries] == [spec.hash]
    finally:
        lock.release()
    assert [outcome.verb for outcome in clean_up(settings, [spec])] == ["removed"]
    assert state_of(lab.home, spec) is State.STOPPED


def test_cleanup_repairs_the_file(lab: Lab) -> None:
    port = free_port()
    spec = inward(lab.echo.port, port)
    pid = _start(lab, spec)
    good = lab.home.state_file.read_text()
    old = "\t".join([*TunnelEntry.of(spec, 4194000)[:6], "4194000"]) + "\n"
    lab.home.state_file.write_bytes(
        b"half a li" + b"\n" + old.encode() + good.encode() + b"\xff\xfe\0\n" + old.encode()
    )
    outcomes = clean_up(lab.home.settings, [spec])
    assert {outcome.verb for outcome in outcomes} == {"removed"}
    assert any("half a li" in outcome.message for outcome in outcomes)
    assert lab.home.state_file.read_text() == good
    assert processes.alive(pid)
    assert clean_up(lab.home.settings, [spec]) == []


def test_cleanup_adopts_what_is_configured_and_ends_what_nobody_wants(lab: Lab) -> None:
    wanted = inward(lab.echo.port, free_port(), name="wanted")
    unwanted = inward(lab.echo.port, free_port(), name="unwanted")
    pid, other = _start(lab, wanted), _start(lab, unwanted)
    StateFile.of(lab.home.settings).clear()
    outcomes = {outcome.hash: outcome for outcome in clean_up(lab.home.settings, [wanted])}
    assert outcomes[wanted.hash].verb == "re-adopted"
    assert outcomes[unwanted.hash].verb == "removed"
    assert processes.alive(pid)
    assert not processes.alive(other)
    assert state_of(lab.home, wanted) is State.RUNNING
    assert lab.home.state_file.read_text().split("\t")[5] == wanted.hash


def test_cleanup_removes_only_stale_control_sockets(lab: Lab) -> None:
    import socket

    directory = Path(lab.home.settings.socket_dir)
    directory.mkdir(mode=0o700)
    with socket.socket(socket.AF_UNIX) as gone, socket.socket(socket.AF_UNIX) as here:
        gone.bind(str(directory / "stale"))
        here.bind(str(directory / "live"))
        here.listen()
        gone.close()
        (directory / "file").write_text("no socket")
        (outcome,) = clean_up(lab.home.settings, [])
    assert (outcome.name, outcome.verb) == ("stale", "removed")
    assert sorted(os.listdir(directory)) == ["file", "live"]


def test_what_cannot_be_ended_is_said_and_stays_registered(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = inward(lab.echo.port, free_port())
    pid = _start(lab, spec)

    def forbidden(stat: object, signum: int) -> bool:
        raise PermissionError

    monkeypatch.setattr(terminate.signals, "send", forbidden)
    monkeypatch.setattr(terminate, "_AFTER_KILL", 0.1)
    outcome = stop_tunnel(lab.home.settings, spec.hash, grace=0.2)
    assert (outcome.ok, outcome.verb) == (False, "failed")
    assert "belongs to user" in outcome.message
    assert str(pid) in lab.home.state_file.read_text()
    assert Path(lab.home.settings.log_file(spec.hash)).exists()
