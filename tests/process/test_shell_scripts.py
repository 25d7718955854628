"""Tunnels of the shell scripts, with and without our tag: shown, stopped, cleaned."""

import os
import signal
import subprocess
from collections.abc import Callable, Iterator

import pytest

from tests.conftest import Lab
from tests.support import processes
from tests.support.network import free_port, passes
from tests.support.tunnels import inward, outward, state_of, status_of
from tests.support.waiting import wait_until
from tunnel_tui.model import State, TunnelEntry, TunnelSpec
from tunnel_tui.ssh.command import same_command
from tunnel_tui.supervise.actions.apply import plan_changes
from tunnel_tui.supervise.actions.cleanup import clean_up
from tunnel_tui.supervise.actions.lifecycle import start_tunnel, stop_tunnel, stop_tunnels

pytestmark = pytest.mark.process

Start = Callable[..., int]


@pytest.fixture
def start_by_script(lab: Lab) -> Iterator[Start]:
    """Start a tunnel as the scripts do: `sh` puts autossh into its own group, writes the line."""
    shells: list[subprocess.Popen[bytes]] = []

    def start(spec: TunnelSpec, *, tagged: bool) -> int:
        lab.home.log_dir.mkdir(exist_ok=True)
        forward = spec.forward()
        log = lab.home.settings.log_file(spec.hash)
        words = [
            "autossh -M 0 -o ServerAliveInterval=30 -o ServerAliveCountMax=3",
            "-o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null",
            f"-F {lab.home.ssh_config}",
            f"-o SetEnv=TUNNEL_HASH={spec.hash}" if tagged else "",
            f"-N {forward.kind.value} {forward.argument} {spec.remote_host}",
        ]
        columns = "\\t".join(TunnelEntry.of(spec, 0)[:6])
        script = f"{' '.join(words)} >>{log} 2>&1 &\n"
        script += f'printf "{columns}\\t%s\\n" $! >>{lab.home.state_file}\n'
        script += "sleep 300 & echo ready; wait\n"
        shell = subprocess.Popen(
            ["sh", "-c", script],
            env=lab.home.variables,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            start_new_session=True,
        )
        shells.append(shell)
        assert shell.stdout
        assert shell.stdout.readline() == b"ready\n"
        pid = int(lab.home.state_file.read_text().split()[-1])
        assert pid != os.getpgid(pid), "not the leader of its group"
        return pid

    yield start
    for shell in shells:
        shell.kill()
        shell.wait()
        if shell.stdout:
            shell.stdout.close()


@pytest.mark.parametrize("tagged", [False, True])
@pytest.mark.parametrize("kind", [inward, outward])
def test_shown_and_stopped(
    lab: Lab, start_by_script: Start, kind: Callable[..., TunnelSpec], tagged: bool
) -> None:
    port = free_port()
    spec = kind(lab.echo.port, port, name="script")
    pid = start_by_script(spec, tagged=tagged)
    wait_until(lambda: passes(port), what="the tunnel of the script")
    status = status_of(lab.home, spec)
    assert (status.state, status.pid) == (State.RUNNING, pid)
    assert status.confirmed is (kind is inward)
    outcome = stop_tunnel(lab.home.settings, spec.hash)
    assert (outcome.ok, outcome.verb) == (True, "stopped")
    assert lab.home.processes("autossh", "ssh") == []
    assert lab.home.processes("sleep"), "the rest of its process group is not ours"
    assert lab.home.state_file.read_text() == ""
    assert os.listdir(lab.home.log_dir) == []
    assert state_of(lab.home, spec) is State.STOPPED


@pytest.mark.parametrize("tagged", [False, True])
@pytest.mark.parametrize("way", ["stop", "stop all", "cleanup", "start"])
def test_its_orphan_is_ended(lab: Lab, start_by_script: Start, tagged: bool, way: str) -> None:
    port = free_port()
    spec = inward(lab.echo.port, port, name="script")
    pid = start_by_script(spec, tagged=tagged)
    wait_until(lambda: passes(port), what="the tunnel of the script")
    (ssh,) = lab.home.processes("ssh")
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: not processes.alive(pid))
    assert state_of(lab.home, spec) is State.DEAD
    if way == "stop":
        assert stop_tunnel(lab.home.settings, spec.hash).ok
    elif way == "stop all":
        assert all(outcome.ok for outcome in stop_tunnels(lab.home.settings, None))
    elif way == "cleanup":
        outcomes = clean_up(lab.home.settings, [spec])
        assert any(str(ssh) in outcome.message for outcome in outcomes)
    else:
        assert start_tunnel(lab.home.settings, spec, wait=10).verb == "started"
        assert passes(port)
    assert not processes.alive(ssh)
    assert lab.home.processes("sleep")


@pytest.mark.parametrize("tagged", [False, True])
def test_a_live_one_is_kept_by_start_cleanup_and_plan(
    lab: Lab, start_by_script: Start, tagged: bool
) -> None:
    port = free_port()
    spec = inward(lab.echo.port, port, name="script")
    pid = start_by_script(spec, tagged=tagged)
    wait_until(lambda: passes(port), what="the tunnel of the script")
    assert start_tunnel(lab.home.settings, spec).verb == "already running"
    assert clean_up(lab.home.settings, [spec]) == []
    assert [kept.hash for kept in plan_changes(lab.home.settings, [spec]).keep] == [spec.hash]
    assert processes.alive(pid)
    other = spec._replace(local_port=f"127.0.0.1:{free_port()}")
    assert not same_command(lab.home.settings, other, TunnelEntry.of(other, pid))


def test_a_persons_own_ssh_with_the_same_forward_is_left_alone(lab: Lab) -> None:
    """`ssh -f -N -L …` typed by hand leads its own session; the dead entry is not its business."""
    port = free_port()
    spec = inward(lab.echo.port, port)
    command = ["ssh", "-F", str(lab.home.ssh_config), "-o", "BatchMode=yes"]
    command += ["-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null"]
    command += ["-N", "-L", spec.forward().argument, "server"]
    own = subprocess.Popen(
        command, env=lab.home.variables, stderr=subprocess.DEVNULL, start_new_session=True
    )
    wait_until(lambda: passes(port))
    line = TunnelEntry.of(spec, 4194000)
    lab.home.state_file.write_text("\t".join([*line[:6], "4194000"]) + "\n")
    assert stop_tunnel(lab.home.settings, spec.hash).verb == "not running"
    assert own.poll() is None
