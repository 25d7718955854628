"""The demo keeps what it promises: tunnels that carry, tunnels that fail, nothing left behind."""

import base64
import contextlib
import io
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import ptyprocess
import pytest

from tests.conftest import need_program
from tests.support import processes
from tests.support.waiting import wait_until
from tunnel_tui.config.load import load_config
from tunnel_tui.demo.codes import accepts, code_at
from tunnel_tui.demo.world import demo_settings
from tunnel_tui.model import State, TunnelSpec, TunnelStatus
from tunnel_tui.observe.observer import Observer
from tunnel_tui.settings import Settings

pytestmark = pytest.mark.process
pytest.importorskip("asyncssh")

LEAVING_SECONDS = 20.0


class RunningDemo:
    """A demo without the app, in a process of its own."""

    def __init__(self, temporary: Path, **variables: str) -> None:
        program = "import sys; from tunnel_tui.demo.main import run; sys.exit(run(headless=True))"
        self.process = subprocess.Popen(
            [sys.executable, "-c", program],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | {"TMPDIR": str(temporary), "HOME": str(temporary)} | variables,
            start_new_session=True,
        )
        assert self.process.stdout is not None
        self.variables = dict(_exports(self.process.stdout))
        self.root = os.path.dirname(self.variables["AUTOSSH_CONFIG_FILE"])
        self.settings: Settings = demo_settings(self.root)
        self.specs = {spec.name: spec for spec in load_config(self.settings.config_file).tunnels}

    def status(self, name: str) -> TunnelStatus:
        """What is true of one tunnel."""
        return Observer(self.settings).observe([self.specs[name]])[0]

    def reaches(self, name: str, state: State) -> Callable[[], TunnelStatus | None]:
        """A condition for wait_until."""

        def look() -> TunnelStatus | None:
            status = self.status(name)
            return status if status.state is state else None

        return look

    def keeper(self) -> int:
        """The pid of the process that holds the servers."""
        return next(pid for pid in self.processes() if "keeper" in "".join(_words(pid)))

    def processes(self) -> list[int]:
        """Every live process of this demo: keeper, autossh, ssh."""
        own = processes.with_environment("HOME", os.path.dirname(self.root))
        return [pid for pid in own if pid != self.process.pid]

    def end(self, signum: int) -> int:
        """Signal the demo and wait for its exit code."""
        self.process.send_signal(signum)
        return self.process.wait(LEAVING_SECONDS)

    def is_gone(self) -> bool:
        """Neither a process nor the directory is left."""
        return not self.processes() and not os.path.exists(self.root)

    def close(self) -> None:
        """Clear up after a failed test."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        if self.process.stdout is not None:
            self.process.stdout.close()
        deadline = time.monotonic() + LEAVING_SECONDS
        while self.processes() and time.monotonic() < deadline:
            time.sleep(0.05)
        processes.end(self.processes(), signal.SIGKILL)


def _words(pid: int) -> list[str]:
    return processes.command_line(pid)


def _exports(output: io.TextIOBase) -> Iterator[tuple[str, str]]:
    for line in output:
        if line.startswith("#"):
            return
        name, _, value = line.removeprefix("export ").rstrip("\n").partition("=")
        yield name, value


@contextlib.contextmanager
def _temporary() -> Iterator[Path]:
    """A short path: control sockets must fit below it."""
    with tempfile.TemporaryDirectory(prefix="tt-", dir="/tmp") as path:
        yield Path(path)


@pytest.fixture
def demo() -> Iterator[RunningDemo]:
    need_program("ssh")
    with _temporary() as temporary:
        running = RunningDemo(temporary)
        yield running
        running.close()


def _page(port: int) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=5) as answer:
        return str(answer.read().decode())


def _port(text: str) -> int:
    return int(text.rpartition(":")[2])


def test_every_tunnel_does_what_its_host_does(demo: RunningDemo) -> None:
    assert 9 <= len(demo.specs) <= 12
    for name in ("grafana", "metrics", "done-hub", "git-mirror", "share-blog"):
        wait_until(demo.reaches(name, State.RUNNING), 20, f"{name} RUNNING")
        spec: TunnelSpec = demo.specs[name]
        listener = spec.forward().listener
        assert f"Hello from {name}!" in _page(listener.port)
    expected = {
        "db-replica": "host-key-changed",
        "printer": "unresolved",
        "webhooks": "forwarding-refused",
    }
    for name, code in expected.items():
        status = wait_until(demo.reaches(name, State.DEAD), 30, f"{name} DEAD")
        assert status.reason is not None
        assert status.reason.code.value == code, name
    assert demo.status("wiki").state is State.STOPPED
    for name in ("hpc-login", "hpc-jupyter", "hpc-files"):
        assert demo.status(name).state is State.INTERACTIVE
    assert demo.end(signal.SIGTERM) == 0
    assert demo.is_gone()


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGHUP, signal.SIGKILL])
def test_nothing_is_left(demo: RunningDemo, signum: int) -> None:
    wait_until(demo.reaches("grafana", State.RUNNING), 20, "grafana RUNNING")
    port = _port(demo.specs["grafana"].local_port)
    demo.end(signum)
    wait_until(demo.is_gone, LEAVING_SECONDS, "every process and the directory gone")
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", port)) != 0


def test_leaving_while_tunnels_start_leaves_nothing(demo: RunningDemo) -> None:
    assert demo.end(signal.SIGTERM) == 0
    assert demo.is_gone()


def test_a_killed_keeper_leaves_nothing(demo: RunningDemo) -> None:
    wait_until(demo.reaches("grafana", State.RUNNING), 20, "grafana RUNNING")
    os.kill(demo.keeper(), signal.SIGKILL)
    assert demo.end(signal.SIGTERM) == 0
    assert demo.is_gone()


def test_works_without_autossh(tmp_path: Path) -> None:
    need_program("ssh")
    (tmp_path / "ssh").symlink_to(str(shutil.which("ssh")))
    with _temporary() as temporary:
        demo = RunningDemo(temporary, PATH=str(tmp_path))
        try:
            status = wait_until(demo.reaches("grafana", State.RUNNING), 20, "grafana RUNNING")
            assert status.pid == status.ssh_pid
            assert "Hello from grafana!" in _page(_port(demo.specs["grafana"].local_port))
            assert demo.end(signal.SIGTERM) == 0
            assert demo.is_gone()
        finally:
            demo.close()


@pytest.mark.parametrize(
    ("signum", "code"), [(None, 0), (signal.SIGTERM, 143), (signal.SIGHUP, 129)]
)
def test_the_app_leaves_terminal_and_machine_tidy(signum: int | None, code: int) -> None:
    need_program("ssh")
    with _temporary() as temporary:
        variables = {"TMPDIR": str(temporary), "HOME": str(temporary), "TERM": "xterm-256color"}
        program = "import sys; from tunnel_tui.cli.main import main; sys.exit(main(['demo']))"
        app = ptyprocess.PtyProcess.spawn(
            [sys.executable, "-c", program], env=os.environ | variables, dimensions=(40, 140)
        )
        screen = b""
        try:
            while b"grafana" not in screen or b"RUNNING" not in screen:
                screen += app.read()
            if signum is None:
                app.write(b"q")
            else:
                app.kill(signum)
            with contextlib.suppress(EOFError):
                while True:
                    screen += app.read()
        except BaseException:
            app.kill(signal.SIGKILL)  # the keeper clears up
            raise
        assert app.wait() == code
        assert screen.rfind(b"\x1b[?1049l") > screen.rfind(b"\x1b[?1049h")
        assert not os.listdir(temporary)
        assert not processes.with_environment("HOME", str(temporary))


@pytest.mark.slow
def test_the_flaky_host_drops_and_comes_back(demo: RunningDemo) -> None:
    need_program("autossh")
    first = wait_until(demo.reaches("git-mirror", State.RUNNING), 20, "git-mirror RUNNING")
    lost = wait_until(demo.reaches("git-mirror", State.STARTING), 60, "git-mirror dropped")
    assert lost.reason is not None
    assert lost.reason.code.value == "connection-lost"
    again = wait_until(demo.reaches("git-mirror", State.RUNNING), 20, "git-mirror back")
    assert again.pid == first.pid
    assert again.reconnects == 1


def test_two_demos_do_not_touch_each_other(demo: RunningDemo) -> None:
    wait_until(demo.reaches("grafana", State.RUNNING), 20, "grafana RUNNING")
    with _temporary() as temporary:
        other = RunningDemo(temporary)
        try:
            wait_until(other.reaches("grafana", State.RUNNING), 20, "the other grafana RUNNING")
            assert other.specs["grafana"].local_port != demo.specs["grafana"].local_port
            assert other.end(signal.SIGTERM) == 0
        finally:
            other.close()
    assert demo.status("grafana").state is State.RUNNING
    assert "Hello from grafana!" in _page(_port(demo.specs["grafana"].local_port))


@pytest.mark.parametrize(
    ("moment", "code"),
    [(59, "287082"), (1111111109, "081804"), (1234567890, "005924"), (2000000000, "279037")],
)
def test_codes_are_those_of_an_authenticator(moment: int, code: str) -> None:
    secret = base64.b32encode(b"12345678901234567890").decode()  # RFC 6238, appendix B
    assert code_at(secret, moment) == code
    assert accepts(secret, code, moment + 29)
    assert not accepts(secret, code, moment + 90)


def test_without_asyncssh_it_says_what_to_install(tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(
        "import importlib.util as u\n"
        "find = u.find_spec\n"
        "u.find_spec = lambda name, *rest: None if name == 'asyncssh' else find(name, *rest)\n"
    )
    program = "import sys; from tunnel_tui.demo.main import run; sys.exit(run(headless=True))"
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=os.environ | {"PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 1
    assert "pip install 'tunnel-tui[demo]'" in done.stderr
    assert done.stdout == ""
