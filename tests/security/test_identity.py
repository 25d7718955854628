"""Whose process, whose line, whose log: what another local user pretends to be, for real."""

import os
import subprocess
from pathlib import Path

import pytest

from tests.conftest import Lab
from tests.support import processes
from tests.support.network import free_port, passes
from tests.support.tunnels import as_yaml, inward, outward, state_of, status_of
from tests.support.users import User, interpreter
from tests.support.waiting import wait_until
from tunnel_tui.model import ReasonCode, State, TunnelEntry, TunnelSpec
from tunnel_tui.observe.stateline import format_line
from tunnel_tui.supervise.lifecycle import start_tunnel, stop_tunnel, stop_tunnels

pytestmark = [
    pytest.mark.process,
    pytest.mark.skipif(os.geteuid() != 0 or not interpreter(), reason="makes a user of its own"),
]

PRETEND = """
import os, socket, sys
port, environment, *argv = sys.argv[1:]
server = socket.create_server(("127.0.0.1", int(port)))
server.set_inheritable(True)
variables = dict(pair.split("=", 1) for pair in environment.split("|"))
print("ready", flush=True)
os.execve(sys.executable, [argv[0], "-c", "import time; time.sleep(600)", *argv[1:]], variables)
"""
"""Holds a port and takes a name, arguments and an environment of its own choice."""
WRITE = "import sys; open(sys.argv[1], 'a').write(sys.argv[2])"
EMPTY = "import sys; open(sys.argv[1], 'w').close()"


def put_line(lab: Lab, stranger: User, spec: TunnelSpec, pid: int) -> None:
    stranger.do(WRITE, lab.home.state_file, format_line(TunnelEntry.of(spec, pid)) + "\n")


@pytest.mark.parametrize("port", ["-L", "-R"])
def test_a_process_of_another_user_is_no_tunnel(square: Lab, stranger: User, port: str) -> None:
    """Named autossh, with the tag, our arguments and environment, a line, a log, and the port."""
    good = inward(square.echo.port, free_port(), name="good")
    make = inward if port == "-L" else outward
    spec = make(square.echo.port, free_port(), name="forged")
    square.home.write_config(as_yaml(good, spec))
    start_tunnel(square.home.settings, good, wait=10)
    listener = spec.local_port if port == "-L" else spec.remote_port
    forward = spec.forward()
    words = ["-M", "0", "-N", "-E", "/proc/self/fd/1", "-o", f"SetEnv=TUNNEL_HASH={spec.hash}"]
    words += ["-o", "LogVerbose=*:client_loop():*", forward.kind.value, forward.argument]
    variables = f"TUNNEL_HASH={spec.hash}|AUTOSSH_STATE_FILE={square.home.state_file}"
    number = listener.rpartition(":")[2]
    fake = stranger.run_as(PRETEND, number, variables, "autossh", *words, "--", spec.remote_host)
    assert fake.line() == "ready"
    said = (
        f"debug1: clientloop.c:client_loop():1290 (pid={fake.pid}): Entering interactive session.\n"
        f"debug1: ssh.c:ssh_confirm_remote_forward():1827 (pid={fake.pid}): remote forward success "
        f"for: listen {forward.listener.bind_host}:{number}, connect x\n"
    )
    put_line(square, stranger, spec, fake.pid)
    stranger.do(WRITE, square.home.settings.log_file(spec.hash), said)
    wait_until(lambda: processes.command_line(fake.pid)[:1] == ["autossh"], what="the name")
    status = status_of(square.home, spec)
    assert status.state is State.DEAD
    assert status.reason
    assert status.reason.code is ReasonCode.NOT_OURS
    assert status.reason.text == f"runs as user {stranger.name}, not ours"
    done = square.home.cli("start-tunnel", "forged")
    assert "already running" not in done.stdout
    stop_tunnel(square.home.settings, spec.hash)
    stop_tunnels(square.home.settings, None)
    assert processes.alive(fake.pid), "nothing of it was signalled"
    fake.close()


def test_what_a_person_typed_is_not_ended_by_a_line(square: Lab, stranger: User) -> None:
    """A hand-typed ssh and a hand-typed autossh of ours, with the forward and host of a tunnel."""
    spec = inward(square.echo.port, free_port(), name="typed")
    square.home.write_config(as_yaml(spec))
    square.home.log_dir.mkdir(mode=0o1777)
    square.home.state_file.touch()
    square.home.state_file.chmod(0o666)
    argument = spec.forward().argument
    options = ["-F", str(square.home.ssh_config), "-o", "StrictHostKeyChecking=no"]
    options += ["-o", "UserKnownHostsFile=/dev/null", "-N", "-L", argument, spec.remote_host]
    for program in (["ssh"], ["autossh", "-M", "0"]):
        typed = subprocess.Popen(
            [*program, *options],
            env=square.home.variables,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        port = int(spec.local_port.rpartition(":")[2])
        wait_until(lambda port=port: passes(port), what="the typed forward")
        put_line(square, stranger, spec, typed.pid)
        assert state_of(square.home, spec) is not State.RUNNING
        stop_tunnel(square.home.settings, spec.hash)
        put_line(square, stranger, spec, typed.pid)
        square.home.cli("start")
        square.home.cli("cleanup")
        square.home.cli("stop")
        assert typed.poll() is None
        assert passes(port)
        processes.end([typed.pid, *processes.descendants(typed.pid)])
        typed.wait()


def test_a_master_of_a_person_is_not_ended_by_a_piece_of_its_name(
    square: Lab, stranger: User
) -> None:
    """ControlPersist names a master after its socket; `%C` is 40 hexadecimal digits."""
    spec = inward(square.echo.port, free_port(), name="master")
    square.home.write_config(as_yaml(spec))
    square.home.state_file.touch()
    square.home.state_file.chmod(0o666)
    sockets = square.home.path / "cm"
    sockets.mkdir(mode=0o700)
    options = ["-F", str(square.home.ssh_config), "-o", "StrictHostKeyChecking=no"]
    options += ["-o", "ControlMaster=auto", "-o", f"ControlPath={sockets}/%C"]
    options += ["-o", "ControlPersist=60", "-o", "UserKnownHostsFile=/dev/null"]
    subprocess.run(
        ["ssh", *options, "server", "true"],
        env=square.home.variables,
        stdin=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        timeout=20,
        check=True,
    )
    [name] = os.listdir(sockets)
    running = (int(pid) for pid in os.listdir("/proc") if pid.isdigit())
    [master] = [pid for pid in running if name in " ".join(processes.command_line(pid) or [])]
    for piece in (name[:32], name[-32:], name[4:36]):
        forged = spec._replace(hash=piece)
        put_line(square, stranger, forged, master)
        stop_tunnel(square.home.settings, piece)
    square.home.cli("stop")
    square.home.cli("cleanup")
    assert processes.alive(master)
    processes.end([master])


def test_a_tunnel_of_another_state_file_is_left_alone(
    square: Lab, stranger: User, tmp_path: Path
) -> None:
    """A demo, or a second configuration, may have a tunnel of the same hash."""
    spec = inward(square.echo.port, free_port(), name="twice")
    square.home.write_config(as_yaml(spec))
    elsewhere = square.home.settings._replace(
        state_file=str(tmp_path / "state"), data_dir=str(tmp_path / "data")
    )
    assert start_tunnel(elsewhere, spec, wait=10).verb == "started"
    [leader] = square.home.processes("autossh")
    square.home.state_file.touch()
    square.home.state_file.chmod(0o666)
    put_line(square, stranger, spec, leader)
    assert state_of(square.home, spec) is State.DEAD
    for command in ("stop", "cleanup", "stop"):
        square.home.cli(command)
    assert processes.alive(leader)
    stop_tunnel(elsewhere, spec.hash)


def test_a_log_that_takes_the_name_of_another_changes_nothing(square: Lab, stranger: User) -> None:
    """In a directory where strangers may rename: the log is read where its process holds it."""
    up = inward(square.echo.port, free_port(), name="up")
    down = outward(square.echo.port, square.sshd.port, name="down")  # its port is taken
    square.home.write_config(as_yaml(up, down))
    for spec in (up, down):
        start_tunnel(square.home.settings, spec, wait=10)
    before = status_of(square.home, down)
    assert before.reason
    square.home.log_dir.chmod(0o777)  # as the shell scripts leave it
    log_up, log_down = (square.home.settings.log_file(spec.hash) for spec in (up, down))
    swap = "import os, sys; a, b = sys.argv[1:]; os.rename(a, a + 'x'); os.rename(b, a); "
    stranger.do(swap + "os.rename(a + 'x', b)", log_up, log_down)
    assert state_of(square.home, up) is State.RUNNING
    after = status_of(square.home, down)
    assert after.state is State.DEAD
    assert after.reason
    assert after.reason.code in (before.reason.code, ReasonCode.KILLED)
    stranger.do("import os, sys; os.unlink(sys.argv[1])", log_up)
    stranger.do(WRITE, log_up, "2026/11/22 14:02:07 autossh[1]: ssh exited with error status 255\n")
    assert state_of(square.home, up) is State.RUNNING


def test_a_directory_of_strangers_keeps_nothing_from_starting(square: Lab, stranger: User) -> None:
    """They own the directory and hold every name in it: the log is in our own directory then."""
    spec = inward(square.echo.port, free_port(), name="squatted")
    square.home.write_config(as_yaml(spec))
    make = "import os, sys; os.mkdir(sys.argv[1]); os.chmod(sys.argv[1], 0o1777); "
    make += "open(sys.argv[2], 'w').write('forged\\n')"
    log = square.home.settings.log_file(spec.hash)
    stranger.do(make, square.home.log_dir, log)
    done = square.home.cli("start")
    assert done.returncode == 0, done.stderr
    wait_until(lambda: state_of(square.home, spec) is State.RUNNING, what="RUNNING")
    shown = square.home.cli("logs", "squatted").stdout
    assert "Entering interactive session" in shown
    assert "forged" not in shown
    [ssh] = square.home.processes("ssh")
    [leader] = square.home.processes("autossh")
    processes.end([leader, ssh])
    wait_until(lambda: state_of(square.home, spec) is State.DEAD, what="DEAD")
    stop_tunnel(square.home.settings, spec.hash)
    assert not os.path.exists(square.home.settings.private_log_file(spec.hash))


def test_a_program_that_is_root_for_a_stranger_is_no_tunnel(square: Lab, stranger: User) -> None:
    """A set-user-ID program has root's name on it, and arguments of its caller."""
    if not Path("/usr/bin/passwd").exists():
        pytest.skip("no set-user-ID program here")
    spec = inward(square.echo.port, free_port(), name="setuid")
    square.home.write_config(as_yaml(spec))
    square.home.state_file.touch()
    square.home.state_file.chmod(0o666)
    script = (
        "import os, pty, sys, time\n"
        "pid, fd = pty.fork()\n"
        "if pid == 0: os.execv('/usr/bin/passwd', ['autossh', '-o', sys.argv[1]])\n"
        "time.sleep(0.5); print(pid, flush=True); time.sleep(600)\n"
    )
    running = stranger.run_as(script, f"SetEnv=TUNNEL_HASH={spec.hash}")
    pid = int(running.line())
    if processes.alive(pid):
        put_line(square, stranger, spec, pid)
        assert state_of(square.home, spec) is not State.RUNNING
        square.home.cli("stop")
        square.home.cli("cleanup")
        assert processes.alive(pid)
    running.close()
