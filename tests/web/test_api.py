"""Every JSON call, by curl with a bearer key, against real tunnels."""

import json
import subprocess
from collections.abc import Callable
from typing import Any

import pytest

from tests.conftest import Lab, need_program
from tests.support.network import free_port, passes
from tests.support.tunnels import as_yaml, inward
from tests.support.waiting import wait_until
from tests.support.webserver import KEY, WebServer

pytestmark = pytest.mark.process


class Curl:
    def __init__(self, server: WebServer) -> None:
        need_program("curl")
        self.server = server

    def __call__(self, path: str, *arguments: str, data: str | None = None) -> tuple[int, Any]:
        """Return status and content."""
        body = ["--data-binary", "@-"] if data is not None else []
        # The key through a file descriptor: arguments can be read by everybody.
        command = ["curl", "-sS", "--max-time", "40", "-w", "\n%{http_code}", "-H", "@/dev/fd/3"]
        script = f'exec 3<<E\nAuthorization: Bearer {KEY}\nE\nexec "$@"'
        done = subprocess.run(
            ["sh", "-c", script, "sh", *command, *body, *arguments, self.server.url + path],
            input=data or "",
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
        text, _, status = done.stdout.rpartition("\n")
        return int(status), text if path == "/metrics" else json.loads(text)

    def post(self, path: str, **options: Any) -> tuple[int, Any]:
        return self(path, "-X", "POST", **options)


def test_every_call_on_a_real_tunnel(lab: Lab, make_server: Callable[..., WebServer]) -> None:
    spec = inward(lab.echo.port, free_port(), name='wéb "1"')
    person = inward(lab.echo.port, free_port(), name="asks", interactive=True)
    lab.home.write_config(as_yaml(spec, person))
    server = make_server()
    curl = Curl(server)
    port = spec.forward().listener.port
    six = {
        "name": spec.name,
        "status": "NORMAL",
        "local_port": spec.local_port,
        "remote_host": "server",
        "remote_port": spec.remote_port,
        "hash": spec.hash,
    }
    status, listed = curl("/list")
    assert (status, listed[0]) == (200, six)
    assert listed[1]["status"] == "INTERACTIVE"

    status, started = curl.post(f"/start/{spec.hash}")
    assert (status, started["status"], started["tunnel_hash"]) == (200, "success", spec.hash)
    assert passes(port)
    status, found = curl("/status")
    assert status == 200
    assert six | {"status": "RUNNING"} == {key: found[0][key] for key in six}
    assert found[0]["traffic"]["received"] > 0
    assert found[1]["status"] == "INTERACTIVE"

    _, files = curl("/logs")
    assert [file["hash"] for file in files] == [spec.hash]
    assert {"hash", "filename", "size", "modified"} <= files[0].keys()
    _, log = curl(f"/logs/{spec.hash[:8]}")
    assert log["tunnel_hash"] == spec.hash
    assert "Entering interactive session" in log["log"]
    _, short = curl(f"/logs/{spec.hash}?lines=1")
    assert short["log"].count("\n") == 0

    _, config = curl("/config")
    assert config["valid"] is True
    assert [each["hash"] for each in config["tunnels"]] == [spec.hash, person.hash]
    status, health = curl("/health")
    assert (status, health["status"], health["running"]) == (200, "ok", 1)
    check_metrics(curl, spec.hash)

    status, stopped = curl.post(f"/stop/{spec.hash}")
    assert (status, stopped["status"]) == (200, "success")
    assert not passes(port)
    assert curl("/health")[0] == 503
    status, started = curl.post("/start", data="{}")
    assert (status, started["status"]) == (200, "success")
    wait_until(lambda: passes(port), 15, "traffic")
    assert curl.post("/stop")[0] == 200
    assert not passes(port)
    assert server.children == []


def check_metrics(curl: Curl, tunnel_hash: str) -> None:
    from prometheus_client.parser import text_string_to_metric_families

    status, text = curl("/metrics")
    assert status == 200
    values = {
        (sample.name, sample.labels.get("state", "")): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.labels.get("hash", tunnel_hash) == tunnel_hash
    }
    assert values["tunnel_tui_tunnel_state", "RUNNING"] == 1
    assert values["tunnel_tui_tunnel_state", "DEAD"] == 0
    assert values["tunnel_tui_tunnel_up", ""] == 1
    assert 0 <= values["tunnel_tui_tunnel_uptime_seconds", ""] < 120
    assert values["tunnel_tui_tunnel_reconnects_total", ""] == 0
    assert 0 < values["tunnel_tui_tunnel_rtt_seconds", ""] < 5
    assert values["tunnel_tui_tunnel_sent_bytes_total", ""] > 0
    assert values["tunnel_tui_tunnel_received_bytes_total", ""] > 0
    assert values["tunnel_tui_config_valid", ""] == 1


def test_errors_are_json_and_clear(lab: Lab, make_server: Callable[..., WebServer]) -> None:
    spec = inward(lab.echo.port, free_port(), name="web")
    person = inward(lab.echo.port, free_port(), name="asks", interactive=True)
    lab.home.write_config(as_yaml(spec, person))
    server = make_server()
    curl = Curl(server)

    def refused(found: tuple[int, Any], status: int, words: str) -> None:
        assert found[0] == status, found
        assert found[1]["status"] == "error"
        assert words in found[1]["error"], found

    refused(curl("/start"), 405, "does not take GET")
    refused(curl("/list", "-X", "DELETE"), 405, "does not take DELETE")
    refused(curl("/config", "-X", "POST"), 405, "does not take POST")
    refused(curl("/nothing"), 404, "there is no /nothing")
    refused(curl("/%2e%2e/etc/passwd"), 404, "there is no")
    refused(curl("/static/%2e%2e/server.py"), 404, "there is no")
    refused(curl("/ws"), 426, "WebSocket")
    refused(curl.post("/start/" + "0" * 32), 404, "no tunnel is called")
    refused(curl.post("/stop/" + "0" * 32), 404, "no tunnel is called")
    refused(curl("/logs/" + "0" * 32), 404, "no tunnel is called")
    refused(curl("/logs/..%2f..%2fetc%2fpasswd"), 404, "no tunnel is called")
    refused(curl(f"/logs/{spec.hash}"), 404, "has no log")
    refused(curl(f"/logs/{spec.hash}?lines=all"), 400, "lines")
    refused(curl.post(f"/start/{person.hash}"), 409, "")
    refused(curl.post("/start", data="{garbage"), 400, "not JSON")
    refused(curl.post("/start", data="[" * 30_000), 400, "not JSON")
    refused(curl.post("/start", data='{"all": true}'), 400, "takes nothing")
    refused(curl.post(f"/start/{spec.hash}", data="\xff\x00"), 400, "not JSON")
    refused(curl.post("/stop", data="x" * 1_000_000), 413, "too large")
    lab.home.write_config("tunnels:\n- name: [\n")
    refused(curl.post("/start"), 409, "mistakes")
    assert curl("/health")[1]["config_valid"] is False
    assert "level=error" not in server.text
    assert server.children == []


def test_why_a_start_failed_is_told(lab: Lab, make_server: Callable[..., WebServer]) -> None:
    busy = inward(lab.echo.port, lab.echo.port, name="busy")
    lab.home.add_host("closed", free_port())
    closed = inward(lab.echo.port, free_port(), name="closed", host="closed")
    lab.home.write_config(as_yaml(busy, closed))
    curl = Curl(make_server())
    status, found = curl.post(f"/start/{busy.hash}")
    assert status == 409
    assert str(lab.echo.port) in found["error"]
    status, found = curl.post(f"/start/{closed.hash}")
    assert status == 409
    assert "refused" in found["error"]
    assert found["advice"]
