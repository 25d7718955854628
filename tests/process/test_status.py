"""States of real tunnels: real autossh, real ssh, real sshd."""

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.conftest import Lab, need_program
from tests.support import processes
from tests.support.network import DelayingProxy, EchoService, free_port, passes
from tests.support.sshd import Sshd
from tests.support.waiting import wait_until
from tunnel_tui.model import (
    Direction,
    ReasonCode,
    State,
    TunnelEntry,
    TunnelSpec,
    TunnelStatus,
    tunnel_hash,
)
from tunnel_tui.observe.observer import Observer
from tunnel_tui.settings import LOG_CAP
from tunnel_tui.ssh import features
from tunnel_tui.ssh.log.retained_lines import what_stays
from tunnel_tui.ssh.marks import OWN_LOG
from tunnel_tui.state.state_file import StateFile
from tunnel_tui.system.files import make_directory, open_log
from tunnel_tui.system.proc import read_stat
from tunnel_tui.system.spawn import find_program, reap, spawn

pytestmark = pytest.mark.process

LOG_VERBOSE = f"LogVerbose={features.LOG_VERBOSE}"
OPTIONS = (
    "ExitOnForwardFailure=yes",
    "BatchMode=yes",
    "ConnectTimeout=3",
    "ServerAliveInterval=1",
    "ServerAliveCountMax=2",
    "ControlMaster=no",
    "ControlPath=none",
    "StrictHostKeyChecking=no",
    "UserKnownHostsFile=/dev/null",
    "LogLevel=VERBOSE",
)


def make_spec(
    remote: str,
    local: str,
    host: str = "server",
    direction: Direction = Direction.REMOTE_TO_LOCAL,
    name: str = "t",
    **more: object,
) -> TunnelSpec:
    digest = tunnel_hash(name, host, remote, local, direction, "false")
    return TunnelSpec(name, host, remote, local, direction, False, digest)._replace(**more)  # type: ignore[arg-type]


class Runner:
    """Starts tunnels the way the program does, and ends what it started."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.settings = lab.home.settings
        self.observer = Observer(self.settings)
        self.state = StateFile.of(self.settings)
        make_directory(self.settings.log_dir, 0o777)

    def command(
        self, spec: TunnelSpec, *extra: str, logs_forward_state: bool = True, tag: bool = True
    ):  # type: ignore[no-untyped-def]
        forward = spec.forward()
        options = list(OPTIONS)
        if logs_forward_state:
            options.append(LOG_VERBOSE)
            extra = ("-E", OWN_LOG, *extra)
        if tag:
            options.append(f"SetEnv=TUNNEL_HASH={spec.hash}")
        words = [word for option in options for word in ("-o", option)]
        return [
            "-N",
            "-T",
            *words,
            "-F",
            str(self.lab.home.ssh_config),
            *extra,
            forward.kind.value,
            forward.argument,
            spec.remote_host,
        ]

    def start(
        self,
        spec: TunnelSpec,
        *extra: str,
        program: str = "autossh",
        logs_forward_state: bool = True,
        tag: bool = True,
        gate: str | None = None,
        register: bool = True,
    ) -> int:
        found = find_program(program, self.lab.home.variables)
        assert found
        argv = [found, *(["-M", "0"] if program == "autossh" else [])]
        argv += self.command(spec, *extra, logs_forward_state=logs_forward_state, tag=tag)
        log = self.settings.log_file(spec.hash)
        environment = dict(self.lab.home.variables)
        if logs_forward_state:
            environment |= {"AUTOSSH_LOGFILE": OWN_LOG, "AUTOSSH_LOGLEVEL": "6"}
            environment["AUTOSSH_POLL"] = "30"
        if gate is not None:
            environment["AUTOSSH_GATETIME"] = gate
        fd = open_log(log)
        if logs_forward_state:
            os.write(fd, b"2026/11/22 14:02:07 tunnel-tui[%d]: starting t\n" % os.getpid())
        pid = spawn(argv, environment, fd)
        os.close(fd)
        if register:
            self.state.put(TunnelEntry.of(spec, pid))
        return pid

    def look(self, spec: TunnelSpec, fresh: bool = False, **options: bool) -> TunnelStatus:
        reap()
        observer = Observer(self.settings) if fresh else self.observer
        return observer.observe([spec], **options)[0]

    def wait(self, spec: TunnelSpec, state: State, deadline: float = 10.0) -> TunnelStatus:
        seen: list[TunnelStatus] = []

        def there() -> bool:
            seen.append(self.look(spec))
            return seen[-1].state is state

        try:
            wait_until(there, deadline, f"{state}")
        except AssertionError as error:
            log = self.lab.home.log(spec.hash)
            raise AssertionError(f"{error}\nlast: {seen[-1]}\nlog:\n{log}") from None
        return seen[-1]


@pytest.fixture
def runner(lab: Lab) -> Iterator[Runner]:
    need_program("autossh")
    yield Runner(lab)
    lab.home.close()
    reap()


def local_spec(runner: Runner, port: int, **more: object) -> TunnelSpec:
    return make_spec(f"127.0.0.1:{runner.lab.echo.port}", f"127.0.0.1:{port}", **more)  # type: ignore[arg-type]


def remote_spec(runner: Runner, port: int, **more: object) -> TunnelSpec:
    return make_spec(
        f"127.0.0.1:{port}",
        f"127.0.0.1:{runner.lab.echo.port}",
        direction=Direction.LOCAL_TO_REMOTE,
        **more,  # type: ignore[arg-type]
    )


def test_nobody_started_it(runner: Runner) -> None:
    spec = local_spec(runner, free_port())
    assert runner.look(spec).state is State.STOPPED
    assert runner.look(spec._replace(interactive=True)).state is State.INTERACTIVE


@pytest.mark.parametrize("program", ["autossh", "ssh"])
@pytest.mark.parametrize("make", [local_spec, remote_spec])
def test_running_means_that_traffic_passes(
    runner: Runner,
    make: Callable[..., TunnelSpec],
    program: str,
    make_proxy: Callable[..., DelayingProxy],
) -> None:
    """With a server 100 ms away: STARTING until the forward stands, never RUNNING before."""
    proxy = make_proxy(runner.lab.sshd.port, round_trip=0.1)
    runner.lab.home.add_host("far", proxy.port)
    for _ in range(3):
        port = free_port()
        spec = make(runner, port, host="far")
        before = runner.look(spec)
        assert before.state is State.STOPPED
        pid = runner.start(spec, program=program)
        seen = set()
        while (status := runner.look(spec)).state is not State.RUNNING:
            assert status.state is State.STARTING, runner.lab.home.log(spec.hash)
            assert status.detail == "connecting"
            seen.add(status.state)
        assert passes(port)
        assert seen == {State.STARTING}
        assert status.pid == pid
        assert (status.ssh_pid == pid) == (program == "ssh")
        assert status.confirmed
        assert status.since is not None
        assert status.reason is None
        assert runner.look(spec, fresh=True)._replace(traffic=None) == status


def test_round_trip_time_and_traffic_come_from_the_connection(
    runner: Runner, make_proxy: Callable[..., DelayingProxy]
) -> None:
    port = free_port()
    spec = local_spec(runner, port)
    runner.start(spec)
    runner.wait(spec, State.RUNNING)
    before = runner.look(spec, traffic=True).traffic
    assert before is not None
    assert 0 < before.rtt < 1
    assert passes(port)
    after = runner.look(spec, traffic=True, fresh=True).traffic
    assert after is not None
    assert after.sent > before.sent
    assert after.received > before.received


def test_behind_a_jump_host_the_connection_belongs_to_a_descendant(runner: Runner) -> None:
    port = free_port()
    runner.lab.home.add_host("jump", runner.lab.sshd.port)
    runner.lab.home.add_host("inner", runner.lab.sshd.port, ProxyJump="jump")
    runner.lab.home.add_ssh_config(
        "Host *", "StrictHostKeyChecking no", "UserKnownHostsFile /dev/null"
    )
    spec = local_spec(runner, port, host="inner")
    runner.start(spec)
    runner.wait(spec, State.RUNNING)
    assert passes(port)
    status = runner.look(spec, traffic=True)
    assert status.traffic is not None
    assert status.traffic.sent > 0


def test_a_dead_server_is_starting_with_the_reason_and_comes_back(
    runner: Runner, make_sshd: Callable[..., Sshd]
) -> None:
    server = make_sshd()
    runner.lab.home.add_host("fragile", server.port)
    port = free_port()
    spec = local_spec(runner, port, host="fragile")
    # Past the gate time: autossh repeats what once stood.
    runner.start(spec, gate="0")
    runner.wait(spec, State.RUNNING)
    server.stop()
    status = runner.wait(spec, State.STARTING, 5)
    status = wait_until(
        lambda: (
            now
            if (now := runner.look(spec)).reason and now.reason.code is ReasonCode.REFUSED
            else None
        ),
        what="refused",
    )
    assert status.state is State.STARTING
    assert status.detail.startswith(("reconnecting (attempt ", "waiting (attempt "))
    assert str(server.port) in status.reason.text
    assert status.since is not None
    server.start()
    status = runner.wait(spec, State.RUNNING, 30)
    assert status.reconnects >= 1
    assert status.reason is None
    assert passes(port)


def test_killed_autossh_is_dead_and_its_orphan_is_named(runner: Runner) -> None:
    spec = local_spec(runner, free_port())
    pid = runner.start(spec)
    ssh = runner.wait(spec, State.RUNNING).ssh_pid
    assert runner.observer.processes() == {pid, ssh}
    os.kill(pid, signal.SIGKILL)
    status = runner.wait(spec, State.DEAD)
    assert status.reason is not None
    assert status.reason.code is ReasonCode.KILLED
    assert status.reason.text == f"autossh was killed, its ssh (pid {ssh}) still runs"
    assert status.pid == pid
    assert runner.look(spec, fresh=True).reason == status.reason
    runner.state.clear()
    assert runner.look(spec).state is State.DEAD
    assert ssh is not None
    os.kill(ssh, signal.SIGKILL)
    wait_until(lambda: not processes.alive(ssh))
    assert runner.look(spec).state is State.STOPPED


def test_killed_with_its_ssh_is_dead_without_a_word(runner: Runner) -> None:
    spec = local_spec(runner, free_port())
    pid = runner.start(spec)
    runner.wait(spec, State.RUNNING)
    os.killpg(pid, signal.SIGKILL)
    status = runner.wait(spec, State.DEAD)
    assert status.reason is not None
    assert status.reason.text == "process gone without a word"


def test_killed_ssh_is_reconnected_and_counted(runner: Runner) -> None:
    spec = local_spec(runner, free_port())
    runner.start(spec)
    first = runner.wait(spec, State.RUNNING).ssh_pid
    assert first is not None
    os.kill(first, signal.SIGKILL)

    def again() -> bool:
        status = runner.look(spec)
        return status.state is State.RUNNING and status.ssh_pid != first

    wait_until(again, what="another ssh")
    assert runner.look(spec).reconnects == 1
    assert runner.look(spec, fresh=True).reconnects == 1


def test_a_tunnel_without_entry_is_found_by_its_tag(runner: Runner) -> None:
    spec = local_spec(runner, free_port())
    pid = runner.start(spec, register=False)
    # Its environment names another state file: not ours.
    status = runner.wait(spec, State.RUNNING)
    assert status.pid == pid
    other = runner.settings._replace(state_file=str(runner.lab.home.path / "other"))
    assert Observer(other).observe([spec])[0].state is State.STOPPED


def test_an_older_line_of_the_same_hash_may_be_the_living_one(runner: Runner) -> None:
    spec = local_spec(runner, free_port())
    pid = runner.start(spec)
    gone = 4_000_000
    runner.state.update(lambda entries: [*entries, TunnelEntry.of(spec, gone)])
    assert runner.wait(spec, State.RUNNING).pid == pid


@pytest.mark.parametrize("tag", [True, False])
def test_tunnels_of_the_shell_scripts(runner: Runner, tag: bool) -> None:
    """No success line and not always a tag: -L by its listener, -R not confirmed."""
    port = free_port()
    spec = local_spec(runner, port)
    runner.start(spec, logs_forward_state=False, tag=tag)
    assert runner.wait(spec, State.RUNNING).confirmed
    assert passes(port)
    spec = remote_spec(runner, free_port())
    runner.start(spec, logs_forward_state=False, tag=tag)
    assert not runner.wait(spec, State.RUNNING).confirmed


def test_a_stranger_with_the_recorded_pid_is_not_ours(runner: Runner) -> None:
    spec = local_spec(runner, free_port())
    log = os.open(os.devnull, os.O_WRONLY)
    pid = spawn(["/bin/sleep", "60"], runner.lab.home.variables, log)
    os.close(log)
    runner.state.put(TunnelEntry.of(spec, pid))
    status = runner.look(spec)
    assert status.state is State.DEAD
    assert status.reason is not None
    assert status.reason.code is ReasonCode.NOT_OURS
    assert pid not in runner.observer.processes()
    # The tag of another tunnel does not make it ours either.
    other = local_spec(runner, free_port(), name="other")
    pid = runner.start(other)
    runner.state.put(TunnelEntry.of(spec, pid))
    assert runner.look(spec).state is State.DEAD


def test_a_zombie_is_dead(runner: Runner) -> None:
    spec = local_spec(runner, free_port())
    pid = runner.start(spec)
    runner.wait(spec, State.RUNNING)
    os.killpg(pid, signal.SIGKILL)
    wait_until(lambda: (stat := read_stat(pid)) is not None and stat.state == "Z", what="zombie")
    assert runner.observer.observe([spec])[0].state is State.DEAD


@pytest.mark.parametrize("damage", ["delete", "replace", "truncate", "cap"])
@pytest.mark.parametrize("make", [local_spec, remote_spec])
def test_a_lost_log_does_not_hide_a_running_tunnel(
    runner: Runner, make: Callable[..., TunnelSpec], damage: str
) -> None:
    from tunnel_tui.ssh.log.line_class import cap_log

    spec = make(runner, free_port())
    runner.start(spec)
    runner.wait(spec, State.RUNNING)
    log = Path(runner.settings.log_file(spec.hash))
    if damage == "delete":
        log.unlink()
    elif damage == "replace":
        log.rename(f"{log}.old")
        log.write_text("somebody has made a new one\n")
    elif damage == "truncate":
        os.truncate(log, 0)
    else:
        assert cap_log(str(log), 10_000, what_stays()) is False
        with log.open("a") as file:
            file.write("connect_to localhost port 1: failed.\n" * 300)
        assert cap_log(str(log), 10_000, what_stays())
    status = runner.look(spec, fresh=True)
    assert status.state is State.RUNNING
    # ssh holds a log that has lost its name; capping keeps the line that proves it. Where nobody
    # has that line any more a remote forward is a guess.
    sure = damage != "truncate" or make is local_spec
    assert status.confirmed == sure
    for _ in range(3):
        status = runner.look(spec)
        assert status.state is State.RUNNING
        assert status.confirmed == sure


def test_a_chatty_log_hides_nothing(runner: Runner) -> None:
    spec = local_spec(runner, free_port())
    runner.start(spec)
    runner.wait(spec, State.RUNNING)
    with open(runner.settings.log_file(spec.hash), "a") as file:
        for _ in range(50):
            file.write("channel 2: open failed: connect failed: Connection refused\n" * 1000)
    assert runner.look(spec, fresh=True).state is State.RUNNING
    assert runner.look(spec).state is State.RUNNING
    from tunnel_tui.ssh.log.line_class import cap_log

    assert cap_log(runner.settings.log_file(spec.hash), 1_000_000, what_stays())
    status = runner.look(spec, fresh=True)
    assert status.state is State.RUNNING


def test_a_flood_since_the_last_capping_hides_nothing(runner: Runner) -> None:
    spec = remote_spec(runner, free_port())
    runner.start(spec)
    runner.wait(spec, State.RUNNING)
    log = runner.settings.log_file(spec.hash)
    flood = "debug1: channel 3: free: direct-tcpip, nchannels 4\n" * 20_000
    with open(log, "a") as file:
        while os.path.getsize(log) < 1.2 * LOG_CAP:
            file.write(flood)
    for fresh in (False, True):
        status = runner.look(spec, fresh=fresh)
        assert status.state is State.RUNNING
        assert status.confirmed
    with open(log, "a") as file:
        said = f"clientloop.c:client_loop():7 (pid={status.ssh_pid}): send disconnect: Broken pipe"
        file.write(f"{said}\n")
    assert runner.look(spec).state is State.STARTING
    assert runner.look(spec, fresh=True).state is State.STARTING


def test_a_pid_that_came_round_again_does_not_inherit_success(runner: Runner) -> None:
    """Pids repeat in a container: an old success line of the same pid proves nothing."""
    spec = local_spec(runner, free_port())
    pid = runner.start(spec, "-o", "ProxyCommand=sleep 60", program="ssh")
    log = Path(runner.settings.log_file(spec.hash))
    old = f"debug1: clientloop.c:client_loop():1290 (pid={pid}): Entering interactive session.\n"
    log.write_text(old + log.read_text())
    assert runner.look(spec, fresh=True).state is State.STARTING


def test_a_partly_busy_listener_is_not_running(runner: Runner, echo: EchoService) -> None:
    """ssh is content with one of localhost's addresses; a person is not."""
    spec = make_spec(str(echo.port), str(echo.port))
    runner.start(spec)
    status = wait_until(lambda: now if (now := runner.look(spec)).reason else None, what="a reason")
    assert status.state is not State.RUNNING
    assert status.reason is not None
    assert status.reason.code is ReasonCode.LOCAL_PORT_BUSY


def test_a_server_that_refuses_the_forward_is_found_out_by_the_first_connection(
    runner: Runner, make_sshd: Callable[..., Sshd]
) -> None:
    server = make_sshd(AllowTcpForwarding="no")
    runner.lab.home.add_host("closed", server.port)
    port = free_port()
    spec = local_spec(runner, port, host="closed")
    runner.start(spec)
    runner.wait(spec, State.RUNNING)
    assert not passes(port)
    status = runner.wait(spec, State.STARTING)
    assert status.reason is not None
    assert status.reason.code is ReasonCode.FORWARDING_REFUSED
    assert status.detail == "connected, but the forward does not stand"
    assert runner.look(spec, fresh=True) == status


def test_socket_paths_can_be_forwarded(runner: Runner) -> None:
    path = str(runner.lab.home.path / "s.sock")
    for logs_forward_state in (True, False):
        spec = make_spec(str(runner.lab.echo.port), path, name=f"s{logs_forward_state}")
        pid = runner.start(spec, logs_forward_state=logs_forward_state)
        assert runner.wait(spec, State.RUNNING).confirmed
        os.kill(pid, signal.SIGTERM)
        runner.wait(spec, State.DEAD)
        Path(path).unlink(missing_ok=True)
    spec = make_spec(path, str(runner.lab.echo.port), direction=Direction.LOCAL_TO_REMOTE)
    runner.start(spec)
    assert runner.wait(spec, State.RUNNING).confirmed


def test_interactive_master_is_running_while_it_listens(runner: Runner) -> None:
    port = free_port()
    spec = local_spec(runner, port, interactive=True)
    pid = runner.start(spec, program="ssh", logs_forward_state=False)
    assert runner.wait(spec, State.RUNNING).pid == pid
    os.kill(pid, signal.SIGKILL)
    assert runner.wait(spec, State.DEAD).reason is not None
    runner.state.clear()
    assert runner.look(spec).state is State.INTERACTIVE


def test_what_the_configuration_does_not_know_is_shown_too(runner: Runner) -> None:
    spec = local_spec(runner, free_port())
    runner.start(spec)
    runner.wait(spec, State.RUNNING)
    statuses = runner.observer.observe([])
    assert [(s.spec.hash, s.configured, s.state) for s in statuses] == [
        (spec.hash, False, State.RUNNING)
    ]


def test_the_ladder_climbs_to_the_service(runner: Runner) -> None:
    port = free_port()
    spec = local_spec(runner, port, check="tcp")
    runner.start(spec)
    status = runner.wait(spec, State.RUNNING)
    layers = {layer.name: layer for layer in runner.observer.layers(status)}
    assert [layer.ok for layer in layers.values()] == [True] * 5
    assert "publickey" in layers["authenticated"].detail
    assert "ms" in layers["round trip"].detail
    dead_end = free_port()
    spec = make_spec(str(dead_end), str(free_port()), check="tcp", name="u")
    runner.start(spec)
    status = runner.wait(spec, State.RUNNING)
    layers = {layer.name: layer for layer in runner.observer.layers(status)}
    assert layers["far service"].ok is False
    assert runner.look(spec).state is State.RUNNING
