"""`list`, `parse`, `config`, `hash`, `validate`: what is written."""

import json

import pytest

from tests.support.home import Home

GOOD = """\
# a comment
tunnels:
  - remote_host: user@remote-host1
    remote_port: 8000
    local_port: 8001
  - name: jumphost-tunnel
    remote_host: user@jumphost.example.com
    remote_port: "22"
    local_port: 2222
    interactive: true
  - name: custom-bind
    remote_host: user@server
    remote_port: 0.0.0.0:8080
    local_port: 127.0.0.1:8080
    direction: local_to_remote
"""
VECTORS = [
    (
        "unnamed|user@remote-host1|8000|8001|remote_to_local|false",
        "76692f8a1adb8d8bee5f3b29e1b42602",
    ),
    (
        "jumphost-tunnel|user@jumphost.example.com|22|2222|remote_to_local|true",
        "c65f58326bea843a8439fbe9b8e887b2",
    ),
    (
        "custom-bind|user@server|0.0.0.0:8080|127.0.0.1:8080|local_to_remote|false",
        "1a611357b754c82c94894f74f0fe57b4",
    ),
]
TWELVE_MISTAKES = """\
tunnels:
  - name: a
    remote_port: 1
    local_port: 1
  - name: b
    remote_host: h
    local_port: 2
  - name: c
    remote_host: h
    remote_port: 3
  - name: d
    remote_host: h
    remote_port: 70000
    local_port: 4
  - name: e
    remote_host: h
    remote_port: 5
    local_port: zero
  - name: f
    remote_host: -oProxyCommand=touch x
    remote_port: 6
    local_port: 6
  - name: g
    remote_host: h
    remote_port: 7
    local_port: 7
    direction: sideways
  - name: h
    remote_host: h
    remote_port: 8
    local_port: 8
    interactive: maybe
  - name: "i\\tj"
    remote_host: h
    remote_port: 9
    local_port: 9
  - name: k
    remote_host: h
    remote_port: 10
    local_port: fe80::1:10
  - just text
  - name: l
    remote_host: h
    remote_port: 0
    local_port: 12
"""


@pytest.mark.parametrize(("text", "digest"), VECTORS)
def test_hash(home: Home, text, digest):
    result = home.cli("hash", *text.split("|"))
    assert (result.returncode, result.stdout) == (0, f"MD5 Hash: {digest}\n")
    assert json.loads(home.cli("hash", *text.split("|"), "--json").stdout) == {"hash": digest}


def test_hash_refuses_what_no_file_may_contain(home: Home):
    assert home.cli("hash", "a", "b", "1", "2", "sideways").returncode == 2
    assert home.cli("hash", "a", "b", "1", "2", "remote_to_local", "yes").returncode == 2


def test_list(home: Home):
    home.write_config(GOOD)
    result = home.cli("list")
    jump, bound = "user@jumphost.example.com", "127.0.0.1:8080 -> user@server:0.0.0.0:8080"
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.splitlines() == [
        "Configured Tunnels",
        f"  unnamed              NORMAL       8001 -> user@remote-host1:8000 ({VECTORS[0][1]})",
        f"  jumphost-tunnel      INTERACTIVE  2222 -> {jump}:22 ({VECTORS[1][1]})",
        f"  custom-bind          NORMAL       {bound} ({VECTORS[2][1]})",
    ]


def test_list_json(home: Home):
    home.write_config(GOOD)
    found = json.loads(home.cli("list", "--json").stdout)
    assert [item["hash"] for item in found] == [digest for _, digest in VECTORS]
    assert found[0]["listener"] == "localhost:8001"
    assert found[0]["listener_side"] == "local"
    assert found[2]["listener_side"] == "remote"
    swapped = home.cli("list", "--json", variables={"TUNNEL_DIRECTION_MODE": "ssh-standard"})
    assert json.loads(swapped.stdout)[0]["listener_side"] == "remote"


def test_parse(home: Home):
    home.write_config(GOOD)
    lines = home.cli("parse").stdout.splitlines()
    assert lines[0] == "Parsed ConfigFile"
    assert lines[2].split("\t") == [
        "user@jumphost.example.com",
        "22",
        "2222",
        "remote_to_local",
        "jumphost-tunnel",
        VECTORS[1][1],
        "true",
    ]


def test_options_beat_the_environment(home: Home):
    other = home.path / "other.yaml"
    other.write_text(GOOD)
    home.write_config("tunnels: []\n")
    assert "custom-bind" in home.cli("-c", str(other), "list").stdout
    assert "custom-bind" in home.cli("list", "--config", str(other)).stdout
    text = home.cli("config", "-f", "/tmp/x.state", "-s", "/tmp/ssh").stdout
    assert f"Config File: {home.config_file}\n" in text
    assert "State File: /tmp/x.state\n" in text
    assert "SSH Config Dir: /tmp/ssh\n" in text
    assert json.loads(home.cli("config", "--json").stdout)["config_file"] == str(home.config_file)


def test_a_missing_file_is_said(home: Home):
    result = home.cli("list")
    assert result.returncode == 1
    assert "does not exist" in result.stderr
    assert home.cli("validate").returncode == 1


def test_validate_good(home: Home):
    home.write_config(GOOD)
    result = home.cli("validate")
    assert result.returncode == 0
    assert result.stdout == "SUCCESS: Configuration file is valid (3 tunnels)\n"
    report = json.loads(home.cli("validate", "--json").stdout)
    assert report == {"file": str(home.config_file), "valid": True, "problems": []}


def test_validate_prints_every_mistake_with_its_line(home: Home):
    home.write_config(TWELVE_MISTAKES)
    result = home.cli("validate")
    assert result.returncode == 1
    errors = [line for line in result.stderr.splitlines() if line.startswith("ERROR: ")]
    assert len(errors) == 12, result.stderr
    assert all(line.startswith(f"ERROR: {home.config_file}:") for line in errors)
    lines = [int(line.split(":")[2]) for line in errors]
    assert lines == sorted(lines)
    assert not (home.path / "x").exists()
    report = json.loads(home.cli("validate", "--json").stdout)
    assert sum(problem["fatal"] for problem in report["problems"]) == 12


def test_validate_warns_of_a_name_given_twice(home: Home):
    item = "  - {name: twin, remote_host: h, remote_port: 1, local_port: %d}\n"
    home.write_config("tunnels:\n" + item % 8001 + item % 8002)
    result = home.cli("validate")
    assert result.returncode == 0
    assert ":3: twin: is named twice (first on line 2); use the hash" in result.stderr
    assert result.stderr.count("named twice") == 1


def test_validate_says_once_what_is_allowed(home: Home):
    item = "  - {name: a, remote_host: h, remote_port: %s, local_port: 8001}\n"
    home.write_config("tunnels:\n" + item % "http" + item % "99999" + item % '":80"')
    errors = home.cli("validate").stderr.splitlines()
    said = [line for line in errors if line.startswith("ERROR: ")]
    assert len(said) == 3
    assert said[0].count("a socket path") == 1
    assert said[1].count("from 1 to 65535") == 1
    assert "a socket path" in said[2], "the message alone does not tell"


def test_list_shows_what_is_fine_and_fails(home: Home):
    home.write_config(GOOD + "  - name: bad\n    remote_host: h\n")
    result = home.cli("list")
    assert result.returncode == 1
    assert len(result.stdout.splitlines()) == 4
    assert "remote_port" in result.stderr


@pytest.mark.parametrize("command", ["start", "restart", "start-tunnel"])
def test_a_broken_file_changes_nothing(home: Home, command):
    home.write_config(GOOD + "  - name: bad\n    remote_host: h\n")
    operands = ["custom-bind"] if command == "start-tunnel" else []
    result = home.cli(command, *operands)
    assert result.returncode == 1
    assert "nothing was changed" in result.stderr
    assert not home.state_file.exists()
    assert home.processes("ssh", "autossh") == []
