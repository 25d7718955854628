"""A server whose banner tells of changed host keys: of other hosts, in other files."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.conftest import Lab
from tests.support.network import free_port
from tests.support.tunnels import as_yaml, inward
from tunnel_tui.model import TunnelSpec
from tunnel_tui.ssh.host_keys import find_changed_key

pytest.importorskip("asyncssh")
pytestmark = pytest.mark.process

SERVER = """
import asyncio, sys, asyncssh
class Server(asyncssh.SSHServer):
    def connection_made(self, conn): self.conn = conn
    def begin_auth(self, user):
        self.conn.send_auth_banner(sys.argv[1].replace("PORT", str(port)))
        return True
    def public_key_auth_supported(self): return True
    def validate_public_key(self, user, key): return False
async def main():
    global port
    key = asyncssh.generate_private_key("ssh-ed25519")
    server = await asyncssh.listen("127.0.0.1", 0, server_factory=Server, server_host_keys=[key])
    port = server.sockets[0].getsockname()[1]
    print(port, flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
asyncio.run(main())
"""
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIMbHPnKTgSnRgKYyRhTr1TwCI8WfdRpy9gcaRm/c3u+e"
Serve = Callable[[str], int]


@pytest.fixture
def serve() -> Iterator[Serve]:
    running: list[subprocess.Popen[str]] = []

    def start(banner: str) -> int:
        command = [sys.executable, "-c", SERVER, banner]
        pipe = subprocess.PIPE
        running.append(subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True))
        assert running[-1].stdout
        return int(running[-1].stdout.readline())

    yield start
    for server in running:
        server.communicate("", 10)


def forged(name: str, file: str, line: int = 1) -> str:
    return (
        "@@@@@@@@@\n@    WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!     @\n"
        "The fingerprint for the ED25519 key sent by the remote host is\nSHA256:evil.\n"
        f"Offending ED25519 key in {file}:{line}\nHost key for {name} has changed and you have "
        "requested strict checking.\nHost key verification failed.\n"
    )


def refused(lab: Lab, port: int) -> TunnelSpec:
    """A tunnel to the hostile server, which has refused it and left its banner."""
    lab.home.add_host("hostile", port)
    tunnel = inward(lab.echo.port, free_port(), host="hostile")
    lab.home.write_config(as_yaml(tunnel))
    lab.home.cli("start")
    return tunnel


PROGRAM = """
import os
from tunnel_tui.config.parse import parse_config
from tunnel_tui.settings import load_settings
from tunnel_tui.ssh.host_keys import find_changed_key
settings = load_settings(os.environ)
with open(settings.config_file, "rb") as file:
    spec = parse_config("c", file.read()).tunnels[0]
print(find_changed_key(settings, spec))
"""


@pytest.mark.parametrize("trap", ["zero", "fifo", "private"])
def test_no_file_is_read_that_ssh_does_not_name(
    lab: Lab, serve: Serve, tmp_path: Path, trap: str
) -> None:
    path = Path("/dev/zero") if trap == "zero" else tmp_path / "trap"
    port = serve(forged("[127.0.0.1]:PORT", str(path)))
    if trap == "fifo":
        os.mkfifo(path)
    elif trap == "private":
        path.write_text(f"[127.0.0.1]:{port} {KEY}\n")
    refused(lab, port)
    begin = time.monotonic()
    # A process of its own: what used to wait on a pipe could not be ended otherwise.
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, timeout=20)
    assert done.stdout == b"None\n", done.stderr
    assert time.monotonic() - begin < 5


def test_the_key_of_another_host_is_not_offered_for_forgetting(lab: Lab, serve: Serve) -> None:
    known = lab.home.settings.known_hosts_file
    port = serve(forged("bank.example", known, 1))
    Path(known).parent.mkdir(parents=True, mode=0o700)
    Path(known).write_text(f"bank.example {KEY}\n")
    tunnel = refused(lab, port)
    assert find_changed_key(lab.home.settings, tunnel) is None


def test_a_key_that_truly_changed_is_found(lab: Lab, make_sshd) -> None:  # type: ignore[no-untyped-def]
    server = make_sshd()
    name = f"[127.0.0.1]:{server.port}"
    known = lab.home.settings.known_hosts_file
    Path(known).parent.mkdir(parents=True, mode=0o700)
    Path(known).write_text(f"# mine\n{name} {KEY}\n")
    tunnel = refused(lab, server.port)
    key = find_changed_key(lab.home.settings, tunnel)
    assert key is not None
    assert (key.name, key.file, key.line, key.ours, key.hop) == (name, known, 2, True, False)
    assert key.known.startswith("SHA256:")
    assert key.offered.startswith("SHA256:")
