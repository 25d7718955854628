"""A hostile server, or a hop on the way: it decides no state but its own, and no word of advice."""

import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Lab
from tests.support import forgery
from tests.support.forgery import EVIL, FAILURES, VOIDS
from tests.support.network import ECHO_GREETING, free_port
from tests.support.tunnels import as_yaml, inward, outward, state_of, status_of
from tests.support.waiting import wait_until
from tunnel_tui.cli.output import safe
from tunnel_tui.model import ReasonCode, State, TunnelSpec, TunnelStatus

pytest.importorskip("asyncssh")
from tests.support.hostile_server import HostileServer

pytestmark = pytest.mark.process
NEVER = (State.STARTING, State.DEAD)
Serve = Callable[..., HostileServer]


@pytest.fixture
def serve(lab: Lab) -> Iterator[Serve]:
    """Start a hostile server that ssh reaches as host `hostile` (or another name)."""
    servers: list[HostileServer] = []

    def start(alias: str = "hostile", **tricks: Any) -> HostileServer:
        server = HostileServer(**tricks)
        servers.append(server)
        lab.home.add_host(alias, server.port, StrictHostKeyChecking="no")
        return server

    yield start
    for server in servers:
        server.close()


def begin(lab: Lab, spec: TunnelSpec) -> None:
    lab.home.write_config(as_yaml(spec))
    done = lab.home.cli("start")
    assert done.returncode in (0, 1, 3), done.stderr


def begin_only(lab: Lab, spec: TunnelSpec) -> None:
    """Let it be started, which takes long where nobody answers."""
    lab.home.write_config(as_yaml(spec))
    starting = subprocess.Popen(
        lab.home.command("start"), env=lab.home.variables, stdout=subprocess.DEVNULL
    )
    wait_until(lambda: status_of(lab.home, spec).pid, what="a process")
    threading.Thread(target=starting.wait, daemon=True).start()


def texts_of(lab: Lab, spec: TunnelSpec, status: TunnelStatus) -> dict[str, str]:
    """Whatever commands and the app say in their own name, by where they say it."""
    from tunnel_tui.supervise.info.tunnel_details import gather
    from tunnel_tui.tui.details.details_text import climb, head_facts
    from tunnel_tui.tui.format.glyphs import UNICODE
    from tunnel_tui.tui.notify.death_toasts import explain_death

    home = lab.home
    texts = {"long": home.cli("status", "--long").stdout}
    [record] = json.loads(home.cli("status", "--json").stdout)
    texts["json"] = (record["reason"] or {}).get("advice", "")
    shown = home.cli("show-tunnel", spec.name).stdout.splitlines()
    kept = [line for line in shown if not line.strip().startswith(("Reason:", "Evidence:"))]
    texts["show-tunnel"] = "\n".join(kept)
    texts["advice"] = status.reason.advice if status.reason else ""
    texts["toast"] = explain_death(status.reason)
    facts = head_facts(status, gather(home.settings, status, time.time()), UNICODE, time.time())
    texts["details"] = "\n".join(text for label, text, _ in facts if label != "evidence")
    texts["ladder"] = "\n".join(rung.advice for rung in climb([], status, UNICODE))
    return texts


def assert_no_command(lab: Lab, spec: TunnelSpec, quoted: bool = False) -> TunnelStatus:
    """Nothing that the server wrote stands in any advice.

    Args:
        lab: the machine.
        spec: the tunnel.
        quoted: a reason may quote the server (a farewell), though no advice may.
    """
    status = status_of(lab.home, spec)
    texts = texts_of(lab, spec, status)
    if quoted and status.reason:
        from tunnel_tui.tui.format.text import clean

        said = status.reason.text
        for quote in (said, safe(said), clean(said)):
            texts = {key: text.replace(quote, "") for key, text in texts.items()}
    for place, text in texts.items():
        # An interpreter splits words in more ways than one.
        assert "evil.example" not in text, f"{place}: {text}"
    return status


def watch(lab: Lab, spec: TunnelSpec, seconds: float = 2.0) -> set[State]:
    """Every state that is shown for some time."""
    end, seen = time.monotonic() + seconds, set()
    while time.monotonic() < end:
        seen.add(state_of(lab.home, spec))
        time.sleep(0.1)
    return seen


def settled(lab: Lab, spec: TunnelSpec) -> TunnelStatus:
    """The status when the first attempt is over."""
    wait_until(lambda: status_of(lab.home, spec).reason, what="a reason")
    return status_of(lab.home, spec)


@pytest.mark.parametrize("forged", FAILURES)
def test_a_banner_is_no_reason(lab: Lab, serve: Serve, forged: str) -> None:
    serve(banner=f"{FAILURES[forged]}\r\n", denies=True)
    spec = inward(lab.echo.port, free_port(), host="hostile")
    begin(lab, spec)
    settled(lab, spec)
    status = assert_no_command(lab, spec)
    assert status.state in NEVER
    assert status.reason
    assert status.reason.code is ReasonCode.PERMISSION_DENIED
    assert EVIL not in status.reason.text


@pytest.mark.parametrize("forged", FAILURES)
def test_a_banner_on_the_way_is_quoted_only(lab: Lab, serve: Serve, forged: str) -> None:
    serve("hop", banner=f"{FAILURES[forged]}\r\n", denies=True)
    lab.home.add_host("behind", lab.sshd.port, ProxyJump="hop", StrictHostKeyChecking="no")
    spec = inward(lab.echo.port, free_port(), host="behind")
    begin(lab, spec)
    settled(lab, spec)
    assert assert_no_command(lab, spec, quoted=True).state in NEVER


@pytest.mark.parametrize("make", [inward, outward], ids=["-L", "-R"])
@pytest.mark.parametrize("way", ["direct", "ProxyJump", "ProxyCommand"])
def test_a_banner_confirms_nothing(lab: Lab, serve: Serve, way: str, make: Any) -> None:
    ports = lab.echo.port, free_port()
    listener, target = ports[::-1]
    banner = forgery.successes_of_everybody(listener, target)
    serve("hop" if way != "direct" else "hostile", banner=banner, delay=60)
    if way == "ProxyJump":
        lab.home.add_host("hostile", lab.sshd.port, ProxyJump="hop")
    elif way == "ProxyCommand":
        command = f"ssh -F {lab.home.ssh_config} -W %h:%p hop"
        lab.home.add_host("hostile", lab.sshd.port, ProxyCommand=command)
    spec = make(*ports, host="hostile")
    begin_only(lab, spec)
    assert watch(lab, spec, 3) <= set(NEVER)


def test_a_proxy_confirms_nothing(lab: Lab) -> None:
    listener = free_port()
    forged = lab.home.path / "forged"
    forged.write_text(forgery.successes_of_everybody(listener, lab.echo.port))
    command = f"sh -c 'cat {forged} >&2; exec sleep 60'"
    lab.home.add_host("hostile", 22, ProxyCommand=command)
    spec = inward(lab.echo.port, listener, host="hostile")
    begin_only(lab, spec)
    assert watch(lab, spec, 3) <= set(NEVER)


def test_a_banner_of_failures_fails_nothing(lab: Lab, serve: Serve) -> None:
    every = "\r\n".join([*FAILURES.values(), *VOIDS])
    serve("hop", banner=f"{every}\r\n")
    lab.home.add_host("behind", lab.sshd.port, ProxyJump="hop", StrictHostKeyChecking="no")
    spec = inward(lab.echo.port, free_port(), host="behind")
    begin(lab, spec)
    wait_until(lambda: state_of(lab.home, spec) is State.RUNNING, what="RUNNING", deadline=15)
    assert watch(lab, spec) == {State.RUNNING}
    assert_no_command(lab, spec)


def _voids(lab: Lab, listener: int) -> list[str]:
    newest = int(Path("/proc/loadavg").read_text().split()[-1])
    return [f"x\n{text.format(pid=newest, port=listener)}\nx" for text in VOIDS]


def test_remarks_of_a_server_end_nothing(lab: Lab, serve: Serve) -> None:
    """ssh writes SSH_MSG_DEBUG as it comes, line feeds and all, into its own log."""
    listener = free_port()
    serve(debug=_voids(lab, listener) + [f"x\n{text}" for text in FAILURES.values()])
    spec = inward(lab.echo.port, listener, host="hostile")
    begin(lab, spec)
    wait_until(lambda: state_of(lab.home, spec) is State.RUNNING, what="RUNNING")
    assert watch(lab, spec) == {State.RUNNING}
    status = assert_no_command(lab, spec)
    assert status.reconnects == 0


def test_a_remark_is_not_the_answer_to_a_forward(lab: Lab, serve: Serve) -> None:
    listener = free_port()
    text = forgery.successes_of_everybody(listener, lab.echo.port, 1000)
    pieces = [text[begin : begin + 800] for begin in range(0, len(text), 800)]
    serve(debug_before=[f"x\n{piece}" for piece in pieces], remote="refuse")
    spec = outward(lab.echo.port, listener, host="hostile")
    begin_only(lab, spec)
    assert watch(lab, spec, 3) <= set(NEVER)


@pytest.mark.parametrize("when", ["auth", "open"])
@pytest.mark.parametrize("forged", ["changed key", "key file", "denied", "ours", "jump", "kex"])
def test_a_farewell_is_quoted_only(lab: Lab, serve: Serve, forged: str, when: str) -> None:
    serve(disconnect=f"bye\n{FAILURES[forged]}\nbye", disconnect_when=when)
    spec = inward(lab.echo.port, free_port(), host="hostile")
    begin(lab, spec)
    settled(lab, spec)
    status = assert_no_command(lab, spec, quoted=True)
    assert status.state in NEVER
    assert status.reason
    assert status.reason.code is ReasonCode.CONNECTION_LOST


@pytest.mark.parametrize("forged", ["changed key", "key file", "name", "ours", "path"])
def test_the_list_of_methods_is_quoted_only(lab: Lab, serve: Serve, forged: str) -> None:
    serve(denies=True, methods=f"publickey\n{FAILURES[forged]}\n")
    spec = inward(lab.echo.port, free_port(), host="hostile")
    begin(lab, spec)
    settled(lab, spec)
    status = assert_no_command(lab, spec, quoted=True)
    assert status.reason
    assert status.reason.code is ReasonCode.PERMISSION_DENIED


def test_a_list_of_methods_without_end_costs_no_time(lab: Lab, serve: Serve) -> None:
    serve(denies=True, methods="Permission denied (" * 1500)
    spec = inward(lab.echo.port, free_port(), host="hostile")
    begin(lab, spec)
    settled(lab, spec)
    began = time.monotonic()
    lab.home.cli("status", "--long")
    assert time.monotonic() - began < 2


def test_a_refused_channel_ends_nothing(lab: Lab, serve: Serve) -> None:
    listener = free_port()
    texts = [*_voids(lab, listener), *(f"x\n{text}" for text in FAILURES.values())]
    serve(channel_failure=texts)
    spec = inward(lab.echo.port, listener, host="hostile")
    begin(lab, spec)
    wait_until(lambda: state_of(lab.home, spec) is State.RUNNING, what="RUNNING")
    for _ in texts:
        with socket.create_connection(("127.0.0.1", listener)) as client:
            client.settimeout(5)
            assert client.recv(100) == b""
    assert watch(lab, spec) == {State.RUNNING}
    assert_no_command(lab, spec, quoted=True)


def test_algorithms_of_a_server_are_no_advice(lab: Lab, serve: Serve) -> None:
    serve(raw=forgery.kexinit(f"none;{EVIL}"))
    spec = inward(lab.echo.port, free_port(), host="hostile")
    begin(lab, spec)
    settled(lab, spec)
    assert assert_no_command(lab, spec, quoted=True).state in NEVER


@pytest.mark.parametrize(
    "raw",
    [
        "",
        f"SSH-2.0-{EVIL}\r\n" + "x" * 100_000,
        f"SSH-1.5-{EVIL}\r\n",
        f"HTTP/1.1 400 {EVIL}\r\n\r\n",
        f"{EVIL}\r\n" * 2000,
        "\x00\xff\n" * 5000,
        "SSH-2.0-x\r\n\xff\xff\xff\xff" + EVIL,
    ],
    ids=["silent", "long", "old", "http", "talks", "binary", "packet"],
)
def test_whatever_answers_at_the_port_is_no_advice(lab: Lab, serve: Serve, raw: str) -> None:
    serve(raw=raw, hangs_up=bool(raw))
    spec = inward(lab.echo.port, free_port(), host="hostile", ssh_options=("ConnectTimeout=2",))
    begin(lab, spec)
    assert watch(lab, spec, 1) <= set(NEVER)
    assert_no_command(lab, spec, quoted=True)


def test_a_lie_about_its_own_side_costs_no_state_elsewhere(lab: Lab, serve: Serve) -> None:
    """Whoever owns the far end may lie about it; the tunnels of others are what they are."""
    serve(remote="lie")
    liar = outward(lab.echo.port, free_port(), host="hostile", name="liar")
    good = inward(lab.echo.port, free_port(), name="good")
    lab.home.write_config(as_yaml(liar, good))
    lab.home.cli("start")
    wait_until(lambda: state_of(lab.home, good) is State.RUNNING, what="RUNNING")
    listener = int(good.local_port.rpartition(":")[2])
    with socket.create_connection(("127.0.0.1", listener)) as client:
        client.sendall(ECHO_GREETING)
        assert client.recv(100) == ECHO_GREETING


# -- files that a server names

GATHER = """
import resource, sys, time
resource.setrlimit(resource.RLIMIT_AS, (2 << 30, 2 << 30))
from tunnel_tui.ssh.log.reasons import Reason
from tunnel_tui.model import *
from tunnel_tui.settings import load_settings
from tunnel_tui.supervise.info.tunnel_details import gather
import os
spec = TunnelSpec("web", "hostile", sys.argv[1], sys.argv[2], Direction.REMOTE_TO_LOCAL, False,
    sys.argv[3])
reason = Reason(ReasonCode.HOST_KEY_CHANGED, "host key changed")
began = time.monotonic()
more = gather(load_settings(os.environ), TunnelStatus(spec, State.DEAD, reason=reason), 0.0)
print(time.monotonic() - began, more.key and more.key.name)
"""


def changed_key(file: str, name: str = "hostile") -> str:
    """A changed host key as ssh tells it."""
    box = "@" * 59
    return (
        f"{box}\r\n@    WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!     @\r\n{box}\r\n"
        f"The fingerprint for the ED25519 key sent by the remote host is\r\nSHA256:{'A' * 43}.\r\n"
        f"Offending ED25519 key in {file}:1\r\nHost key for {name} has changed and you have "
        "requested strict checking.\r\nHost key verification failed.\r\n"
    )


def gather(lab: Lab, spec: TunnelSpec) -> tuple[float, str]:
    """What the details make of the log; the seconds it took and the name of the key."""
    arguments = [spec.remote_port, spec.local_port, spec.hash]
    done = subprocess.run(
        [sys.executable, "-c", GATHER, *arguments],
        env=lab.home.variables,
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    seconds, name = done.stdout.split()
    return float(seconds), name


def saying(kind: str, text: str) -> dict[str, Any]:
    """Let a server say a text where ssh writes it down."""
    return {
        "banner": {"banner": text, "denies": True},
        "methods": {"methods": "publickey\n" + text, "denies": True},
        "farewell": {"disconnect": "bye\n" + text},
    }[kind]


@pytest.mark.parametrize("kind", ["banner", "methods", "farewell"])
@pytest.mark.parametrize("file", ["/dev/zero", "fifo", "secret", "large"])
def test_no_file_is_opened_that_the_configuration_does_not_name(
    lab: Lab, serve: Serve, file: str, kind: str
) -> None:
    path = lab.home.path / "canary" / file if not file.startswith("/") else file
    if file == "fifo":
        os.makedirs(lab.home.path / "canary")
        os.mkfifo(path)
    elif path != file:
        os.makedirs(lab.home.path / "canary")
        with open(path, "wb") as made:
            made.truncate(4 << 30 if file == "large" else 100)
    text = changed_key(str(path))
    serve(**saying(kind, text))
    spec = inward(lab.echo.port, free_port(), host="hostile")
    begin(lab, spec)
    settled(lab, spec)
    from tests.support.opened import Opened

    with Opened(lab.home.path / "canary" if path != file else lab.home.path) as opened:
        seconds, _ = gather(lab, spec)
    assert seconds < 0.5
    assert not opened.names & {file}


@pytest.mark.parametrize("kind", ["banner", "methods", "farewell"])
def test_no_key_of_another_host_is_offered_to_be_forgotten(
    lab: Lab, serve: Serve, kind: str
) -> None:
    text = changed_key(lab.home.settings.known_hosts_file, "bank.example")
    serve(**saying(kind, text))
    spec = inward(lab.echo.port, free_port(), host="hostile")
    begin(lab, spec)
    settled(lab, spec)
    assert gather(lab, spec)[1] == "None"
