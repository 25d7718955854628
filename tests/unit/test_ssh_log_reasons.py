"""Reasons of failures that a real server does not produce at will."""

import pytest

from tests.support.tunnels import inward
from tunnel_tui.model import TRANSIENT, ReasonCode
from tunnel_tui.ssh.log.reasons import find_reason

START = "2026/11/22 14:02:07 tunnel-tui[7]: starting web"
BUSY = (
    "2026/11/22 14:03:00 tunnel-tui[7]: not started: local port 8001 is in use: "
    "127.0.0.1:8001 is held by pid 42 (nginx) of user www-data"
)


@pytest.mark.parametrize("said", ["Connection reset by peer", "Protocol error", "File exists"])
def test_whatever_connect_says_may_pass(said: str) -> None:
    reason = find_reason([START, f"ssh: connect to host 192.0.2.9 port 22: {said}"])
    assert reason is not None
    assert reason.code in TRANSIENT
    assert reason.text == f"cannot connect to 192.0.2.9 port 22: {said}"


@pytest.mark.parametrize(
    "before",
    [
        [],
        [START, "debug1: clientloop.c:client_loop():1290 (pid=9): Entering interactive session."],
        [START, "Connection to 127.0.0.1 closed by remote host."],
    ],
)
def test_a_start_that_met_a_busy_port_names_the_holder(before: list[str]) -> None:
    reason = find_reason([*before, BUSY], inward(8000, 8001))
    assert reason is not None
    assert reason.code is ReasonCode.LOCAL_PORT_BUSY
    assert reason.text == "local port 8001 is in use, held by pid 42 (nginx) of user www-data"


def test_a_busy_port_is_forgotten_with_the_next_start() -> None:
    assert find_reason([BUSY, START], inward(8000, 8001)) is None


def test_a_connection_that_is_over_before_autossh_says_so() -> None:
    said = "debug1: clientloop.c:client_loop():1290 (pid=7): "
    lines = [
        "2026/11/28 00:39:30 autossh[6]: starting ssh (count 1)",
        "2026/11/28 00:39:30 autossh[6]: ssh child pid is 7",
        f"{said}Entering interactive session.",
    ]
    assert find_reason(lines) is None
    lines.append("clientloop.c:client_loop():1525 (pid=7): Transferred: sent 3360, received 3184")
    reason = find_reason(lines)
    assert reason is not None
    assert reason.code is ReasonCode.CONNECTION_LOST
