"""The short way to prove a tunnel says what the long way says, or nothing."""

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.logs import NAME, reader_of
from tunnel_tui.config.parse import parse_config
from tunnel_tui.model import DirectionMode, TunnelEntry, TunnelSpec
from tunnel_tui.observe import fast_path
from tunnel_tui.observe.identity import is_ours, logs_forward_state
from tunnel_tui.settings import load_settings
from tunnel_tui.ssh import features
from tunnel_tui.ssh.command import build_command
from tunnel_tui.ssh.log import forward_state
from tunnel_tui.system.proc import ProcessStat

TEXT = b"""
tunnels:
  - {name: one, remote_host: me@host, remote_port: 80, local_port: 8080}
  - {name: two, remote_host: host, remote_port: "[::1]:9", local_port: 1,
     direction: local_to_remote, ssh_options: [Port=22]}
"""
ONE, TWO = parse_config("c", TEXT).tunnels


def argv(
    spec: TunnelSpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: str = "default"
) -> list[str]:
    monkeypatch.setattr(features, "knows_log_verbose", lambda *_: True)
    monkeypatch.setattr("tunnel_tui.ssh.programs._find_at", lambda name, *_: f"/usr/bin/{name}")
    given = load_settings({"HOME": str(tmp_path), "TUNNEL_DIRECTION_MODE": mode})
    return list(build_command(given, spec, {}).argv)


def carried(words: list[str], spec: TunnelSpec) -> object:
    command = b"".join(word.encode() + b"\0" for word in words)
    return fast_path._carried(command, spec.hash, spec, DirectionMode.DEFAULT)


@pytest.mark.parametrize("spec", [ONE, TWO])
def test_what_we_start_is_recognised(
    spec: TunnelSpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = argv(spec, tmp_path, monkeypatch)
    assert carried(words, spec) == spec.forward()
    assert is_ours(TunnelEntry.of(spec, 2), 2, words)
    assert logs_forward_state(words)


def test_whatever_is_different_goes_the_long_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = argv(ONE, tmp_path, monkeypatch)
    tag = next(index for index, word in enumerate(words) if word.startswith("SetEnv=TUNNEL_HASH"))
    loud = next(index for index, word in enumerate(words) if word.startswith("LogVerbose"))
    others = {
        "another program": ["/usr/bin/other", *words[1:]],
        "a shell in front": ["/bin/sh", *words],
        "without autossh": ["/usr/bin/ssh", *words[3:]],
        "another tag": [*words[:tag], f"SetEnv=TUNNEL_HASH={TWO.hash}", *words[tag + 1 :]],
        "two tags": [*words[:tag], f"SetEnv=TUNNEL_HASH={TWO.hash}", "-o", *words[tag:]],
        "a tag without -o": [*words[: tag - 1], "-S", *words[tag:]],
        "not told to report": words[: loud - 1] + words[loud + 1 :],
        "another host": [*words[:-1], "other"],
        "more behind it": [*words, "true"],
        "another forward": [*words[:-3], "localhost:1:localhost:2", *words[-2:]],
        "nobody": [],
    }
    for name, other in others.items():
        assert carried(other, ONE) is None, name
    swapped = argv(ONE, tmp_path, monkeypatch, "ssh-standard")
    assert carried(swapped, ONE) is None


SAYS = "debug1: clientloop.c:client_loop():1290 (pid=77): Entering interactive session.\n"


@pytest.mark.parametrize(
    ("log", "parent", "state", "proven"),
    [
        (SAYS, 50, "S", True),
        (SAYS, 51, "S", False),
        (SAYS, 50, "Z", False),
        (SAYS, 50, "T", False),
        (SAYS.replace("77", "78"), 50, "S", False),
        ("", 50, "S", False),
        ("(pid=): Entering interactive session.\n", 50, "S", False),
    ],
)
def test_the_ssh_of_the_log_must_be_the_child(
    log: str,
    parent: int,
    state: str,
    proven: bool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    words = argv(ONE, tmp_path, monkeypatch)
    command = b"".join(word.encode() + b"\0" for word in words)
    child = ProcessStat(77, "ssh", state, parent, 50, 50, 1000)
    monkeypatch.setattr(fast_path, "raw_command_line", lambda pid: command if pid == 50 else b"")
    monkeypatch.setattr(fast_path, "runs_for", lambda pid, users: True)
    monkeypatch.setattr(fast_path, "read_stat", lambda pid: child if pid == 77 else None)
    file = tmp_path / NAME
    file.write_text(log)
    monkeypatch.setattr(forward_state, "open_own_log", lambda *_: os.open(file, os.O_RDONLY))
    entry = TunnelEntry.of(ONE, 50)
    found = fast_path.by_word(entry, ONE, DirectionMode.DEFAULT, reader_of(file))
    assert (found is not None) == proven


LINES = st.sampled_from(
    [
        "2026/11/22 10:00:00 tunnel-tui[9]: starting one\n",
        "2026/11/22 10:00:00 tunnel-tui[9]: a line of ours\n",
        "2026/11/22 10:00:00 autossh[50]: starting ssh (count 3)\n",
        "2026/11/22 10:00:00 autossh[50]: ssh exited with error status 255; restarting ssh\n",
        SAYS,
        SAYS.replace("77", "78"),
        "bind [127.0.0.1]:8080: Address already in use\n",
        "clientloop.c:server_alive_check():7 (pid=77): Timeout, server host not responding.\n",
        "x" * 3000 + "\n",
        "x" * 5000 + "\n",
    ]
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(lines=st.lists(LINES, max_size=9))
def test_the_end_of_a_log_says_what_all_of_it_says(lines: list[str], tmp_path: Path) -> None:
    file = tmp_path / NAME
    file.write_text("".join(lines))
    forward = ONE.forward()
    believing = reader_of(file)
    tail = believing.look(0)
    assert tail is not None
    believing.prime(tail, 77, forward)
    quickly = believing.read(77, forward, 0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(forward_state, "judge", lambda *_, **__: None)
        assert quickly == reader_of(file).read(77, forward, 0)
