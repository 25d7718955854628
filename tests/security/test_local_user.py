"""Another local user at the two places that everybody may write to, with real processes."""

import os
import resource
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.conftest import Lab
from tests.support import processes
from tests.support.daemon import Daemon
from tests.support.network import free_port, passes
from tests.support.tunnels import as_yaml, inward, state_of
from tests.support.users import User, interpreter
from tests.support.waiting import wait_until
from tunnel_tui.model import State, TunnelEntry, TunnelSpec
from tunnel_tui.observe.observer import Observer
from tunnel_tui.ssh import control_socket
from tunnel_tui.state.line import format_line
from tunnel_tui.supervise.actions.lifecycle import start_tunnel, stop_tunnel, stop_tunnels
from tunnel_tui.supervise.monitor.monitor import Monitor
from tunnel_tui.supervise.watch import maintenance
from tunnel_tui.system import locks

pytestmark = [
    pytest.mark.process,
    pytest.mark.skipif(os.geteuid() != 0 or not interpreter(), reason="makes a user of its own"),
]

RunDaemon = Callable[..., Daemon]
AT_MOST = 3.0
"""Seconds, at most, by which a stranger may delay anything."""
DEAD_PID = 4_194_303

HOLD = """
import fcntl, struct, sys, time
kind, path = sys.argv[1:]
file = open(path, "rb")
if kind == "flock":
    fcntl.flock(file, fcntl.LOCK_EX)
elif kind == "shared flock":
    fcntl.flock(file, fcntl.LOCK_SH)
elif kind == "records":
    fcntl.lockf(file, fcntl.LOCK_SH)
else:
    fcntl.fcntl(file, 37, struct.pack("hhqqi0q", fcntl.F_RDLCK, 0, 0, 0, 0))
    file = open(path, "r+b")
    fcntl.fcntl(file, 37, struct.pack("hhqqi0q", fcntl.F_RDLCK, 0, 0, 0, 0))
print("ready", flush=True)
time.sleep(600)
"""
FAKE_MASTER = """
import os, socket, struct, sys
path, pid = sys.argv[1], int(sys.argv[2])
os.makedirs(os.path.dirname(path), exist_ok=True)
os.chmod(os.path.dirname(path), 0o777)
server = socket.socket(socket.AF_UNIX)
server.bind(path)
os.chmod(path, 0o777)
server.listen()
print("ready", flush=True)
def packet(*words): return struct.pack("!I%dI" % len(words), 4 * len(words), *words)
while True:
    connection, _ = server.accept()
    connection.sendall(packet(1, 4) + packet(0x80000005, 1, pid))
"""


def timed(lab: Lab, *arguments: str) -> tuple[float, "subprocess.CompletedProcess[str]"]:
    began = time.monotonic()
    done = lab.home.cli(*arguments)
    return time.monotonic() - began, done


def work_of(lab: Lab, *arguments: str) -> float:
    """Seconds of processor time of a command: others may keep the machine busy."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    lab.home.cli(*arguments)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


@pytest.mark.parametrize("kind", ["flock", "shared flock", "records", "open file"])
def test_locks_on_the_state_file_hold_nobody_up(square: Lab, stranger: User, kind: str) -> None:
    spec = inward(square.echo.port, free_port())
    square.home.write_config(as_yaml(spec))
    settings = square.home.settings
    start_tunnel(settings, spec, wait=10)
    stop_tunnel(settings, spec.hash)
    with stranger.run_as(HOLD, kind, square.home.state_file).ready():
        usual = timed(square, "list")[0]
        for command in (["start-tunnel", spec.hash], ["status"], ["stop-tunnel", spec.hash]):
            seconds, done = timed(square, *command)
            assert done.returncode == 0, done
            assert seconds < AT_MOST + usual, command
        assert state_of(square.home, spec) is State.STOPPED
        assert square.home.processes("ssh", "autossh") == []


@contextmanager
def watched(square: Lab) -> Iterator[Callable[[], None]]:
    """Watch the one tunnel that runs; gives what kills it and sees that this is told in time."""
    seen: list[list[State]] = []
    monitor = Monitor(square.home.settings, lambda s: seen.append([t.state for t in s.statuses]))

    def kill() -> None:
        began = time.monotonic()
        processes.end(square.home.processes("ssh", "autossh"))
        wait_until(lambda: seen[-1] == [State.DEAD], what="DEAD")
        assert time.monotonic() - began < AT_MOST

    monitor.start()
    try:
        wait_until(lambda: seen and seen[-1] == [State.RUNNING], what="RUNNING")
        yield kill
    finally:
        monitor.stop()


def test_locks_hide_no_death(square: Lab, stranger: User) -> None:
    spec = inward(square.echo.port, free_port())
    square.home.write_config(as_yaml(spec))
    start_tunnel(square.home.settings, spec, wait=10)
    with ExitStack() as holders:
        for kind in ("flock", "records", "open file"):
            holders.enter_context(stranger.run_as(HOLD, kind, square.home.state_file).ready())
        with watched(square) as kill:
            kill()


def test_a_line_that_is_gone_hides_no_death(square: Lab, stranger: User) -> None:
    spec = inward(square.echo.port, free_port())
    square.home.write_config(as_yaml(spec))
    start_tunnel(square.home.settings, spec, wait=10)
    empty = "import os, sys\nprint('ready', flush=True)\nwhile True: os.truncate(sys.argv[1], 0)"
    with watched(square) as kill, stranger.run_as(empty, square.home.state_file).ready():
        kill()


def test_the_watcher_ends_in_time_under_locks(
    square: Lab, stranger: User, run_daemon: RunDaemon
) -> None:
    specs = [inward(square.echo.port, free_port(), name=f"t{n}") for n in range(3)]
    square.home.write_config(as_yaml(*specs))
    daemon = run_daemon()
    daemon.wait_running(*specs)
    kinds = ("flock", "records", "open file")
    holders = [stranger.run_as(HOLD, kind, square.home.state_file).ready() for kind in kinds]
    code, seconds = daemon.end()
    for holder in holders:
        holder.close()
    assert code == 0
    assert seconds < AT_MOST
    assert square.home.processes("ssh", "autossh") == []


def test_hashes_that_share_their_beginning_do_not_save_a_tunnel(
    square: Lab, stranger: User
) -> None:
    specs = [inward(square.echo.port, free_port(), name=f"t{n}") for n in range(2)]
    for spec in specs:
        start_tunnel(square.home.settings, spec, wait=10)
    lines = []
    for spec in specs:
        for digit in "0123456789":
            false = TunnelEntry.of(spec, DEAD_PID)._replace(hash=spec.hash[:15] + digit * 17)
            lines.append(format_line(false))
    write(stranger, square, lines)
    began = time.monotonic()
    outcomes = stop_tunnels(square.home.settings, None)
    assert time.monotonic() - began < AT_MOST
    assert all(outcome.ok for outcome in outcomes)
    assert square.home.processes("ssh", "autossh") == []


def write(stranger: User, lab: Lab, lines: list[str]) -> None:
    script = "import sys\nopen(sys.argv[1], 'a').write(sys.stdin.read())"
    argv = [interpreter(), "-I", "-c", script, str(lab.home.state_file)]
    process = stranger.popen(argv)
    process.communicate("".join(f"{line}\n" for line in lines), timeout=30)
    assert process.returncode == 0


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["dead", "somebody's", "of one tunnel"])
def test_a_flood_of_lines_costs_a_moment(square: Lab, stranger: User, kind: str) -> None:
    spec = inward(square.echo.port, free_port(), name="real")
    square.home.write_config(as_yaml(spec))
    start_tunnel(square.home.settings, spec, wait=10)
    pid = DEAD_PID if kind == "dead" else os.getpid()
    entry = TunnelEntry.of(spec, pid)
    lines = [
        format_line(
            entry._replace(pid=DEAD_PID - n)
            if kind == "of one tunnel"
            else entry._replace(name=f"n{n}", hash=f"{n:032x}")
        )
        for n in range(300_000)
    ]
    write(stranger, square, lines)
    assert work_of(square, "list") < AT_MOST
    assert work_of(square, "status") < AT_MOST
    assert state_of(square.home, spec) is State.RUNNING
    assert len(Observer(square.home.settings).observe([spec])) <= 202
    assert work_of(square, "stop-tunnel", spec.hash) < AT_MOST
    assert not square.home.processes("ssh", "autossh")
    write(stranger, square, lines)
    assert work_of(square, "start-tunnel", spec.hash) < AT_MOST
    assert state_of(square.home, spec) is State.RUNNING
    write(stranger, square, lines)
    assert work_of(square, "stop") < AT_MOST
    assert not square.home.processes("ssh", "autossh")
    assert square.home.state_file.stat().st_size < 1000


def test_a_line_of_a_stopped_tunnel_starts_nothing(
    square: Lab, stranger: User, run_daemon: RunDaemon
) -> None:
    specs = [inward(square.echo.port, free_port(), name=f"t{n}") for n in range(2)]
    square.home.write_config(as_yaml(*specs))
    daemon = run_daemon()
    pid = daemon.wait_running(*specs)["t0"]
    stop_tunnel(square.home.settings, specs[0].hash)
    write(stranger, square, [format_line(TunnelEntry.of(specs[0], pid))])
    stranger.do(
        "import sys; open(sys.argv[1], 'w').write('ssh: connect to host x port 22: '"
        "'Connection refused\\n')",
        square.home.settings.log_file(specs[0].hash),
    )
    # What is watched really is revived, and that takes longer than a first attempt would.
    processes.end([daemon.pids()["t1"]])
    daemon.wait_for("running", count=2, tunnel="t1")
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        assert state_of(square.home, specs[0]) is not State.RUNNING
        time.sleep(0.2)
    assert not daemon.lines("trying-again", tunnel="t0")


MAKE = {
    "fifo": "import os, sys; os.mkfifo(sys.argv[1])",
    "symlink": "import os, sys; os.symlink('/etc/passwd', sys.argv[1])",
    "directory": "import os, sys; os.mkdir(sys.argv[1])",
    "file": "import sys; open(sys.argv[1], 'w').write('Entering interactive session\\n')",
}


@pytest.mark.parametrize("what", ["fifo", "symlink", "file"])
def test_what_stands_in_a_logs_place_goes(square: Lab, stranger: User, what: str) -> None:
    spec = inward(square.echo.port, free_port())
    other = inward(square.echo.port, free_port(), name="other")
    square.home.write_config(as_yaml(spec, other))
    start_tunnel(square.home.settings, other, wait=10)
    stranger.do(MAKE[what], square.home.settings.log_file(spec.hash))
    seconds, _ = timed(square, "status")
    assert seconds < AT_MOST
    seconds, done = timed(square, "start-tunnel", spec.hash)
    assert done.returncode == 0, done
    assert seconds < AT_MOST
    found = os.lstat(square.home.settings.log_file(spec.hash))
    assert found.st_uid == 0
    wait_until(lambda: state_of(square.home, spec) is State.RUNNING, what="RUNNING")


def test_only_logs_of_ours_are_capped(square: Lab, stranger: User) -> None:
    """A sparse log, a FIFO, one that is swapped while it is capped."""
    spec = inward(square.echo.port, free_port())
    start_tunnel(square.home.settings, spec, wait=10)
    logs = square.home.log_dir
    sparse = "import os, sys; os.truncate(os.open(sys.argv[1], os.O_CREAT | os.O_RDWR), 1 << 34)"
    for number in range(5):
        stranger.do(sparse, logs / f"tunnel-{number:032x}.log")
    stranger.do(MAKE["fifo"], logs / f"tunnel-{7:032x}.log")
    began = time.monotonic()
    assert maintenance.cap_logs(square.home.settings) == ([], [])
    assert time.monotonic() - began < AT_MOST
    assert not list(logs.glob("*.1"))
    log = Path(square.home.settings.log_file(spec.hash))
    with log.open("ab") as file:
        file.write(b"debug1: nothing\n" * 200_000)
    stranger.do(MAKE["fifo"], f"{log}.1")
    began = time.monotonic()
    capped, failures = maintenance.cap_logs(square.home.settings, 1_000_000)
    assert time.monotonic() - began < AT_MOST
    assert (capped, failures) == ([log.name], [])
    assert log.stat().st_size < 1_000_000
    assert passes(spec_port(spec))


def spec_port(spec: TunnelSpec) -> int:
    return int(spec.local_port.rpartition(":")[2])


def test_a_fifo_swapped_in_while_capping_stops_nobody(
    square: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tunnel_tui.logs import rotate

    square.home.log_dir.mkdir()
    log = square.home.log_dir / f"tunnel-{1:032x}.log"
    log.write_bytes(b"line\n" * 10_000)
    copy = rotate._copy

    def swapped(*arguments: object) -> None:
        copy(*arguments)  # type: ignore[arg-type]
        log.unlink()
        os.mkfifo(log)

    monkeypatch.setattr(rotate, "_copy", swapped)
    began = time.monotonic()
    capped, failures = maintenance.cap_logs(square.home.settings, 1000)
    assert capped == []
    assert len(failures) <= 1
    assert time.monotonic() - began < AT_MOST


def test_a_log_directory_that_is_a_symlink_is_refused_on_every_path(
    square: Lab, stranger: User, run_daemon: RunDaemon
) -> None:
    spec = inward(square.echo.port, free_port())
    square.home.write_config(as_yaml(spec))
    secret = square.home.path / "secret"
    secret.mkdir()
    secret.chmod(0o755)
    kept = secret / f"tunnel-{spec.hash}.log"
    kept.write_bytes(b"precious\n" * 2_000_000)
    stranger.do("import os, sys; os.symlink(*sys.argv[1:])", secret, square.home.log_dir)
    for command in (["start-tunnel", spec.hash], ["start"]):
        done = square.home.cli(*command)
        assert done.returncode != 0
        assert "it is a symlink" in done.stdout + done.stderr
        assert "AUTOSSH_LOG_DIR" in done.stdout + done.stderr
    for command in (["stop"], ["cleanup"], ["stop-tunnel", spec.hash], ["status"]):
        square.home.cli(*command)
    maintenance.cap_logs(square.home.settings, 1000)
    daemon = run_daemon()
    assert daemon.process.wait(15) != 0
    assert kept.stat().st_size == 18_000_000
    assert os.listdir(secret) == [kept.name]
    assert secret.stat().st_mode & 0o777 == 0o755


def test_a_squatted_log_directory_keeps_nothing_from_starting(square: Lab, stranger: User) -> None:
    spec = inward(square.echo.port, free_port())
    square.home.write_config(as_yaml(spec))
    stranger.do("import os, sys; os.mkdir(sys.argv[1], 0o755)", square.home.log_dir)
    assert start_tunnel(square.home.settings, spec, wait=10).verb == "started"
    assert os.listdir(square.home.log_dir) == []
    assert "Entering interactive session" in square.home.cli("logs", spec.hash).stdout


def test_a_stranger_who_owns_the_state_file_keeps_nothing_from_being_stopped(
    square: Lab, stranger: User
) -> None:
    spec = inward(square.echo.port, free_port())
    square.home.write_config(as_yaml(spec))
    start_tunnel(square.home.settings, spec, wait=10)
    square.home.state_file.unlink()
    stranger.do(MAKE["directory"], square.home.state_file)
    seconds, done = timed(square, "start-tunnel", inward(1, free_port(), name="x").hash)
    assert seconds < AT_MOST
    seconds, done = timed(square, "stop-tunnel", spec.hash)
    assert seconds < AT_MOST
    assert not square.home.processes("ssh", "autossh"), done
    square.home.state_file.rmdir()
    start_tunnel(square.home.settings, spec, wait=10)
    square.home.state_file.unlink()
    stranger.do(MAKE["directory"], square.home.state_file)
    seconds, done = timed(square, "stop")
    assert seconds < AT_MOST
    assert not square.home.processes("ssh", "autossh"), done
    assert f"belongs to user {stranger.name}" in done.stderr or "AUTOSSH_STATE_FILE" in done.stderr


def test_a_lease_on_the_state_file_holds_nobody_up(square: Lab, stranger: User) -> None:
    """Its owner may ask to be told before others open it, and take his time (fcntl(2))."""
    spec = inward(square.echo.port, free_port())
    square.home.write_config(as_yaml(spec))
    lease = (
        "import fcntl, os, signal, sys, time\n"
        "signal.signal(signal.SIGIO, signal.SIG_IGN)\n"
        "fd = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT | os.O_EXCL)\n"
        "os.fchmod(fd, 0o666)\n"
        "fcntl.fcntl(fd, fcntl.F_SETLEASE, fcntl.F_WRLCK)\n"
        "print('ready', flush=True)\n"
        "time.sleep(600)\n"
    )
    with stranger.run_as(lease, square.home.state_file).ready():
        for command in (["status"], ["start-tunnel", spec.hash], ["stop-tunnel", spec.hash]):
            seconds, done = timed(square, *command)
            assert seconds < AT_MOST, command
            if command != ["status"] and done.returncode:
                assert f"belongs to user {stranger.name}" in done.stderr
                assert "AUTOSSH_STATE_FILE" in done.stderr
    assert not square.home.processes("ssh", "autossh")


def test_a_second_name_for_the_state_file_is_no_refusal(square: Lab, stranger: User) -> None:
    spec = inward(square.echo.port, free_port())
    start_tunnel(square.home.settings, spec, wait=10)
    stop_tunnel(square.home.settings, spec.hash)
    aside = square.home.state_file.with_name("aside")
    stranger.do("import os, sys; os.link(*sys.argv[1:])", square.home.state_file, aside)
    assert start_tunnel(square.home.settings, spec, wait=10).ok
    assert state_of(square.home, spec) is State.RUNNING
    assert aside.read_bytes() == b""


def test_a_master_that_is_not_ours_answers_for_nobody(
    square: Lab, stranger: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The directory of control sockets is in /tmp where HOME is long: it may be squatted."""
    directory = square.home.state_file.with_name("sockets")
    settings = square.home.settings._replace(socket_dir=str(directory))
    spec = inward(square.echo.port, free_port(), interactive=True)
    path = settings.login_socket(spec.remote_host)
    with stranger.run_as(FAKE_MASTER, path, os.getpid()) as running:
        running.ready()
        assert control_socket.master_pid(path) is None
        # Neither in a directory of ours to which somebody else can write, nor in a closed one.
        os.chown(directory, 0, 0)
        assert control_socket.master_pid(path) is None
        directory.chmod(0o700)
        assert control_socket.master_pid(path) is None
        os.chown(path, 0, 0)
        assert control_socket.master_pid(path) is None, (
            "the process at the other end is a stranger's"
        )
        (status,) = Observer(settings).observe([spec])
        assert status.state is State.INTERACTIVE


def test_a_lock_on_a_file_of_the_same_number_makes_nobody_the_watcher(
    tmp_path: Path, stranger: User
) -> None:
    """Two file systems count their files alike."""
    places = [tmp_path / "ours", tmp_path / "theirs"]
    mounted = []
    try:
        for place in places:
            place.mkdir()
            command = ["mount", "-t", "tmpfs", "-o", "mode=777", "none", str(place)]
            if subprocess.run(command, check=False, capture_output=True).returncode:
                pytest.skip("no right to mount here")
            mounted.append(place)
            (place / "watcher.lock").touch()
            (place / "watcher.lock").chmod(0o666)
        for parent in (tmp_path, *tmp_path.parents):
            if str(parent).startswith("/tmp/"):
                parent.chmod(parent.stat().st_mode | 0o011)
        inodes = {os.stat(place / "watcher.lock").st_ino for place in places}
        assert len(inodes) == 1, "the two files have one number"
        with stranger.run_as(HOLD, "flock", places[1] / "watcher.lock").ready() as holder:
            assert locks.lock_holder(str(places[0] / "watcher.lock")) is None
            assert locks.lock_holder(str(places[1] / "watcher.lock")) is None, "he is not ours"
            assert holder.pid
        ours = locks.FileLock(str(places[0] / "watcher.lock"))
        ours.try_lock()
        assert locks.lock_holder(ours.path) == os.getpid()
        ours.release()
    finally:
        for place in mounted:
            subprocess.run(["umount", str(place)], check=True)


def test_the_locks_are_closed_to_others(square: Lab, stranger: User) -> None:
    spec = inward(square.echo.port, free_port())
    start_tunnel(square.home.settings, spec, wait=10)
    directory = Path(square.home.settings.lock_dir)
    assert directory.stat().st_mode & 0o777 == 0o700
    assert sorted(os.listdir(directory)) == ["state"]
    square.home.path.chmod(0o711)
    said = stranger.do(
        "import os, sys\n"
        "try: os.open(sys.argv[1], os.O_RDONLY)\n"
        "except PermissionError: print('no')",
        directory / "state",
    )
    assert said.strip() == "no"
