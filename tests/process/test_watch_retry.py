"""What fails comes back by itself, unless a person is needed: against a real sshd."""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import Lab, need_program
from tests.support import processes
from tests.support.daemon import Daemon
from tests.support.network import EchoService, free_port, passes
from tests.support.sshd import Sshd
from tests.support.tunnels import as_yaml, inward, outward, state_of, status_of
from tests.support.waiting import wait_until
from tunnel_tui.model import ReasonCode, State, TunnelSpec
from tunnel_tui.state.state_file import StateFile
from tunnel_tui.supervise.actions.lifecycle import stop_tunnel
from tunnel_tui.supervise.watch import maintenance

pytestmark = [pytest.mark.process, pytest.mark.alone]

RunDaemon = Callable[..., Daemon]
MakeSshd = Callable[..., Sshd]


def port_of(spec: TunnelSpec) -> int:
    return int(spec.local_port.rpartition(":")[2])


def refusals(server: Sshd) -> int:
    """Connections that ended before anybody was let in."""
    return server.log.read_text(errors="replace").count("[preauth]")


@pytest.mark.slow
def test_a_server_that_comes_back_is_found_within_ten_seconds(
    lab: Lab, run_daemon: RunDaemon, make_sshd: MakeSshd
) -> None:
    """Away at the start, for long enough that every backoff has reached its longest."""
    server = make_sshd()
    lab.home.add_host("away", server.port)
    server.stop()
    specs = [inward(lab.echo.port, free_port(), name=f"t{n}", host="away") for n in range(12)]
    lab.home.write_config(as_yaml(*specs))
    daemon = run_daemon()
    daemon.wait_for("trying-again", 40, attempt="4")
    attempts = sum(lab.home.log(spec.hash).count("starting ssh") for spec in specs)
    assert attempts < 12 + 8, "each tunnel has tried for itself"
    server.start()
    began = time.monotonic()
    for spec in specs:
        wait_until(lambda spec=spec: passes(port_of(spec)), 15, what=spec.name)  # type: ignore[misc]
    assert time.monotonic() - began < 10
    told = [line for line in daemon.lines(tunnel="t0") if line.get("reason") == "refused"]
    assert len([line for line in told if line["event"] != "trying-again"]) == 1, "no news"


@pytest.mark.slow
def test_what_stood_comes_back_within_ten_seconds_of_a_long_outage(
    lab: Lab, run_daemon: RunDaemon, make_sshd: MakeSshd
) -> None:
    """By then autossh would sleep for longer than that between two attempts."""
    server = make_sshd()
    lab.home.add_host("away", server.port)
    specs = [inward(lab.echo.port, free_port(), name=f"t{n}", host="away") for n in range(3)]
    lab.home.write_config(as_yaml(*specs))
    daemon = run_daemon(variables={"AUTOSSH_GATETIME": "0"})  # else one so young would give up
    before = daemon.wait_running(*specs)
    server.stop()
    daemon.wait_for("trying-again", 90)
    kept = [name for name, pid in before.items() if processes.alive(pid)]
    assert len(kept) >= 2, "one wakes up early, the others sleep on until it has found the server"
    server.start()
    began = time.monotonic()
    for spec in specs:
        wait_until(lambda spec=spec: passes(port_of(spec)), 20, what=spec.name)  # type: ignore[misc]
    assert time.monotonic() - began < 10
    wait_until(lambda: len(lab.home.processes("ssh")) == 3, what="one ssh for each")
    assert len(lab.home.processes("autossh")) == 3


@pytest.mark.parametrize("gate_time", ["", "0"])
def test_a_refused_key_is_tried_three_times_at_most(
    lab: Lab, run_daemon: RunDaemon, make_sshd: MakeSshd, tmp_path: Path, gate_time: str
) -> None:
    """With AUTOSSH_GATETIME=0 autossh repeats it for ever; the watcher does not let it."""
    nobody = tmp_path / "nobody"
    nobody.write_text("")
    server = make_sshd(AuthorizedKeysFile=str(nobody))
    lab.home.add_host("strict", server.port)
    spec = inward(lab.echo.port, free_port(), host="strict")
    other = inward(lab.echo.port, free_port(), name="other")
    lab.home.write_config(as_yaml(spec, other))
    daemon = run_daemon(variables={"AUTOSSH_GATETIME": gate_time} if gate_time else {})
    line = daemon.wait_for("dead", tunnel="web", then="waits for a person")
    assert line["reason"] == "permission-denied"
    daemon.wait_running(other)
    for process in lab.home.processes("autossh"):  # a round of reviving goes on meanwhile
        if process == daemon.pids()["other"]:
            processes.end([process])
    daemon.wait_for("running", count=2, tunnel="other")
    assert 1 <= refusals(server) <= 3
    status = status_of(lab.home, spec)
    assert status.state is State.DEAD
    assert status.reason
    assert status.reason.code is ReasonCode.PERMISSION_DENIED
    nobody.write_text(server.keys.authorized.read_text())
    daemon.hang_up()
    daemon.wait_running(spec)


def test_a_refused_key_after_it_stood(
    lab: Lab, run_daemon: RunDaemon, make_sshd: MakeSshd, tmp_path: Path
) -> None:
    """autossh reconnects what stood, whatever the gate time: here the key was taken away."""
    keys = tmp_path / "authorized"
    server = make_sshd(AuthorizedKeysFile=str(keys))
    keys.write_text(server.keys.authorized.read_text())
    lab.home.add_host("strict", server.port)
    spec = inward(lab.echo.port, free_port(), host="strict")
    lab.home.write_config(as_yaml(spec))
    daemon = run_daemon()
    daemon.wait_running(spec)
    keys.write_text("")
    server.drop_connections()
    daemon.wait_for("dead", then="waits for a person")
    before = refusals(server)
    assert before <= 3
    assert not lab.home.processes("autossh", "ssh")


def test_a_changed_host_key_waits_for_a_person(
    lab: Lab, run_daemon: RunDaemon, make_sshd: MakeSshd
) -> None:
    server = make_sshd()
    lab.home.add_host("other", server.port)
    spec = inward(lab.echo.port, free_port(), host="other")
    lab.home.write_config(as_yaml(spec))
    daemon = run_daemon()
    daemon.wait_running(spec)
    server.stop()
    server.configure(host_key=server.keys.make(f"other_host_{os.getpid()}"))
    server.start()
    line = daemon.wait_for("dead", 60, then="waits for a person")
    assert line["reason"] == "host-key-changed"


def test_what_is_killed_comes_back(lab: Lab, run_daemon: RunDaemon) -> None:
    specs = [
        inward(lab.echo.port, free_port(), name="in"),
        outward(lab.echo.port, free_port(), name="out"),
    ]
    lab.home.write_config(as_yaml(*specs))
    daemon = run_daemon()
    first = daemon.wait_running(*specs)
    processes.end([first["in"]])  # its ssh lives on, and holds the port
    processes.end(
        [pid for pid in lab.home.processes() if pid in processes.descendants(first["out"])]
    )
    processes.end([first["out"]])
    for name in ("in", "out"):
        daemon.wait_for("running", count=2, tunnel=name)
    assert passes(port_of(specs[0]))
    wait_until(lambda: len(lab.home.processes("ssh")) == 2, what="nothing doubled")
    assert len(lab.home.processes("autossh")) == 2


def test_what_a_person_stops_meanwhile_is_not_revived(
    lab: Lab, run_daemon: RunDaemon, make_sshd: MakeSshd
) -> None:
    server = make_sshd()
    server.stop()
    lab.home.add_host("away", server.port)
    spec = inward(lab.echo.port, free_port(), host="away")
    lab.home.write_config(as_yaml(spec))
    daemon = run_daemon()
    daemon.wait_for("trying-again", 30, attempt="2")
    stop_tunnel(lab.home.settings, spec.hash)
    server.start()
    daemon.wait_for("at-rest")
    # Longer than any pause between two attempts.
    deadline = time.monotonic() + 7
    while time.monotonic() < deadline:
        assert state_of(lab.home, spec) is State.STOPPED
        time.sleep(0.2)


def test_lost_entries_are_written_again(lab: Lab, run_daemon: RunDaemon) -> None:
    spec = inward(lab.echo.port, free_port())
    lab.home.write_config(as_yaml(spec))
    daemon = run_daemon()
    pids = daemon.wait_running(spec)
    status = status_of(lab.home, spec)
    StateFile(str(lab.home.state_file)).clear()
    assert maintenance.adopt_lost(lab.home.settings, (status,)) == [spec]
    assert daemon.pids() == pids
    assert maintenance.adopt_lost(lab.home.settings, (status,)) == []


def test_a_log_that_floods_is_capped_and_the_tunnel_stays_running(
    lab: Lab, run_daemon: RunDaemon
) -> None:
    spec = outward(lab.echo.port, free_port())
    lab.home.write_config(as_yaml(spec))
    daemon = run_daemon()
    daemon.wait_running(spec)
    log = lab.home.log_dir / f"tunnel-{spec.hash}.log"
    with log.open("a") as file:
        file.write("noise\n" * 20_000)
    assert maintenance.cap_logs(lab.home.settings, 50_000) == ([log.name], [])
    assert log.stat().st_size < 10_000
    assert state_of(lab.home, spec) is State.RUNNING
    assert maintenance.cap_logs(lab.home.settings, 50_000) == ([], [])


def test_tunnels_from_elsewhere_are_left_alone(lab: Lab, run_daemon: RunDaemon) -> None:
    """Another state file is another household, also with the same configuration."""
    with EchoService() as service:
        spec = inward(service.port, free_port())
        lab.home.write_config(as_yaml(spec))
        daemon = run_daemon()
        pids = daemon.wait_running(spec)
        elsewhere = lab.home.path / "elsewhere"
        variables = {"AUTOSSH_STATE_FILE": str(elsewhere), "XDG_STATE_HOME": f"{elsewhere}.d"}
        other = Daemon(lab.home, "--fresh", variables=variables)
        try:
            other.wait_for("not-started")  # the port is taken
            other.end()
        finally:
            other.close()
        assert daemon.pids() == pids
        assert passes(port_of(spec))


def test_the_kernel_announces_new_addresses() -> None:
    """In a network of its own, so that nothing of this machine changes."""
    need_program("unshare", "ip")
    script = (
        "import select, subprocess; from tunnel_tui.system.network_changes import Routes\n"
        "routes = Routes()\n"
        "def change(*words):\n"
        "    subprocess.run(['ip', *words], check=True)\n"
        "    select.select([routes.descriptor], [], [], 5)\n"
        "    return routes.appeared()\n"
        "change('link', 'set', 'lo', 'up')\n"
        "print(change('addr', 'add', '10.9.8.7/24', 'dev', 'lo'))\n"
        "print(change('addr', 'del', '10.9.8.7/24', 'dev', 'lo'))\n"
    )
    command = ["unshare", "--user", "--map-root-user", "--net", sys.executable, "-c", script]
    path = f"{os.environ['PATH']}:/usr/sbin:/sbin"
    told = subprocess.run(
        command, capture_output=True, text=True, timeout=30, env={**os.environ, "PATH": path}
    )
    if "unshare failed" in told.stderr:
        pytest.skip("no network namespaces here")
    assert told.stdout.split() == ["True", "False"], told.stderr


def test_a_server_that_forbids_the_forward_is_not_asked_again(
    lab: Lab, run_daemon: RunDaemon, make_sshd: MakeSshd
) -> None:
    lab.home.add_host("closed", make_sshd(AllowTcpForwarding="no").port)
    spec = outward(lab.echo.port, free_port(), host="closed")
    lab.home.add_host("away", free_port())
    away = inward(lab.echo.port, free_port(), name="away", host="away")
    lab.home.write_config(as_yaml(spec, away))
    daemon = run_daemon()
    wait_until(lambda: state_of(lab.home, spec) is State.DEAD, 15, what="the refusal")
    reason = status_of(lab.home, spec).reason
    assert reason is not None
    assert reason.code is ReasonCode.FORWARDING_REFUSED
    tries = lab.home.log(spec.hash).count("starting ssh")
    daemon.wait_for("trying-again", 20, count=2, tunnel="away")
    assert lab.home.log(spec.hash).count("starting ssh") == tries
    assert daemon.lines("trying-again", tunnel=spec.name) == []
