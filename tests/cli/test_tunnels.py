"""Commands that start, stop and look, on real ssh processes."""

import json
import os
import re
import signal
import socket
import subprocess
import time

import pytest

from tests.cli.test_main import in_terminal
from tests.conftest import Lab
from tests.support.home import Home
from tests.support.network import free_port, passes
from tests.support.waiting import wait_until
from tunnel_tui.model import tunnel_hash

pytestmark = pytest.mark.process


class Item:
    """A tunnel of the test's configuration."""

    def __init__(self, name: str, remote: int, host: str = "server", interactive: bool = False):
        self.name, self.host, self.interactive = name, host, interactive
        self.remote, self.local = str(remote), str(free_port())
        flag = "true" if interactive else "false"
        self.hash = tunnel_hash(name, host, self.remote, self.local, "remote_to_local", flag)

    @property
    def text(self) -> str:
        flag = "true" if self.interactive else "false"
        fields = {
            "name": json.dumps(self.name),
            "remote_host": self.host,
            "remote_port": self.remote,
            "local_port": self.local,
            "interactive": flag,
        }
        return "  - {" + ", ".join(f"{key}: {value}" for key, value in fields.items()) + "}\n"


def write(home: Home, *items: Item) -> None:
    home.write_config("tunnels:\n" + "".join(item.text for item in items))


def states(home: Home) -> dict[str, str]:
    return {item["name"]: item["state"] for item in json.loads(home.cli("status", "--json").stdout)}


def pids(home: Home) -> dict[str, int]:
    lines = home.state_file.read_text().splitlines()
    return {line.split("\t")[4]: int(line.split("\t")[6]) for line in lines}


@pytest.fixture
def web(lab: Lab) -> Item:
    return Item("web", lab.echo.port)


def test_start_tunnel_returns_when_traffic_passes(lab: Lab, web: Item):
    write(lab.home, web)
    result = lab.home.cli("start-tunnel", "web")
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout == f"started web ({web.hash})\n"
    assert passes(int(web.local))
    again = lab.home.cli("start-tunnel", web.hash[:8])
    assert (again.returncode, again.stdout) == (0, f"already running web ({web.hash})\n")
    assert len(lab.home.processes("autossh")) == 1

    stopped = lab.home.cli("stop-tunnel", web.hash)
    assert (stopped.returncode, stopped.stdout) == (0, f"stopped web ({web.hash})\n")
    assert lab.home.processes("autossh", "ssh") == []
    assert lab.home.state_file.read_text() == ""
    assert lab.home.cli("stop-tunnel", "web").returncode == 0


def test_status_in_the_format_of_the_scripts(lab: Lab, web: Item):
    other, login = Item("other", 1), Item("login", 2, interactive=True)
    write(lab.home, web, other, login)
    lab.home.cli("start-tunnel", "web")
    result = lab.home.cli("status")
    lines = result.stdout.splitlines()
    rest = f"{web.local} -> server:{web.remote} ({web.hash})"
    assert lines[:2] == ["Tunnel Status", "Managed tunnels:"]
    assert lines[2] == f"  {'web':<20} {'RUNNING':<10} {rest}"
    shape = re.compile(r"  .{20} [A-Z]{7,11} +\S+ -> \S+:\S+ \([0-9a-f]{32}\)")
    assert all(shape.fullmatch(line) for line in lines[2:])  # nothing that parsers stumble over
    assert [line.split()[:2] for line in lines[3:]] == [
        ["other", "STOPPED"],
        ["login", "INTERACTIVE"],
    ]
    long = lab.home.cli("status", "--long").stdout.splitlines()
    assert long.index("Not started:") == 3

    stats = lab.home.cli("stats").stdout
    assert stats.startswith("Tunnel Statistics:\n  Total: 1\n  Running: 1\n  Stopped: 0\n")
    figures = json.loads(lab.home.cli("stats", "--json").stdout)
    assert (figures["configured"], figures["not_started"], figures["need_a_login"]) == (3, 1, 1)


def test_status_without_tunnels(home: Home):
    home.write_config("tunnels: []\n")
    result = home.cli("status")
    assert (result.returncode, result.stdout) == (0, "Tunnel Status\nNo managed tunnels found.\n")
    assert json.loads(home.cli("status", "--json").stdout) == []
    assert home.cli("health").returncode == 0


def test_a_killed_tunnel_is_dead_with_a_reason(lab: Lab, web: Item):
    write(lab.home, web)
    lab.home.cli("start-tunnel", "web")
    os.kill(pids(lab.home)["web"], signal.SIGKILL)
    wait_until(lambda: states(lab.home)["web"] == "DEAD", what="DEAD")
    long = lab.home.cli("status", "--long").stdout
    assert re.search(r"web +DEAD .*\n      \S", long)
    health = lab.home.cli("health")
    assert health.returncode == 1
    assert health.stdout.startswith("unhealthy: 0 of 1 running; web: DEAD")
    assert health.stdout.count("\n") == 1
    stats = lab.home.cli("stats").stdout
    assert "  Total: 1\n  Running: 0\n  Stopped: 1\n" in stats

    cleaned = lab.home.cli("cleanup")
    assert cleaned.returncode == 0
    assert f"removed web ({web.hash})" in cleaned.stdout
    assert lab.home.state_file.read_text() == ""
    wait_until(lambda: not lab.home.processes("ssh"), what="no orphan")


def test_a_refused_connection_is_explained(lab: Lab):
    lab.home.add_host("nobody-there", free_port())
    write(lab.home, Item("lost", 1, "nobody-there"))
    result = lab.home.cli("start-tunnel", "lost")
    assert result.returncode == 1
    assert re.search(r"^ERROR: lost: .*refused.*\n  \S", result.stderr, re.MULTILINE), result.stderr


def test_a_server_that_keeps_silent_is_a_failure(lab: Lab):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        lab.home.add_host("silent", silent.getsockname()[1])
        write(lab.home, Item("mute", 1, "silent"))
        began = time.monotonic()
        result = lab.home.cli("start-tunnel", "mute", "--json")
        assert time.monotonic() - began < 16
    [outcome] = json.loads(result.stdout)
    assert result.returncode == 1
    assert outcome["ok"] is False
    assert outcome["message"]
    lab.home.cli("stop")


def test_a_busy_port_names_its_holder(lab: Lab, web: Item):
    write(lab.home, web)
    with socket.create_server(("127.0.0.1", int(web.local))):
        result = lab.home.cli("start-tunnel", "web")
    assert result.returncode == 1
    assert str(os.getpid()) in result.stderr
    assert "Traceback" not in result.stderr
    assert result.stderr.startswith(f"ERROR: web: local port {web.local} is in use")


def test_the_first_of_two_on_one_listener_wins(lab: Lab, web: Item):
    rival = Item("rival", lab.echo.port)
    rival.local = web.local
    write(lab.home, web, rival)
    result = lab.home.cli("start")
    assert result.returncode == 3, result.stderr
    assert f"started web ({web.hash})" in result.stdout
    assert "the same listener as your tunnel web (pid " in result.stderr
    assert "change local_port of one of them" in result.stderr
    assert passes(int(web.local))
    alone = lab.home.cli("start-tunnel", "rival")
    assert alone.returncode == 1
    assert "held by your tunnel web (pid " in alone.stderr
    assert alone.stderr.count("rival: ") == 1


def test_interactive_tunnels_are_refused_by_name_and_skipped_by_start(lab: Lab, web: Item):
    login = Item("bastion one", 2, interactive=True)
    write(lab.home, web, login)
    refused = lab.home.cli("start-tunnel", "bastion one")
    assert refused.returncode == 1
    assert "tunnel-tui auth 'bastion one'" in refused.stderr
    records = json.loads(lab.home.cli("status", "--json").stdout)
    assert [record["confirmed"] for record in records] == [None, None], "nothing runs"
    started = lab.home.cli("start")
    assert started.returncode == 0
    assert "1 needs a login: bastion one (tunnel-tui auth <name>)" in started.stderr
    assert states(lab.home) == {"web": "RUNNING", "bastion one": "INTERACTIVE"}
    assert lab.home.cli("restart-tunnel", login.hash).returncode == 1


def test_smart_restart_keeps_what_did_not_change(lab: Lab, web: Item):
    gone, new = Item("gone", lab.echo.port), Item("new", lab.echo.port)
    write(lab.home, web, gone)
    assert lab.home.cli("start").returncode == 0
    before = pids(lab.home)
    write(lab.home, web, new)
    result = lab.home.cli("start")
    assert result.returncode == 0, result.stderr
    assert result.stdout.splitlines() == [
        f"stopped gone ({gone.hash})",
        f"started new ({new.hash})",
    ]
    assert "1 stopped, 1 started, 1 kept" in result.stderr
    after = pids(lab.home)
    assert after["web"] == before["web"]
    assert set(after) == {"web", "new"}

    assert lab.home.cli("restart", "--full").returncode == 0
    assert pids(lab.home)["web"] != before["web"]
    assert passes(int(web.local))
    assert lab.home.cli("restart-tunnel", "new").returncode == 0
    assert pids(lab.home)["new"] != after["new"]

    assert lab.home.cli("stop").returncode == 0
    assert lab.home.processes("autossh", "ssh") == []
    assert list(lab.home.log_dir.iterdir()) == []


def test_some_failures_are_3(lab: Lab, web: Item):
    lab.home.add_host("nobody-there", free_port())
    lost = Item("lost", 1, "nobody-there")
    write(lab.home, web, lost)
    result = lab.home.cli("start")
    assert result.returncode == 3
    assert f"started web ({web.hash})" in result.stdout
    assert "ERROR: lost: " in result.stderr
    assert "1 started, 1 failed" in result.stderr
    assert passes(int(web.local))
    several = lab.home.cli("start-tunnel", "web", "lost")
    assert several.returncode == 3
    assert "already running web" in several.stdout


def test_unknown_and_ambiguous_names(lab: Lab, web: Item):
    write(lab.home, web, Item("twin", 1), Item("twin", 2))
    for command in ("start-tunnel", "stop-tunnel", "show-tunnel", "logs", "wait", "restart-tunnel"):
        unknown = lab.home.cli(command, "wbe")
        assert unknown.returncode == 1
        assert "web" in unknown.stderr
        twins = lab.home.cli(command, "twin")
        assert twins.returncode == 1
        assert len(re.findall(r"[0-9a-f]{32}", twins.stderr)) == 2
    assert lab.home.processes("autossh") == []


def test_show_tunnel(lab: Lab, web: Item):
    write(lab.home, web)
    lab.home.cli("start-tunnel", "web")
    lines = lab.home.cli("show-tunnel", web.hash[:8]).stdout.splitlines()
    assert lines[0] == f"Tunnel Details: {web.hash[:8]}"
    assert lines[1] == lab.home.state_file.read_text().rstrip("\n")
    text = "\n".join(lines)
    assert "State:        RUNNING since" in text
    assert f"Listener:     localhost:{web.local} on this machine" in text
    record = json.loads(lab.home.cli("show-tunnel", "web", "--json").stdout)
    assert record["state"] == "RUNNING"
    assert record["pid"] == pids(lab.home)["web"]
    assert record["layers"][0]["ok"] is True


def test_interrupt_says_what_was_started(lab: Lab, web: Item):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        lab.home.add_host("silent", silent.getsockname()[1])
        mute = Item("mute", 1, "silent")
        write(lab.home, web, mute)
        process = subprocess.Popen(
            lab.home.command("start"),
            env=lab.home.variables,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        wait_until(lambda: lab.home.state_file.exists() and len(pids(lab.home)) == 2, 20)
        wait_until(lambda: states(lab.home)["web"] == "RUNNING", 20)
        process.send_signal(signal.SIGINT)
        out, errors = process.communicate(timeout=10)
        assert process.returncode == 130
        assert f"started web ({web.hash})" in out
        assert "interrupted: 2 started" in errors
        assert "Traceback" not in errors
        assert passes(int(web.local))
        lab.home.cli("stop")


def test_a_lost_state_file_can_still_be_stopped_by_hash(lab: Lab, web: Item):
    write(lab.home, web)
    lab.home.cli("start-tunnel", "web")
    lab.home.state_file.write_text("")
    lab.home.write_config("tunnels: []\n")
    result = lab.home.cli("stop-tunnel", web.hash)
    assert result.returncode == 0, result.stderr
    assert lab.home.processes("autossh", "ssh") == []


def test_those_that_do_not_run_are_called_by_their_names_too(home: Home):
    items = [Item("first", 1), Item("second", 2)]
    write(home, *items)
    result = home.cli("stop-tunnel", "first", "second")
    assert result.returncode == 0, result.stderr
    for item in items:
        assert f"{item.name} ({item.hash})" in result.stdout


def test_a_broken_file_is_mentioned_and_status_still_works(lab: Lab, web: Item):
    write(lab.home, web)
    lab.home.cli("start-tunnel", "web")
    lab.home.write_config("tunnels:\n  - {name: x\n")
    result = lab.home.cli("status")
    assert result.returncode == 0
    assert "WARNING: configuration:" in result.stderr
    assert "RUNNING" in result.stdout
    assert lab.home.cli("health").returncode == 1
    assert lab.home.cli("stop-tunnel", "web").returncode == 0


def test_wrong_lines_of_the_state_file_are_mentioned(home: Home):
    home.write_config("tunnels: []\n")
    home.state_file.write_text("torn li\nh\t1\t2\tremote_to_local\tn\t" + "a" * 32 + "\t1\n")
    result = home.cli("status")
    assert result.returncode == 0
    assert "2 unusable lines" in result.stderr
    assert home.cli("cleanup").returncode == 0
    assert home.state_file.read_text() == ""


def test_the_bar_is_drawn_only_for_a_person(lab: Lab, web: Item):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        lab.home.add_host("silent", silent.getsockname()[1])
        write(lab.home, web, Item("mute", 1, "silent"))
        code, shown = in_terminal(lab.home, "start")
        assert code == 3
        assert re.search(r"█+░* [12]/2 ", shown)
        assert "\r\x1b[K" in shown
        lab.home.cli("stop")
    write(lab.home, web)
    assert "█" not in lab.home.cli("start").stderr
