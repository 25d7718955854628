"""The server that the watcher keeps beside it when API_ENABLE says so."""

import asyncio
import json
import os
import signal
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest

pytest.importorskip("textual_serve")
pytest.importorskip("prometheus_client")
import aiohttp

from tests.conftest import Lab
from tests.support import processes
from tests.support.daemon import Daemon, zombies_of
from tests.support.network import EchoService, free_port, passes
from tests.support.tunnels import as_yaml, inward
from tests.support.waiting import wait_until
from tunnel_tui.system.sockets import tcp_sockets

pytestmark = pytest.mark.process

KEY = "the-key-of-the-server-in-this-test"


def call(port: int, path: str, key: str = KEY) -> tuple[int, object]:
    """GET; returns the status and the JSON."""
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}{path}", headers={"Authorization": f"Bearer {key}"}
    )
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def listens(port: int) -> bool:
    return any(socket.local[1] == port for socket in tcp_sockets(True).values())


def variables(port: int, **more: str) -> dict[str, str]:
    return {"API_ENABLE": "true", "API_KEY": KEY, "API_PORT": str(port)} | more


def server_pid(daemon: Daemon, count: int = 1) -> int:
    pid = int(daemon.wait_for("server-started", count=count)["pid"])
    daemon.wait_for("serving", 30, count=count)
    return pid


@pytest.mark.alone
def test_it_serves_with_the_key_and_ends_with_the_watcher(
    lab: Lab, run_daemon: Callable[..., Daemon]
) -> None:
    here, port = free_port(), free_port()
    spec = inward(lab.echo.port, here, name="in")
    lab.home.write_config(as_yaml(spec))
    daemon = run_daemon(variables=variables(port))
    daemon.wait_running(spec)
    server = server_pid(daemon)
    assert daemon.lines("serving")[0]["address"] == "0.0.0.0"
    assert call(port, "/list", "wrong")[0] == 401
    status, found = call(port, "/list")
    assert status == 200
    assert [record["hash"] for record in found] == [spec.hash]  # type: ignore[attr-defined]
    code, seconds = daemon.end()
    assert code == 0
    assert seconds < 5
    assert not processes.alive(server)
    assert not listens(port)
    assert lab.home.processes() == []
    events = [line.get("event") for line in daemon.lines()]
    # The server's own end comes before the first tunnel's.
    assert events.index("ending") < events.index("ended") < len(events) - 1
    assert "server-ended" not in events


def test_no_tunnel_inherits_the_key(lab: Lab, run_daemon: Callable[..., Daemon]) -> None:
    spec, by_hand = (inward(lab.echo.port, free_port(), name=name) for name in ("in", "by-hand"))
    lab.home.write_config(as_yaml(spec))
    port = free_port()
    daemon = run_daemon(variables=variables(port))
    daemon.wait_running(spec)
    server_pid(daemon)
    # As `docker exec` does it: the key is in the environment of the command.
    lab.home.write_config(as_yaml(spec, by_hand))
    lab.home.cli("start", variables={"API_KEY": KEY})
    wait_until(lambda: set(daemon.pids()) == {"in", "by-hand"}, 15)
    found = lab.home.processes("autossh", "ssh")
    assert len(found) >= 2
    for pid in found:
        assert KEY.encode() not in Path(f"/proc/{pid}/environ").read_bytes()


def test_it_comes_back_and_tunnels_do_not_notice(
    lab: Lab, run_daemon: Callable[..., Daemon]
) -> None:
    here, port = free_port(), free_port()
    spec = inward(lab.echo.port, here, name="in")
    lab.home.write_config(as_yaml(spec))
    daemon = run_daemon(variables=variables(port))
    before = daemon.wait_running(spec)
    first = server_pid(daemon)
    os.kill(first, signal.SIGKILL)
    assert daemon.wait_for("server-ended", pid=str(first))["retry_in"] == "1s"
    second = server_pid(daemon, count=2)
    assert second != first
    assert call(port, "/list")[0] == 200
    assert daemon.pids() == before
    assert passes(here)
    assert zombies_of(daemon.pid) == []


def test_it_waits_longer_each_time(
    lab: Lab, echo: EchoService, run_daemon: Callable[..., Daemon]
) -> None:
    lab.home.write_config("tunnels: []\n")
    daemon = run_daemon(variables=variables(echo.port))
    daemon.wait_for("server-ended", 30, count=2)
    assert [line["retry_in"] for line in daemon.lines("server-ended")][:2] == ["1s", "2s"]
    assert f"{echo.port}" in daemon.output.read_text()
    assert daemon.end()[0] == 0


def test_it_does_not_outlive_a_killed_watcher(lab: Lab, run_daemon: Callable[..., Daemon]) -> None:
    lab.home.write_config("tunnels: []\n")
    port = free_port()
    daemon = run_daemon(variables=variables(port))
    server = server_pid(daemon)
    daemon.end(signal.SIGKILL)
    wait_until(lambda: not processes.alive(server), 15, "the server's end")
    assert not listens(port)


@pytest.mark.alone
def test_a_server_that_hangs_does_not_delay_the_end(
    lab: Lab, run_daemon: Callable[..., Daemon]
) -> None:
    spec = inward(lab.echo.port, free_port(), name="in")
    lab.home.write_config(as_yaml(spec))
    daemon = run_daemon(variables=variables(free_port()))
    daemon.wait_running(spec)
    server = server_pid(daemon)
    os.kill(server, signal.SIGSTOP)
    code, seconds = daemon.end()
    assert code == 0
    assert seconds < 5
    assert not processes.alive(server)
    assert lab.home.processes() == []


async def test_a_browser_session_ends_with_it(lab: Lab, run_daemon: Callable[..., Daemon]) -> None:
    spec, port = inward(lab.echo.port, free_port(), name="in"), free_port()
    lab.home.write_config(as_yaml(spec))
    daemon = run_daemon(variables=variables(port))
    daemon.wait_running(spec)
    server = server_pid(daemon)
    headers = {"Authorization": f"Bearer {KEY}"}
    async with aiohttp.ClientSession(headers=headers) as client:
        async with client.ws_connect(f"http://127.0.0.1:{port}/ws") as socket:
            while len(await socket.receive_bytes()) < 500:
                pass
            assert processes.descendants(server), "no app"
            code, seconds = await asyncio.to_thread(daemon.end)
    assert code == 0
    assert seconds < 5
    wait_until(lambda: lab.home.processes() == [], 10, "nothing left")
    assert lab.home.state_file.read_text() == ""


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"API_KEY": ""}, "API_KEY is not"),
        ({"API_KEY": " , "}, "API_KEY is not"),
        ({"API_ENABLE": "maybe"}, "maybe is not understood"),
        ({"API_PORT": "http"}, "the port is not understood"),
        ({"WS_IDLE_TIMEOUT": "soon"}, "WS_IDLE_TIMEOUT"),
    ],
)
def test_it_goes_on_without_serving_and_says_why(
    given: dict[str, str], why: str, lab: Lab, run_daemon: Callable[..., Daemon]
) -> None:
    spec = inward(lab.echo.port, free_port(), name="in")
    lab.home.write_config(as_yaml(spec))
    port = free_port()
    daemon = run_daemon(variables=variables(port, **given))
    line = daemon.wait_for("not-serving")
    assert line["level"] == "error"
    assert why in line["detail"]
    daemon.wait_running(spec)
    assert not daemon.lines("server-started")
    assert not listens(port)


@pytest.mark.parametrize("value", ["", "false", "0"])
def test_nothing_is_served_unless_it_is_asked_for(
    value: str, lab: Lab, run_daemon: Callable[..., Daemon]
) -> None:
    lab.home.write_config("tunnels: []\n")
    daemon = run_daemon(variables=variables(free_port(), API_ENABLE=value))
    daemon.wait_for("watching")
    assert daemon.end()[0] == 0
    assert not [line for line in daemon.lines() if "serv" in line.get("event", "")]
