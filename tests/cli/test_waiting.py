"""`wait` and `health`, for scripts."""

import json
import subprocess

import pytest

from tests.cli.test_tunnels import Item, write
from tests.conftest import Lab
from tests.support.home import Home

pytestmark = pytest.mark.process


def test_wait_returns_when_the_tunnel_runs(lab: Lab):
    web = Item("web", lab.echo.port)
    write(lab.home, web)
    waiter = subprocess.Popen(
        lab.home.command("wait", "--timeout", "30"),
        env=lab.home.variables,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert lab.home.cli("start-tunnel", "web", "--no-wait").returncode == 0
    out, errors = waiter.communicate(timeout=30)
    assert (waiter.returncode, out, errors) == (0, "1 of 1 RUNNING\n", "")
    health = lab.home.cli("health")
    assert (health.returncode, health.stdout) == (0, "healthy: 1 of 1 running\n")
    assert json.loads(lab.home.cli("health", "--json").stdout)["healthy"] is True

    stopped = lab.home.cli("wait", "--for", "stopped", "web", "--timeout", "0.2")
    assert stopped.returncode == 1
    assert "web: RUNNING" in stopped.stderr
    lab.home.cli("stop-tunnel", "web")
    assert lab.home.cli("wait", "--for", "stopped,dead", "web").returncode == 0


def test_wait_tells_some_from_none(lab: Lab):
    web, other = Item("web", lab.echo.port), Item("other", lab.echo.port)
    write(lab.home, web, other)
    assert lab.home.cli("wait", "-t", "0").returncode == 1
    lab.home.cli("start-tunnel", "web")
    result = lab.home.cli("wait", "-t", "0")
    assert result.returncode == 3
    assert "1 of 2 not RUNNING" in result.stderr
    assert lab.home.cli("wait", "web", "-t", "0", "-q").stdout == ""
    states = json.loads(lab.home.cli("wait", "-t", "0", "--json").stdout)
    assert [item["state"] for item in states] == ["RUNNING", "STOPPED"]


def test_wrong_use_of_wait(home: Home):
    home.write_config("tunnels: []\n")
    assert home.cli("wait", "--for", "happiness").returncode == 2
    assert home.cli("wait", "--timeout", "soon").returncode == 2
    assert home.cli("wait", "--timeout", "nan").returncode == 2
    assert home.cli("wait").returncode == 1
