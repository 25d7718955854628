"""Starting against a real sshd: RUNNING means that a connection passes."""

import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.conftest import Lab
from tests.support import processes
from tests.support.network import DelayingProxy, EchoService, free_port, passes
from tests.support.sshd import Sshd
from tests.support.tunnels import inward, outward, state_of, status_of
from tests.support.waiting import wait_until
from tunnel_tui.errors import (
    ConfigError,
    FileRefusedError,
    InteractiveTunnelError,
    PortBusyError,
    StateFileError,
)
from tunnel_tui.model import ReasonCode, State, TunnelEntry
from tunnel_tui.observe.observer import Observer
from tunnel_tui.state.state_file import StateFile
from tunnel_tui.supervise.actions.lifecycle import (
    restart_tunnel,
    start_tunnel,
    start_tunnels,
    stop_tunnel,
)
from tunnel_tui.supervise.start import launch as launch_module
from tunnel_tui.system import proc

pytestmark = pytest.mark.process


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("kind", [inward, outward])
def test_running_means_that_a_connection_passes(
    lab: Lab, make_proxy: Callable[..., DelayingProxy], kind: Callable[..., object]
) -> None:
    """50 starts through a server that answers 100 ms late; looked at without a pause."""
    lab.home.add_host("far", make_proxy(lab.sshd.port, round_trip=0.1).port)

    def start_and_stop(number: int) -> list[State]:
        observer = Observer(lab.home.settings)
        port = free_port()
        spec = kind(lab.echo.port, port, host="far", name=f"t{number}")

        def look() -> State:
            statuses = observer.observe([spec])
            return next(s.state for s in statuses if s.spec.hash == spec.hash)

        states = [look()]
        assert start_tunnel(lab.home.settings, spec).verb == "started"
        deadline = time.monotonic() + 30
        while states[-1] is not State.RUNNING:
            assert time.monotonic() < deadline, lab.home.log(spec.hash)
            state = look()
            if state is State.RUNNING:
                assert passes(port), "RUNNING, but nothing comes back"
            if state is not states[-1]:
                states.append(state)
            time.sleep(0.001)
        assert stop_tunnel(lab.home.settings, spec.hash).verb == "stopped"
        assert look() is State.STOPPED
        return states

    with ThreadPoolExecutor(5) as pool:
        seen = list(pool.map(start_and_stop, range(50)))
    assert seen == [[State.STOPPED, State.STARTING, State.RUNNING]] * 50


@pytest.mark.parametrize("kind", [inward, outward])
def test_waiting_returns_when_it_stands(lab: Lab, kind: Callable[..., object]) -> None:
    port = free_port()
    spec = kind(lab.echo.port, port)
    outcome = start_tunnel(lab.home.settings, spec, wait=10)
    assert (outcome.ok, outcome.verb, outcome.message) == (True, "started", "")
    assert passes(port)
    status = status_of(lab.home, spec)
    assert status.state is State.RUNNING
    assert status.pid == outcome.pid


def test_a_second_start_leaves_the_first_alone(lab: Lab) -> None:
    spec = inward(lab.echo.port, free_port())
    first = start_tunnel(lab.home.settings, spec, wait=10)
    second = start_tunnel(lab.home.settings, spec)
    assert (second.ok, second.verb, second.pid) == (True, "already running", first.pid)
    assert len(lab.home.processes("autossh")) == 1


def test_entry_and_log_are_as_documented(lab: Lab) -> None:
    spec = inward(lab.echo.port, free_port(), name="done-hub")
    pid = start_tunnel(lab.home.settings, spec, wait=10).pid
    line = f"server\t{spec.remote_port}\t{spec.local_port}\tremote_to_local\tdone-hub\t{spec.hash}"
    assert lab.home.state_file.read_text() == f"{line}\t{pid}\n"
    assert oct(lab.home.state_file.stat().st_mode)[-3:] == "666"
    assert oct(lab.home.log_dir.stat().st_mode)[-4:] == "1777"
    assert lab.home.log(spec.hash).splitlines()[0].endswith("]: starting done-hub")
    assert stop_tunnel(lab.home.settings, spec.hash).verb == "stopped"
    assert lab.home.state_file.read_text() == ""
    assert os.listdir(lab.home.log_dir) == []


def test_the_process_leads_its_own_session_and_reads_nothing(lab: Lab) -> None:
    pid = start_tunnel(lab.home.settings, inward(lab.echo.port, free_port()), wait=10).pid
    assert pid
    stat = proc.read_stat(pid)
    assert stat
    assert (stat.pgrp, stat.session) == (pid, pid)
    assert Path(f"/proc/{pid}/fd/0").readlink() == Path("/dev/null")


def test_without_autossh_plain_ssh_carries_the_tunnel(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory = lab.home.path / "bin"
    directory.mkdir()
    (directory / "ssh").symlink_to("/usr/bin/ssh")
    monkeypatch.setenv("PATH", str(directory))
    port = free_port()
    spec = inward(lab.echo.port, port)
    outcome = start_tunnel(lab.home.settings, spec, wait=10)
    assert outcome.ok
    assert "will not reconnect" in outcome.message
    assert passes(port)
    assert state_of(lab.home, spec) is State.RUNNING
    assert stop_tunnel(lab.home.settings, spec.hash).verb == "stopped"
    assert lab.home.processes() == []


def test_local_port_busy_is_refused_with_its_holder(lab: Lab) -> None:
    with EchoService() as other:
        spec = inward(lab.echo.port, other.port)
        with pytest.raises(PortBusyError) as caught:
            start_tunnel(lab.home.settings, spec)
        assert f"pid {os.getpid()} " in caught.value.detail
        assert "user root" in caught.value.detail or os.geteuid() != 0
        assert str(other.port) in caught.value.title
        assert state_of(lab.home, spec) is State.STOPPED
        assert lab.home.processes() == []


@pytest.mark.parametrize("which", ["local", "remote"])
def test_a_port_that_is_busy_when_ssh_comes_is_never_running(
    lab: Lab, monkeypatch: pytest.MonkeyPatch, which: str
) -> None:
    """The local check is switched off: somebody took the port after it."""
    monkeypatch.setattr(launch_module, "check_listener", lambda *_: None)
    with EchoService() as other:
        kind = inward if which == "local" else outward
        spec = kind(lab.echo.port, other.port)
        observer = Observer(lab.home.settings)
        stop = threading.Event()
        states: set[State] = set()

        def look() -> None:
            while not stop.is_set():
                states.add(observer.observe([spec])[0].state)

        watcher = threading.Thread(target=look)
        watcher.start()
        outcome = start_tunnel(lab.home.settings, spec, wait=10)
        stop.set()
        watcher.join()
        assert not outcome.ok
        assert State.RUNNING not in states
        status = status_of(lab.home, spec)
        assert status.state is State.DEAD
        assert status.reason
        wanted = ReasonCode.LOCAL_PORT_BUSY if which == "local" else ReasonCode.REMOTE_PORT_BUSY
        assert status.reason.code is wanted
        assert outcome.message == status.reason.text


def test_why_a_start_failed_is_said_at_once(lab: Lab) -> None:
    lab.home.add_host("nobody", free_port())
    spec = inward(lab.echo.port, free_port(), host="nobody")
    outcome = start_tunnel(lab.home.settings, spec, wait=10)
    assert not outcome.ok
    assert outcome.verb == "failed"
    assert "refused" in outcome.message
    assert state_of(lab.home, spec) is State.DEAD


def test_a_silent_server_leaves_it_starting(lab: Lab, make_sshd: Callable[..., Sshd]) -> None:
    server = make_sshd()
    lab.home.add_host("silent", server.port)
    pids = server.freeze()
    spec = inward(lab.echo.port, free_port(), host="silent")
    outcome = start_tunnel(lab.home.settings, spec, wait=1)
    assert outcome.ok
    assert "not connected yet" in outcome.message
    assert state_of(lab.home, spec) is State.STARTING
    processes.end(pids)


def test_interactive_tunnels_are_refused(lab: Lab) -> None:
    spec = inward(lab.echo.port, free_port(), interactive=True)
    with pytest.raises(InteractiveTunnelError, match="auth"):
        start_tunnel(lab.home.settings, spec)
    (outcome,) = start_tunnels(lab.home.settings, [spec])
    assert (outcome.ok, outcome.verb) == (True, "skipped")


def test_a_host_that_is_an_option_is_not_executed(lab: Lab) -> None:
    proof = lab.home.path / "pwned"
    spec = inward(lab.echo.port, free_port(), host=f"-oProxyCommand=touch {proof}")
    with pytest.raises(ConfigError):
        start_tunnel(lab.home.settings, spec)
    (outcome,) = start_tunnels(lab.home.settings, [spec])
    assert not outcome.ok
    assert not proof.exists()
    assert lab.home.processes() == []


def test_a_log_that_is_a_symlink_is_refused(lab: Lab) -> None:
    target = lab.home.path / "precious"
    target.write_text("untouched\n")
    spec = inward(lab.echo.port, free_port())
    lab.home.log_dir.mkdir()
    Path(lab.home.settings.log_file(spec.hash)).symlink_to(target)
    with pytest.raises(FileRefusedError):
        start_tunnel(lab.home.settings, spec)
    assert target.read_text() == "untouched\n"
    assert lab.home.processes() == []


def test_a_socket_path_that_is_a_file_is_not_deleted(lab: Lab) -> None:
    precious = lab.home.path / "precious"
    precious.write_text("untouched\n")
    spec = inward(lab.echo.port, 1)._replace(local_port=str(precious))
    with pytest.raises(FileRefusedError):
        start_tunnel(lab.home.settings, spec)
    assert precious.read_text() == "untouched\n"


def test_a_stale_socket_path_does_not_keep_it_from_starting(lab: Lab) -> None:
    import socket

    path = lab.home.path / "web.sock"
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
    spec = inward(lab.echo.port, 1)._replace(local_port=str(path))
    assert start_tunnel(lab.home.settings, spec, wait=10).ok
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(5)
        client.connect(str(path))
        client.sendall(b"ping")
        assert client.recv(10) == b"ping"


def test_an_entry_that_cannot_be_written_leaves_no_process(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(self: StateFile, entry: TunnelEntry) -> None:
        raise StateFileError("The state file cannot be written", "disk full")

    monkeypatch.setattr(StateFile, "put", full)
    with pytest.raises(StateFileError):
        start_tunnel(lab.home.settings, inward(lab.echo.port, free_port()))
    assert lab.home.processes() == []


def test_killed_between_spawn_and_entry_the_next_start_adopts(lab: Lab) -> None:
    port = free_port()
    spec = inward(lab.echo.port, port)
    pid = start_tunnel(lab.home.settings, spec, wait=10).pid
    StateFile.of(lab.home.settings).clear()
    outcome = start_tunnel(lab.home.settings, spec)
    assert (outcome.ok, outcome.verb, outcome.pid) == (True, "re-adopted", pid)
    assert str(pid) in lab.home.state_file.read_text()
    assert passes(port)


def test_tunnels_of_another_state_file_are_not_adopted(lab: Lab) -> None:
    spec = inward(lab.echo.port, free_port())
    pid = start_tunnel(lab.home.settings, spec, wait=10).pid
    assert pid
    other = lab.home.settings._replace(state_file=str(lab.home.path / "other.state"))
    with pytest.raises(PortBusyError):
        start_tunnel(other, spec)
    assert stop_tunnel(other, spec.hash).verb == "not running"
    assert processes.alive(pid)


def test_restart_gives_a_new_process(lab: Lab) -> None:
    port = free_port()
    spec = inward(lab.echo.port, port)
    before = start_tunnel(lab.home.settings, spec, wait=10).pid
    after = restart_tunnel(lab.home.settings, spec, wait=10)
    assert after.ok
    assert after.pid != before
    assert passes(port)
    assert len(lab.home.processes("autossh")) == 1


def test_many_at_once_are_never_more_than_eight_in_starting(
    lab: Lab, make_sshd: Callable[..., Sshd]
) -> None:
    """A default sshd refuses from ten unauthenticated connections on."""
    server = make_sshd(MaxStartups="10:100:10")
    lab.home.add_host("strict", server.port)
    specs = [
        inward(lab.echo.port, free_port(), host="strict", name=f"t{number}") for number in range(24)
    ]
    seen: list[tuple[int, int]] = []
    outcomes = start_tunnels(
        lab.home.settings, specs, lambda done, total, _: seen.append((done, total))
    )
    assert [outcome.hash for outcome in outcomes] == [spec.hash for spec in specs]
    assert all(outcome.ok for outcome in outcomes), outcomes
    assert seen == [(number, 24) for number in range(1, 25)]
    states = {status.state for status in Observer(lab.home.settings).observe(specs)}
    assert states == {State.RUNNING}


def test_one_bad_tunnel_does_not_keep_the_others(lab: Lab) -> None:
    with EchoService() as other:
        specs = [
            inward(lab.echo.port, other.port, name="busy"),
            inward(lab.echo.port, free_port(), name="bad", host="-bad"),
            inward(lab.echo.port, free_port(), name="good"),
        ]
        outcomes = start_tunnels(lab.home.settings, specs)
    assert [outcome.ok for outcome in outcomes] == [False, False, True]
    assert "in use" in outcomes[0].message


def test_cancelled_starts_are_skipped(lab: Lab) -> None:
    cancel = threading.Event()
    cancel.set()
    specs = [inward(lab.echo.port, free_port(), name=str(n)) for n in range(3)]
    outcomes = start_tunnels(lab.home.settings, specs, cancel=cancel)
    assert {outcome.verb for outcome in outcomes} == {"skipped"}
    assert lab.home.processes() == []


def test_the_slot_of_a_start_that_nobody_waits_for_is_given_back(lab: Lab) -> None:
    state = StateFile.of(lab.home.settings)
    specs = [inward(lab.echo.port, free_port(), name=str(n)) for n in range(10)]
    for spec in specs:
        assert start_tunnel(lab.home.settings, spec).ok

    def all_free() -> bool:
        from contextlib import ExitStack

        from tunnel_tui.errors import LockHeldError

        with ExitStack() as slots:
            try:
                for _ in range(8):
                    slots.enter_context(state.lock_slot(8, 0.0))
            except LockHeldError:
                return False
        return True

    wait_until(all_free, what="eight free slots")
