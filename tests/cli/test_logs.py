"""`logs`: one, all, following, safely."""

import json
import os
import signal
import subprocess

import pytest

from tests.support.home import Home
from tests.support.waiting import wait_until
from tunnel_tui.model import tunnel_hash

HASH = tunnel_hash("web", "h", "80", "8080", "remote_to_local", "false")
CONFIG = "tunnels:\n  - {name: web, remote_host: h, remote_port: 80, local_port: 8080}\n"


@pytest.fixture
def log(home: Home):
    home.write_config(CONFIG)
    home.log_dir.mkdir()
    return home.log_dir / f"tunnel-{HASH}.log"


def test_the_end_of_one_log(home: Home, log):
    log.write_text("".join(f"line {n}\n" for n in range(100)))
    result = home.cli("logs", "web")
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.splitlines() == [f"line {n}" for n in range(50, 100)]
    assert home.cli("logs", HASH[:8], "-n", "2").stdout == "line 98\nline 99\n"
    assert home.cli("logs", "web", "-n0").stdout == ""
    assert home.cli("logs", "web", "-n", "x").returncode == 2
    record = json.loads(home.cli("logs", "web", "-n1", "--json").stdout)
    assert record == {"name": "web", "hash": HASH, "file": str(log), "lines": ["line 99"]}


def test_escape_sequences_are_harmless(home: Home, log):
    log.write_bytes(b"\x1b]0;owned\x07\x1b[2Jtext\xff\r\n")
    shown = home.cli("logs", "web").stdout
    assert "text" in shown
    assert not any(ord(character) < 32 for character in shown.replace("\n", ""))


def test_a_big_log_is_read_from_its_end(home: Home, log):
    with log.open("wb") as file:
        file.truncate(1 << 30)
        file.seek(1 << 30)
        file.write(b"\nthe end\n")
    assert home.cli("logs", "web", "-n1", timeout=5).stdout == "the end\n"


def test_no_log_and_no_directory(home: Home):
    home.write_config(CONFIG)
    result = home.cli("logs", "web")
    assert result.returncode == 1
    assert "web has no log" in result.stderr
    assert home.cli("logs").returncode == 0
    assert json.loads(home.cli("logs", "--json").stdout) == []


def test_a_symlink_is_not_followed(home: Home, log):
    secret = home.path / "secret"
    secret.write_text("do not show\n")
    log.symlink_to(secret)
    for arguments in (("logs", "web"), ("logs",), ("logs", "-n5")):
        result = home.cli(*arguments)
        assert "do not show" not in result.stdout + result.stderr
        assert "Traceback" not in result.stderr


def test_all_logs(home: Home, log):
    log.write_text("newest\n")
    other = home.log_dir / f"tunnel-{'b' * 32}.log"
    other.write_text("older\n")
    os.utime(other, (1, 1))
    lines = home.cli("logs").stdout.splitlines()
    assert lines[0] == "Tunnel Logs"
    assert any(line.startswith(f"  {log.name} (7B, modified: ") for line in lines)
    assert lines.index(f"==> web ({HASH}) <==") < lines.index(f"==> (unknown) ({'b' * 32}) <==")
    assert "newest" in lines
    assert "older" in lines


@pytest.mark.parametrize("operands", [["web"], []])
def test_follow(home: Home, log, operands):
    log.write_text("old\n")
    (home.log_dir / f"tunnel-{'b' * 32}.log").write_text("")
    prefix = "" if operands else "web       | "
    process = subprocess.Popen(
        home.command("logs", "-f", *operands),
        env=home.variables,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == f"{prefix}old\n"
    with log.open("a") as file:
        file.write("new\n")
    assert process.stdout.readline() == f"{prefix}new\n"
    log.unlink()
    log.write_text("made anew\n")
    assert process.stdout.readline() == f"{prefix}made anew\n"
    process.send_signal(signal.SIGINT)
    assert process.wait(10) == 130
    assert process.stderr is not None
    assert process.stderr.read() == ""


def test_follow_ends_when_the_reader_leaves(home: Home, log):
    log.write_text("old\n")
    process = subprocess.Popen(
        home.command("logs", "web", "-f"), env=home.variables, stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    process.stdout.readline()
    process.stdout.close()
    wait_until(lambda: process.poll() is not None, 10, "the end of logs -f")
    assert process.returncode == 128 + signal.SIGPIPE


def test_the_noise_of_ssh_is_left_out(home: Home, log):
    noise = "debug1: packet.c:ssh_packet_read_poll_seqnr():1609 (pid=7): Received SSH2_MSG_IGNORE"
    entered = "debug1: clientloop.c:client_loop():1290 (pid=7): Entering interactive session."
    log.write_text("\n".join(["first", entered, *[noise] * 200, ""]))
    assert home.cli("logs", "web", "-n2").stdout == "first\nEntering interactive session.\n"
    record = json.loads(home.cli("logs", "web", "-n1", "--json").stdout)
    assert record["lines"] == [noise]
