"""From `docker run` to traffic: who runs, what is cleared, what belongs to whom."""

import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.container.engine import LOG_DIR, STATE_FILE, Container, Engine
from tests.container.site import GID, UID, Site
from tests.support.network import EchoService, free_port, passes
from tests.support.tunnels import inward, outward
from tunnel_tui.model import TunnelSpec

STALE = "host\t1\t2\tremote_to_local\tstale\t0123456789abcdef0123456789abcdef\t1\n"


class Started(NamedTuple):
    container: Container
    specs: list[TunnelSpec]
    ports: list[int]


@pytest.fixture(scope="module")
def started(
    make_site: Callable[[], Site],
    make_container: Callable[..., Container],
    engine: Engine,
    echo: EchoService,
    figures: dict[str, str],
    tmp_path_factory: pytest.TempPathFactory,
) -> Started:
    """A container that had run before, under another user, and was killed."""
    site, ports = make_site(), [free_port() for _ in range(4)]
    specs = [
        inward(echo.port, ports[0], name="in-1"),
        inward(echo.port, ports[1], name="in-2"),
        outward(echo.port, ports[2], name="out"),
        inward(echo.port, ports[3], name="by-hand", interactive=True),
    ]
    site.write(*specs)
    container = make_container(site, command="create", TZ="Asia/Tokyo")
    stale = tmp_path_factory.mktemp("stale")
    (stale / Path(STATE_FILE).name).write_text(STALE)
    (stale / Path(LOG_DIR).name).mkdir()
    (stale / Path(LOG_DIR).name / f"tunnel-{specs[0].hash}.log").write_text("an old story\n")
    engine.run("cp", f"{stale}/.", f"{container.name}:/tmp/")
    begun = time.monotonic()
    container.start()
    container.wait_running("in-1", "in-2", "out")
    figures["docker start to 3 tunnels RUNNING"] = f"{time.monotonic() - begun:.1f} s"
    return Started(container, specs, ports)


def capabilities(pid: int) -> dict[str, str]:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return dict(line.split(":\t", 1) for line in lines if line.startswith(("Cap", "NoNewPrivs")))


def test_process_1_is_tini_and_the_rest_has_no_privileges(started: Started) -> None:
    first = started.container.first()
    assert os.path.basename(first.command.split()[0]) == "tini"
    assert started.container.watcher()
    others = [process for process in started.container.processes() if process.pid != first.pid]
    assert len(others) >= 1 + 3 * 2  # the watcher; autossh and ssh of three tunnels
    for process in others:
        assert process.uid == UID, process
        held = capabilities(process.pid)
        assert held.pop("NoNewPrivs") == "1", process
        assert {int(value, 16) for value in held.values()} == {0}, (process, held)


def test_group_is_pgid(started: Started) -> None:
    lines = Path(f"/proc/{started.container.watcher().pid}/status").read_text().splitlines()
    assert f"Gid:\t{GID}\t{GID}\t{GID}\t{GID}" in lines


def test_state_file_and_log_directory_are_open_to_all_and_the_users(started: Started) -> None:
    assert started.container.mode(STATE_FILE) == f"666 {UID}:{GID}"
    assert started.container.mode(LOG_DIR) == f"1777 {UID}:{GID}"


def test_stale_state_is_gone(started: Started) -> None:
    assert set(started.container.pids()) == {"in-1", "in-2", "out"}
    log = started.container.cli("logs", "in-1", "-n", "1000")
    assert "an old story" not in log


def test_traffic_passes_and_nobody_logged_in(started: Started) -> None:
    assert all(passes(port) for port in started.ports[:3])
    status = started.container.status()
    assert status["by-hand"]["state"].upper() == "INTERACTIVE"
    assert not passes(started.ports[3])


def test_one_process_per_tunnel(started: Started) -> None:
    for spec in started.specs[:3]:
        assert len(started.container.ssh_of(spec.hash)) == 1


def test_config_and_home_are_the_users_and_ssh_stays_the_hosts(started: Started) -> None:
    owner = f"{UID}:{GID}"
    for path in ("/etc/autossh/config", "/etc/autossh/config/config.yaml", "/home/myuser"):
        assert started.container.mode(path).endswith(f" {owner}"), path
    assert started.container.mode("/home/myuser/.ssh").startswith("700")
    refused = started.container.exec("touch", "/home/myuser/.ssh/new", check=False)
    assert "Read-only" in refused.stderr


def test_time_zone_and_locale_are_there_for_docker_exec(started: Started) -> None:
    shown = started.container.exec("sh", "-c", 'date +%Z; echo "$LANG $TERM"')
    assert shown.stdout.split() == ["JST", "C.UTF-8", "xterm-256color"]
    assert "+09:00" in started.container.logs()


def test_health_says_so(started: Started, engine: Engine) -> None:
    assert started.container.cli("health").startswith("healthy: 3 of 3")
    assert json.loads(started.container.cli("health", "--json"))["running"] == 3
    check = json.loads(engine.run("inspect", started.container.name).stdout)[0]
    assert check["Config"]["Healthcheck"]["Test"] == ["CMD", "tunnel-tui", "health"]


def test_both_names_work_for_root_and_for_the_user(started: Started) -> None:
    for user in ("root", "myuser"):
        for program in ("tunnel-tui", "autossh-cli"):
            assert "in-1" in started.container.exec(program, "status", user=user).stdout


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({"PUID": "me"}, "PUID=me"),
        ({"PGID": "-1"}, "PGID=-1"),
        ({"TUNNEL_TUI_USER": "nobody-here"}, "no such user"),
    ],
)
def test_a_wrong_number_is_refused(
    engine: Engine, image: str, variables: dict[str, str], message: str
) -> None:
    pairs = [part for name, value in variables.items() for part in ("-e", f"{name}={value}")]
    done = engine.run("run", "--rm", *pairs, image, "config", check=False)
    assert done.returncode == 1
    assert message in done.stderr


def test_number_of_a_system_user_is_taken_over(engine: Engine, image: str) -> None:
    # 33 is www-data: ssh must find the home of the tunnels' user nevertheless.
    name = engine.run("run", "-d", "-e", "PUID=33", "-e", "PGID=20", image, "wait").stdout.strip()
    try:
        engine.run("wait", name)
        copy = engine.run("cp", f"{name}:/etc/passwd", "-").stdout
        assert copy.index("myuser:x:33:20:") < copy.index("www-data:x:33:")
    finally:
        engine.run("rm", "-f", name)
