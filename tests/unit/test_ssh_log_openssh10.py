"""From OpenSSH 9.8 on a verbose line names the program: `(bin=/usr/bin/ssh, pid=23)`."""

from pathlib import Path

import pytest

from tests.support.logs import NAME, reader_of
from tunnel_tui.model import Direction, ReasonCode, TunnelSpec, tunnel_hash
from tunnel_tui.ssh.log.line_class import LineClass, classify, split_line
from tunnel_tui.ssh.log.reasons import find_reason

BEGUN = (
    "2026/11/22 14:02:07 tunnel-tui[15]: starting t\n"
    "2026/11/22 14:02:07 autossh[22]: starting ssh (count 1)\n"
    "2026/11/22 14:02:07 autossh[22]: ssh child pid is 23\n"
)
ENTERED = (
    "debug1: clientloop.c:client_loop():1459 (bin=/usr/bin/ssh, pid=23): "
    "Entering interactive session.\n"
)
ANSWERED = (
    "debug1: ssh.c:ssh_confirm_remote_forward():1985 (bin=/usr/bin/ssh, pid=23): "
    "remote forward success for: listen localhost:80, connect localhost:8080\n"
)
TRANSFERRED = (
    "clientloop.c:client_loop():1690 (bin=/usr/bin/ssh, pid=23): "
    "Transferred: sent 3360, received 3136 bytes, in 0.6 seconds\n"
)


@pytest.mark.parametrize(
    ("direction", "line"),
    [(Direction.REMOTE_TO_LOCAL, ENTERED), (Direction.LOCAL_TO_REMOTE, ANSWERED)],
)
def test_a_named_program_proves_the_forward(
    tmp_path: Path, direction: Direction, line: str
) -> None:
    digest = tunnel_hash("t", "u@h", "80", "8080", direction, "false")
    spec = TunnelSpec("t", "u@h", "80", "8080", direction, False, digest)
    log = tmp_path / NAME
    log.write_text(BEGUN + line)
    reader = reader_of(log)
    assert reader.read(23, spec.forward(), 0).stands
    for other in (3, 123):
        assert not reader_of(log).read(other, spec.forward(), 0).confirmed


def test_a_named_program_is_told_apart_in_the_log_pane() -> None:
    assert classify(ENTERED.rstrip()) is LineClass.SUCCESS
    assert split_line(ENTERED.rstrip())[2] == "Entering interactive session."


def test_figures_at_the_end_are_no_reason() -> None:
    lines = [*BEGUN.splitlines(), "connect to host h port 22: Connection refused"]
    with_figures = find_reason([*lines, *TRANSFERRED.splitlines()])
    assert with_figures == find_reason(lines)


@pytest.mark.parametrize(
    "said",
    [
        "clientloop.c:client_loop():1478 (pid=23): send disconnect: Broken pipe",
        "clientloop.c:client_loop():1478 (bin=/usr/bin/ssh, pid=23): send disconnect: Broken pipe",
    ],
)
def test_a_lost_connection_is_told_in_a_verbose_line_too(said: str) -> None:
    reason = find_reason([*BEGUN.splitlines(), ENTERED.strip(), said])
    assert reason is not None
    assert reason.code is ReasonCode.CONNECTION_LOST


def test_a_disconnect_is_told_in_a_verbose_line_too() -> None:
    said = "packet.c:ssh_packet_read_poll_seqnr():1776 (pid=23): "
    plain = "Received disconnect from 127.0.0.1 port 22:2: Too many authentication failures"
    verbose = find_reason([*BEGUN.splitlines(), said + plain])
    assert verbose is not None
    assert verbose.code is ReasonCode.TOO_MANY_FAILURES
