"""Every failure made again with real ssh and autossh, and read from what they print."""

import os
import signal
import socket
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.conftest import Lab, need_program
from tests.support.network import free_port
from tests.support.sshd import Sshd
from tests.support.waiting import wait_until
from tunnel_tui.model import Direction, Reason, TunnelSpec
from tunnel_tui.model import ReasonCode as Code
from tunnel_tui.ssh.client_config import SshClient
from tunnel_tui.ssh.log.reasons import find_reason, last_words
from tunnel_tui.ssh.marks import OWN_LOG
from tunnel_tui.system.spawn import find_program

pytestmark = pytest.mark.process
VERBOSE = "LogVerbose=*:ssh_confirm_remote_forward():*,*:client_loop():*"
TELLING = f"{VERBOSE},*:ssh_packet_read_poll_seqnr():*"
SPEC = TunnelSpec("t", "server", "1", "2", Direction.REMOTE_TO_LOCAL, False, "0" * 32)


class Attempt:
    """Runs ssh (or autossh) into a failure and reads its words."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.known = Path(lab.home.settings.known_hosts_file)
        self.known.parent.mkdir(parents=True, exist_ok=True)
        self.log = lab.home.path / "attempt.log"
        self.others = lab.home.path / "others.log"

    def command(self, *arguments: str) -> list[str]:
        return [
            "-N",
            "-T",
            "-E",
            OWN_LOG,
            *(
                word
                for option in (
                    "ExitOnForwardFailure=yes",
                    "BatchMode=yes",
                    "ConnectTimeout=2",
                    "ServerAliveInterval=1",
                    "ServerAliveCountMax=2",
                    "ControlMaster=no",
                    "StrictHostKeyChecking=accept-new",
                    f"UserKnownHostsFile={self.known}",
                    "LogLevel=VERBOSE",
                )
                for word in ("-o", option)
            ),
            "-F",
            str(self.lab.home.ssh_config),
            *arguments,
        ]

    def begin(
        self, *arguments: str, autossh: bool = False, verbose: str = VERBOSE
    ) -> "subprocess.Popen[bytes]":
        words = self.command("-o", verbose, *arguments)
        environment = dict(self.lab.home.variables)
        if autossh:
            program = find_program("autossh", environment)
            assert program
            words = [program, "-M", "0", *words]
            environment |= {"AUTOSSH_LOGFILE": OWN_LOG, "AUTOSSH_LOGLEVEL": "6"}
        else:
            words = ["ssh", *words]
        with self.log.open("ab") as log, self.others.open("ab") as others:
            return subprocess.Popen(
                words,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=others,
                start_new_session=True,
            )

    @property
    def lines(self) -> list[str]:
        return _lines(self.log)

    def reason(self, host: str) -> Reason | None:
        """Read the reason from what ssh said, and what others said to it."""
        spec = SPEC._replace(remote_host=host)
        client = SshClient(self.lab.home.settings, spec)
        return find_reason(self.lines, spec, others=_lines(self.others), client=client)

    def fail(self, *arguments: str, autossh: bool = True, verbose: str = VERBOSE) -> Reason:
        process = self.begin(*arguments, autossh=autossh, verbose=verbose)
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            raise AssertionError("\n".join(self.lines)) from None
        reason = self.reason(arguments[-1])
        assert reason is not None, "\n".join(self.lines)
        assert reason.text
        assert reason.advice
        assert reason.evidence
        assert "\n" not in reason.advice
        assert "{" not in reason.text + reason.advice
        return reason


def _lines(path: Path) -> list[str]:
    return path.read_text(errors="replace").splitlines() if path.exists() else []


@pytest.fixture
def attempt(lab: Lab) -> Iterator[Attempt]:
    need_program("autossh")
    yield Attempt(lab)
    lab.home.close()


def forward() -> tuple[str, str]:
    return "-L", f"127.0.0.1:{free_port()}:127.0.0.1:9"


def test_host_key_changed(attempt: Attempt) -> None:
    port = attempt.lab.sshd.port
    other = attempt.lab.sshd.keys.make(f"other-{port}-{os.getpid()}-{free_port()}")
    key = " ".join(other.with_suffix(".pub").read_text().split()[:2])
    attempt.known.write_text(f"# mine\n[127.0.0.1]:{port} {key}\n")
    reason = attempt.fail(*forward(), "server")
    assert reason.code is Code.HOST_KEY_CHANGED
    assert f"ssh-keygen -R '[127.0.0.1]:{port}' -f {attempt.known}" in reason.advice
    assert "SHA256:" in reason.advice
    assert "attack" in reason.advice
    assert not reason.transient


def test_host_key_unknown(attempt: Attempt) -> None:
    words = [
        word.replace("accept-new", "yes") for word in attempt.command("-o", VERBOSE, *forward())
    ]
    with attempt.log.open("wb") as log:
        subprocess.run(
            ["ssh", *words, "server"],
            env=attempt.lab.home.variables,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.DEVNULL,
            check=False,
        )
    reason = find_reason(attempt.lines, SPEC)
    assert reason is not None
    assert reason.code is Code.HOST_KEY_UNKNOWN


def test_key_refused(attempt: Attempt) -> None:
    other = attempt.lab.sshd.keys.make(f"refused-{free_port()}")
    attempt.lab.home.ssh_config.write_text("")
    attempt.lab.home.add_host(
        "stranger", attempt.lab.sshd.port, IdentityFile=str(other), IdentitiesOnly="yes"
    )
    reason = attempt.fail(*forward(), "stranger")
    assert reason.code is Code.PERMISSION_DENIED
    assert reason.text == "permission denied (publickey)"
    assert not reason.transient


def test_password_wanted(attempt: Attempt, make_sshd: Callable[..., Sshd]) -> None:
    server = make_sshd(PasswordAuthentication="yes", PubkeyAuthentication="no")
    attempt.lab.home.add_host("pw", server.port)
    reason = attempt.fail(*forward(), "pw")
    assert reason.code is Code.PERMISSION_DENIED
    assert "interactive: true" in reason.advice


def test_too_many_keys(attempt: Attempt, make_sshd: Callable[..., Sshd]) -> None:
    server = make_sshd(MaxAuthTries="1")
    attempt.lab.home.ssh_config.write_text("")
    keys = [server.keys.make(f"many-{n}-{free_port()}") for n in range(3)]
    attempt.lab.home.add_host("many", server.port, IdentitiesOnly="yes")
    words = [word for key in keys for word in ("-i", str(key))]
    reason = attempt.fail(*words, *forward(), "many")
    assert reason.code is Code.TOO_MANY_FAILURES


def test_unprotected_key(attempt: Attempt) -> None:
    # A key that the server takes: only then does ssh open the private half.
    key = attempt.lab.home.path / "loose"
    key.write_bytes(attempt.lab.sshd.keys.client.read_bytes())
    key.chmod(0o644)
    attempt.lab.home.ssh_config.write_text("")
    attempt.lab.home.add_host(
        "loose", attempt.lab.sshd.port, IdentityFile=str(key), IdentitiesOnly="yes"
    )
    reason = attempt.fail(*forward(), "loose")
    assert reason.code is Code.KEY_FILE
    assert f"chmod 600 {key}" in reason.advice


@pytest.mark.parametrize("content", [None, "no key at all\n"])
def test_useless_key(attempt: Attempt, content: str | None) -> None:
    key = attempt.lab.home.path / "absent"
    if content is not None:
        key.write_text(content)
        key.chmod(0o600)
    attempt.lab.home.ssh_config.write_text("")
    attempt.lab.home.add_host(
        "keyless", attempt.lab.sshd.port, IdentitiesOnly="yes", IdentityFile=str(key)
    )
    reason = attempt.fail(*forward(), "keyless")
    assert reason.code is Code.KEY_FILE
    assert str(key) in reason.text


def test_a_missing_second_key_does_not_hide_another_failure(attempt: Attempt) -> None:
    reason = attempt.fail("-i", "/nonexistent/key", "-p", str(free_port()), *forward(), "server")
    assert reason.code is Code.REFUSED


def test_refused(attempt: Attempt) -> None:
    port = free_port()
    reason = attempt.fail("-p", str(port), *forward(), "server")
    assert reason.code is Code.REFUSED
    assert str(port) in reason.text
    assert reason.transient


def test_unresolvable(attempt: Attempt) -> None:
    reason = attempt.fail(*forward(), "me@no-such-host.invalid")
    assert reason.code is Code.UNRESOLVED
    assert reason.text == "could not resolve no-such-host.invalid"


def test_unreachable(attempt: Attempt) -> None:
    reason = attempt.fail(*forward(), "me@255.255.255.255")
    assert reason.code is Code.UNREACHABLE


def test_silent_server(attempt: Attempt) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        reason = attempt.fail("-p", str(silent.getsockname()[1]), *forward(), "server")
    assert reason.code is Code.TIMED_OUT
    assert "no answer from 127.0.0.1" in reason.text


def test_local_port_busy(attempt: Attempt) -> None:
    port = attempt.lab.echo.port
    reason = attempt.fail("-L", f"127.0.0.1:{port}:127.0.0.1:9", "server")
    assert reason.code is Code.LOCAL_PORT_BUSY
    assert reason.text == f"local port {port} is in use on 127.0.0.1"
    assert "ss -ltnp" in reason.advice
    assert not reason.transient


def test_local_address_foreign(attempt: Attempt) -> None:
    reason = attempt.fail("-L", f"198.51.100.7:{free_port()}:127.0.0.1:9", "server")
    assert reason.code is Code.BAD_CONFIGURATION
    assert "198.51.100.7" in reason.text


def test_local_socket_impossible(attempt: Attempt) -> None:
    reason = attempt.fail("-L", "/nonexistent/x.sock:127.0.0.1:9", "server")
    assert reason.code is Code.LOCAL_PORT_BUSY
    assert "No such file or directory" in reason.text


@pytest.mark.parametrize("verbose", [VERBOSE, TELLING])
def test_remote_port_busy(attempt: Attempt, verbose: str) -> None:
    port = attempt.lab.echo.port
    reason = attempt.fail("-R", f"127.0.0.1:{port}:127.0.0.1:9", "server", verbose=verbose)
    assert reason.code is Code.REMOTE_PORT_BUSY
    assert reason.text == f"remote port {port} is taken"
    assert reason.transient


@pytest.mark.parametrize("options", [{"AllowTcpForwarding": "no"}, {"PermitListen": "127.0.0.1:1"}])
def test_remote_forward_forbidden(
    attempt: Attempt, make_sshd: Callable[..., Sshd], options: dict[str, str]
) -> None:
    """The server says so only to a client that listens for its remarks."""
    server = make_sshd(**options)
    attempt.lab.home.add_host("closed", server.port)
    words = ("-R", f"127.0.0.1:{free_port()}:127.0.0.1:9", "closed")
    reason = attempt.fail(*words, verbose=TELLING)
    assert reason.code is Code.FORWARDING_REFUSED
    assert not reason.transient
    attempt.log.unlink()
    reason = attempt.fail(*words)
    assert reason.code is Code.REMOTE_PORT_BUSY
    assert "forbids" in reason.advice


@pytest.mark.parametrize(
    "said",
    [
        "debug1: packet.c:ssh_packet_read_poll_seqnr():1 (pid=5): Remote: Port forwarding denied",
        "debug1: packet.c:x():1 (pid=5): Remote: Server has disabled port forwarding.",
    ],
)
def test_forwarding_forbidden_in_other_words(said: str) -> None:
    failed = "Error: remote port forwarding failed for listen port 4022"
    reason = find_reason([said, failed], SPEC)
    assert reason is not None
    assert reason.code is Code.FORWARDING_REFUSED
    other = find_reason(["Remote: Agent forwarding disabled.", failed], SPEC)
    assert other is not None
    assert other.code is Code.REMOTE_PORT_BUSY


def test_jump_host_refused(attempt: Attempt) -> None:
    port = free_port()
    reason = attempt.fail("-o", f"ProxyJump=me@127.0.0.1:{port}", *forward(), "server")
    assert reason.code is Code.JUMP_FAILED
    assert reason.text.endswith(": connection refused")
    assert "Connection refused" in reason.evidence


def test_jump_host_denies(attempt: Attempt) -> None:
    other = attempt.lab.sshd.keys.make(f"jump-{free_port()}")
    attempt.lab.home.ssh_config.write_text("")
    attempt.lab.home.add_host(
        "jump",
        attempt.lab.sshd.port,
        IdentityFile=str(other),
        IdentitiesOnly="yes",
        StrictHostKeyChecking="no",
        UserKnownHostsFile="/dev/null",
    )
    attempt.lab.home.add_host("inner", attempt.lab.sshd.port, ProxyJump="jump")
    reason = attempt.fail(*forward(), "inner")
    assert reason.code is Code.PERMISSION_DENIED, "no repetition may help: a person is needed"


def test_jump_host_cannot_reach(attempt: Attempt) -> None:
    attempt.lab.home.add_ssh_config(
        "Host *", "StrictHostKeyChecking no", "UserKnownHostsFile /dev/null"
    )
    attempt.lab.home.add_host("inner", free_port(), ProxyJump="server")
    reason = attempt.fail(*forward(), "inner")
    assert reason.code is Code.JUMP_FAILED
    assert "cannot reach" in reason.text


def test_proxy_command_fails(attempt: Attempt) -> None:
    reason = attempt.fail("-o", "ProxyCommand=no-such-program %h", *forward(), "server")
    assert reason.code is Code.JUMP_FAILED


def test_too_many_connections(attempt: Attempt, make_sshd: Callable[..., Sshd]) -> None:
    server = make_sshd(MaxStartups="1:100:1")
    attempt.lab.home.add_host("full", server.port)
    with socket.create_connection(("127.0.0.1", server.port)) as first:
        assert first.recv(4) == b"SSH-"
        reason = attempt.fail(*forward(), "full")
    assert reason.code is Code.CONNECTION_LOST
    assert "MaxStartups" in reason.advice


def test_bad_option(attempt: Attempt) -> None:
    reason = attempt.fail("-o", "NoSuchThing=1", *forward(), "server")
    assert reason.code is Code.BAD_CONFIGURATION
    assert "nosuchthing" in reason.text
    attempt.log.unlink()
    reason = attempt.fail("-o", "TCPKeepAlive=perhaps", *forward(), "server")
    assert reason.code is Code.BAD_CONFIGURATION


def test_bad_ssh_config(attempt: Attempt) -> None:
    attempt.lab.home.add_ssh_config("Host *", "Nonsense yes")
    reason = attempt.fail(*forward(), "server")
    assert reason.code is Code.BAD_CONFIGURATION
    assert str(attempt.lab.home.ssh_config) in reason.text


def test_no_common_cipher(attempt: Attempt, make_sshd: Callable[..., Sshd]) -> None:
    server = make_sshd(Ciphers="aes256-ctr")
    attempt.lab.home.add_host("old", server.port)
    reason = attempt.fail("-c", "aes128-ctr", *forward(), "old")
    assert reason.code is Code.BAD_CONFIGURATION
    assert "aes256-ctr" in reason.text


def stood(attempt: Attempt) -> Callable[[], bool]:
    return lambda: any("Entering interactive session" in line for line in attempt.lines)


def test_connection_closed_in_session(attempt: Attempt, make_sshd: Callable[..., Sshd]) -> None:
    server = make_sshd()
    attempt.lab.home.add_host("mine", server.port)
    process = attempt.begin(*forward(), "mine")
    wait_until(stood(attempt))
    assert find_reason(attempt.lines, SPEC) is None
    server.stop()
    process.wait(5)
    reason = attempt.reason("mine")
    assert reason is not None, "\n".join(attempt.lines)
    assert reason.code is Code.CONNECTION_LOST
    assert reason.transient


def test_server_stops_answering(attempt: Attempt, make_sshd: Callable[..., Sshd]) -> None:
    server = make_sshd()
    attempt.lab.home.add_host("mine", server.port)
    process = attempt.begin(*forward(), "mine")
    wait_until(stood(attempt))
    server.freeze()
    process.wait(10)
    reason = find_reason(attempt.lines, SPEC)
    assert reason is not None
    assert reason.code is Code.CONNECTION_LOST
    assert "stopped answering" in reason.text


@pytest.mark.parametrize(
    ("signum", "name"), [(signal.SIGKILL, "SIGKILL"), (signal.SIGSEGV, "SIGSEGV")]
)
def test_ssh_killed_by_a_signal(attempt: Attempt, signum: int, name: str) -> None:
    process = attempt.begin(*forward(), "server", autossh=True)
    wait_until(stood(attempt))
    child = int(Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text())
    os.kill(child, signum)
    wait_until(lambda: any("exited on signal" in line for line in attempt.lines))
    lines = attempt.lines
    cut = next(n for n, line in enumerate(lines) if "exited on signal" in line)
    reason = find_reason(lines[: cut + 1], SPEC)
    assert reason is not None
    assert reason.code is Code.KILLED
    assert name in reason.text
    # A TERM that comes while it forks the next ssh would be lost to autossh.
    wait_until(lambda: any("Entering interactive" in line for line in attempt.lines[cut:]))
    process.terminate()
    process.wait(5)
    reason = find_reason(attempt.lines, SPEC)
    assert reason is not None
    assert reason.text == "killed by SIGTERM"


def test_ssh_ended_from_outside(attempt: Attempt) -> None:
    process = attempt.begin(*forward(), "server", autossh=True)
    wait_until(stood(attempt))
    child = int(Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text())
    os.kill(child, signal.SIGTERM)
    process.wait(5)
    reason = find_reason(attempt.lines, SPEC)
    assert reason is not None
    assert reason.code is Code.KILLED
    assert "ended from outside" in reason.text


def test_something_never_heard_of() -> None:
    lines = [
        "2026/11/22 15:08:21 autossh[7150]: starting ssh (count 1)",
        "2026/11/22 15:08:21 autossh[7150]: ssh child pid is 7156",
        "the flux capacitor is empty",
        "2026/11/22 15:08:21 autossh[71]: ssh exited prematurely with status 255; autossh exiting",
    ]
    reason = find_reason(lines)
    assert reason is not None
    assert reason.code is Code.UNKNOWN
    assert reason.text == "the flux capacitor is empty"
    assert last_words(lines) == reason
