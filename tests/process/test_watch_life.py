"""The watcher from its start to its end, against a real sshd."""

import os
import pty
import signal
import stat
import subprocess
from collections.abc import Callable

import pytest

from tests.conftest import Lab
from tests.support import processes
from tests.support.daemon import Daemon, zombies_of
from tests.support.network import free_port, passes
from tests.support.tunnels import as_yaml, inward, outward, state_of
from tests.support.waiting import wait_until
from tunnel_tui.model import State
from tunnel_tui.supervise.actions.lifecycle import start_tunnel
from tunnel_tui.supervise.watch.event_log import EventLog
from tunnel_tui.supervise.watch.watcher import Begin, Watcher, watcher_state

pytestmark = pytest.mark.process


def mode(path: object) -> int:
    return stat.S_IMODE(os.stat(str(path)).st_mode)


def test_it_starts_what_the_file_asks_for_and_ends_all_of_it(
    lab: Lab, run_daemon: Callable[..., Daemon]
) -> None:
    here, there, port = free_port(), free_port(), free_port()
    specs = [inward(lab.echo.port, here, name="in"), outward(lab.echo.port, there, name="out")]
    person = inward(lab.echo.port, port, name="person", interactive=True)
    lab.home.write_config(as_yaml(*specs, person))
    daemon = run_daemon()
    daemon.wait_running(*specs)
    assert passes(here)
    assert passes(there)
    assert state_of(lab.home, person) is State.INTERACTIVE
    assert (mode(lab.home.state_file), mode(lab.home.log_dir)) == (0o666, 0o1777)
    code, seconds = daemon.end()
    assert code == 0
    assert seconds < 5
    assert lab.home.state_file.read_text() == ""
    assert os.listdir(lab.home.log_dir) == []
    assert lab.home.processes() == []
    assert [line["event"] for line in daemon.lines()][-1] == "ended"


def test_a_second_one_says_who_watches(lab: Lab, run_daemon: Callable[..., Daemon]) -> None:
    port = free_port()
    lab.home.write_config(as_yaml(inward(lab.echo.port, port)))
    assert watcher_state(lab.home.settings) == (False, None, "")
    daemon = run_daemon()
    daemon.wait_for("running")
    state = watcher_state(lab.home.settings)
    assert state == (True, daemon.pid, f"daemon (pid {daemon.pid})")
    second = lab.home.cli("daemon", "--fresh")
    assert second.returncode == 1
    assert f"daemon (pid {daemon.pid})" in second.stderr
    assert passes(port), "the second one has done something"
    daemon.end()
    assert not watcher_state(lab.home.settings).running


def test_what_runs_is_kept_unless_a_fresh_start_is_asked_for(
    lab: Lab, run_daemon: Callable[..., Daemon]
) -> None:
    spec = inward(lab.echo.port, free_port())
    lab.home.write_config(as_yaml(spec))
    pid = start_tunnel(lab.home.settings, spec, wait=10).pid
    first = run_daemon()
    assert first.wait_running(spec) == {"web": pid}
    first.end(signal.SIGKILL)
    assert processes.alive(pid or 0), "its death took a tunnel along"
    lab.home.state_file.write_text("of an earlier life\n" + lab.home.state_file.read_text())
    stale = lab.home.log_dir / f"tunnel-{'0' * 32}.log"
    stale.write_text("of an earlier life")
    second = run_daemon("--fresh")
    assert second.wait_running(spec) != {"web": pid}
    assert not processes.alive(pid or 0)
    assert not stale.exists()
    assert len(lab.home.state_file.read_text().splitlines()) == 1


def test_in_the_container_a_start_is_fresh(lab: Lab, run_daemon: Callable[..., Daemon]) -> None:
    spec = inward(lab.echo.port, free_port())
    lab.home.write_config(as_yaml(spec))
    pid = start_tunnel(lab.home.settings, spec, wait=10).pid
    container = {"TUNNEL_TUI_USER": "root"}
    kept = run_daemon("--adopt", variables=container)
    assert kept.wait_running(spec) == {"web": pid}
    kept.end(signal.SIGKILL)
    daemon = run_daemon(variables=container)
    assert daemon.wait_running(spec) != {"web": pid}
    assert not processes.alive(pid or 0)


def test_it_may_leave_the_tunnels_running(lab: Lab, run_daemon: Callable[..., Daemon]) -> None:
    port = free_port()
    spec = inward(lab.echo.port, port)
    lab.home.write_config(as_yaml(spec))
    daemon = run_daemon("--keep")
    pids = daemon.wait_running(spec)
    assert daemon.end(signal.SIGINT)[0] == 0
    assert passes(port)
    assert daemon.pids() == pids


def test_a_frozen_ssh_does_not_delay_the_end(lab: Lab, run_daemon: Callable[..., Daemon]) -> None:
    spec = inward(lab.echo.port, free_port())
    lab.home.write_config(as_yaml(spec))
    daemon = run_daemon()
    daemon.wait_running(spec)
    for pid in lab.home.processes("autossh", "ssh"):
        os.kill(pid, signal.SIGSTOP)
    code, seconds = daemon.end()
    assert (code, seconds < 5) == (0, True), seconds
    assert lab.home.processes() == []


def test_it_ends_at_once_while_starts_hang(lab: Lab, run_daemon: Callable[..., Daemon]) -> None:
    """Twelve tunnels to a server that accepts and never says anything."""
    import socket

    with socket.create_server(("127.0.0.1", 0), backlog=64) as silent:
        lab.home.add_host("silent", silent.getsockname()[1])
        specs = [inward(lab.echo.port, free_port(), name=f"t{n}", host="silent") for n in range(12)]
        lab.home.write_config(as_yaml(*specs))
        daemon = run_daemon()
        wait_until(lambda: len(daemon.pids()) == 8, what="eight in STARTING")
        code, seconds = daemon.end()
    assert (code, seconds < 5) == (0, True), seconds
    assert lab.home.processes() == []
    assert lab.home.state_file.read_text() == ""


def test_nobody_stays_unburied(lab: Lab, run_daemon: Callable[..., Daemon]) -> None:
    specs = [inward(lab.echo.port, free_port(), name=f"t{n}") for n in range(3)]
    lab.home.write_config(as_yaml(*specs))
    daemon = run_daemon()
    daemon.wait_running(*specs)
    for number in range(4):
        processes.end(list(daemon.pids().values()))
        for spec in specs:
            daemon.wait_for("running", count=number + 2, tunnel=spec.name)
    wait_until(lambda: not zombies_of(daemon.pid), what="no zombies")
    assert len(lab.home.processes("autossh")) == 3


def test_its_reader_may_go_away(lab: Lab) -> None:
    port = free_port()
    lab.home.write_config(as_yaml(inward(lab.echo.port, port)))
    process = subprocess.Popen(
        lab.home.command("daemon"),
        env=lab.home.variables,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
    )
    assert process.stdout
    process.stdout.close()
    try:
        wait_until(lambda: passes(port), 15, what="traffic")
        process.terminate()
        assert process.wait(10) == 0
    finally:
        process.kill()
        process.wait()
    assert lab.home.processes() == []


def test_a_closed_terminal_ends_the_watch_and_no_tunnel(lab: Lab) -> None:
    port = free_port()
    lab.home.write_config(as_yaml(inward(lab.echo.port, port)))
    pid, terminal = pty.fork()
    if pid == 0:
        command = lab.home.command("daemon")
        os.execve(command[0], command, lab.home.variables)
    try:
        wait_until(lambda: passes(port), 15, what="traffic")
    finally:
        os.close(terminal)
    wait_until(lambda: os.waitpid(pid, os.WNOHANG)[0] == pid, 10, what="the watcher's end")
    assert passes(port)


def test_a_state_file_that_cannot_be_used_is_refused(lab: Lab) -> None:
    lab.home.write_config(as_yaml())
    lab.home.state_file.symlink_to("/etc/passwd")
    refused = lab.home.cli("daemon")
    assert refused.returncode == 1
    assert "symlink" in refused.stderr
    assert not watcher_state(lab.home.settings).running


def test_the_app_may_watch_in_a_thread(lab: Lab) -> None:
    """Adopting: nothing is started because somebody opens a window; changes are applied."""
    first, second = (inward(lab.echo.port, free_port(), name=name) for name in ("a", "b"))
    lab.home.write_config(as_yaml(first))
    said: list[str] = []
    watcher = Watcher(lab.home.settings, EventLog(said.append), begin=Begin.ADOPT)
    watcher.start()
    try:
        assert watcher_state(lab.home.settings).description == f"app (pid {os.getpid()})"
        wait_until(lambda: any("event=adopted" in line for line in said), what="adopted")
        lab.home.write_config(as_yaml(first, second))
        wait_until(lambda: state_of(lab.home, second) is State.RUNNING, what="the new one up")
        assert state_of(lab.home, first) is State.STOPPED
    finally:
        watcher.stop()
    assert not watcher_state(lab.home.settings).running
    assert state_of(lab.home, second) is State.RUNNING
