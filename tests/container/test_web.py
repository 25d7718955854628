"""API_ENABLE: the page and the JSON of a container, and its end."""

import json
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from tests.container.engine import ROOT, Container, Process, option_list
from tests.container.site import UID, Site
from tests.support.network import EchoService, free_port, passes
from tests.support.tunnels import inward, outward
from tests.support.waiting import wait_until
from tunnel_tui.system.sockets import port_holder

KEY = "the-key-of-the-container-in-this-test"


def get(port: int, path: str, key: str = "", accept: str = "*/*") -> tuple[int, str]:
    """GET; returns the status and the body."""
    headers = {"Accept": accept} | ({"Authorization": f"Bearer {key}"} if key else {})
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def servers(container: Container) -> list[Process]:
    return [each for each in container.processes() if " serve " in each.command]


def server(container: Container) -> Process:
    [found] = servers(container)
    return found


def hardening() -> list[str]:
    """The capabilities and options that compose.yaml gives."""
    text = (ROOT / "compose.yaml").read_text()
    service = yaml.safe_load(text)["services"]["tunnel-tui"]
    return [
        *option_list(service["cap_drop"], "--cap-drop"),
        *option_list(service["cap_add"], "--cap-add"),
        *option_list(service["security_opt"], "--security-opt"),
    ]


def test_page_and_json_are_served_to_who_has_the_key(
    site: Site, make_container: Callable[..., Container], echo: EchoService
) -> None:
    here, there, port = free_port(), free_port(), free_port()
    specs = [inward(echo.port, here, name="in"), outward(echo.port, there, name="out")]
    site.write(*specs)
    container = make_container(
        site, *hardening(), API_ENABLE="true", API_KEY=KEY, API_PORT=str(port)
    )
    container.wait_running("in", "out")
    container.wait_log("event=serving ", deadline=30)

    assert get(port, "/health")[0] == 401
    assert get(port, "/health", "wrong")[0] == 401
    assert get(port, "/", accept="text/html")[0] == 401
    status, body = get(port, "/health", KEY)
    assert (status, json.loads(body)["running"]) == (200, 2)
    status, body = get(port, "/list", KEY)
    assert status == 200
    assert {each["name"]: each["hash"] for each in json.loads(body)} == {
        spec.name: spec.hash for spec in specs
    }
    status, body = get(port, "/", KEY)
    assert status == 200
    assert "xterm" in body

    assert server(container).uid == UID
    assert server(container).parent == container.watcher().pid
    assert KEY not in container.logs()
    # A command of docker exec has the key in its environment; what it starts has not.
    container.cli("restart-tunnel", "in")
    container.wait_running("in")
    tunnels = [each for each in container.processes() if "TUNNEL_HASH=" in each.command]
    assert len(tunnels) >= 4
    for process in tunnels:
        assert KEY.encode() not in Path(f"/proc/{process.pid}/environ").read_bytes()

    assert container.stop() < 5
    assert container.inspect()["State"]["ExitCode"] == 0
    assert port_holder("127.0.0.1", port) is None


def test_without_a_key_nothing_listens_and_the_log_says_why(
    site: Site, make_container: Callable[..., Container], echo: EchoService
) -> None:
    here, port = free_port(), free_port()
    site.write(inward(echo.port, here, name="in"))
    container = make_container(site, *hardening(), API_ENABLE="true", API_PORT=str(port))
    container.wait_running("in")
    assert passes(here)
    [line] = [line for line in container.logs().splitlines() if "event=not-serving" in line]
    assert "level=error" in line
    assert "API_KEY is not" in line
    assert not servers(container)
    with pytest.raises(OSError, match="refused"):
        get(port, "/health", KEY)
    assert container.stop() < 5
    assert container.inspect()["State"]["ExitCode"] == 0


def test_a_server_that_ends_comes_back(
    site: Site, make_container: Callable[..., Container]
) -> None:
    port = free_port()
    site.write(text="tunnels: []\n")
    container = make_container(site, API_ENABLE="true", API_KEY=KEY, API_PORT=str(port))
    container.wait_log("event=serving ", deadline=30)
    container.kill_process(server(container))
    wait_until(lambda: container.logs().count("event=serving ") == 2, 30, interval=0.2)
    assert get(port, "/list", KEY) == (200, "[]\n")
