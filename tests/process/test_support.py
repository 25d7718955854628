"""The laboratory itself: server, service, proxy, environment."""

import subprocess
import time
from collections.abc import Callable

import pytest

from tests.conftest import Lab
from tests.support import processes
from tests.support.network import DelayingProxy, free_port, passes
from tests.support.sshd import Sshd
from tests.support.waiting import wait_until

pytestmark = pytest.mark.process
BASE = [
    "-o",
    "BatchMode=yes",
    "-o",
    "StrictHostKeyChecking=no",
    "-o",
    "UserKnownHostsFile=/dev/null",
]


def _ssh(lab: Lab, *arguments: str) -> "subprocess.Popen[bytes]":
    command = ["ssh", "-F", str(lab.home.ssh_config), *BASE, *arguments]
    return subprocess.Popen(
        command, env=lab.home.variables, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )


def test_a_forward_through_the_server_passes_an_echo(lab: Lab) -> None:
    port = free_port()
    _ssh(lab, "-N", "-L", f"{port}:127.0.0.1:{lab.echo.port}", "server")
    wait_until(lambda: passes(port), what="echo through ssh")


def test_the_proxy_adds_its_delay(lab: Lab, make_proxy: Callable[..., DelayingProxy]) -> None:
    proxy = make_proxy(lab.echo.port, round_trip=0.1)
    before = time.monotonic()
    assert passes(proxy.port)
    assert time.monotonic() - before >= 0.1


def test_a_server_stops_with_its_sessions_and_comes_back(
    lab: Lab, make_sshd: Callable[..., Sshd]
) -> None:
    server = make_sshd()
    lab.home.add_host("other", server.port)
    client = _ssh(lab, "-N", "other")
    wait_until(lambda: server.sessions, what="a session")
    server.stop()
    assert client.wait(5) == 255
    server.start()
    assert _ssh(lab, "other", "true").wait(10) == 0


def test_closing_the_environment_ends_what_was_started_in_it(lab: Lab) -> None:
    client = _ssh(lab, "-N", "server")
    assert client.pid in lab.home.processes("ssh")
    lab.home.close()
    assert not processes.alive(client.pid)
    assert not lab.home.path.exists()
