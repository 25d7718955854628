"""Stopping, killing, starting again; a hundred starts; root and the user in turns."""

import time
from collections.abc import Callable

import pytest

from tests.container.engine import LOG_DIR, STATE_FILE, Container
from tests.container.site import GID, UID, Site
from tests.support import processes
from tests.support.network import EchoService, free_port, passes
from tests.support.sshd import Sshd
from tests.support.tunnels import inward, outward
from tests.support.waiting import wait_until
from tunnel_tui.model import TunnelSpec

MakeContainer = Callable[..., Container]
OWNED = f"666 {UID}:{GID}"


@pytest.fixture
def ports() -> list[int]:
    return [free_port() for _ in range(4)]


@pytest.fixture
def specs(echo: EchoService, ports: list[int]) -> list[TunnelSpec]:
    found = [inward(echo.port, port, name=f"t{port}") for port in ports[:3]]
    return [*found, outward(echo.port, ports[3], name=f"t{ports[3]}")]


def test_stop_ends_everything_and_start_brings_it_back(
    site: Site,
    make_container: MakeContainer,
    specs: list[TunnelSpec],
    ports: list[int],
    sshd: Sshd,
    figures: dict[str, str],
) -> None:
    site.write(*specs)
    container = make_container(site)
    container.wait_running(*(spec.name for spec in specs))
    pids = [process.pid for process in container.processes()]
    taken = container.stop()
    figures["docker stop with 4 tunnels"] = f"{taken:.1f} s"
    assert taken < 5
    assert container.inspect()["State"]["ExitCode"] == 0
    assert not any(processes.alive(pid) for pid in pids)
    assert container.read_stopped(STATE_FILE) == b""
    assert not container.read_stopped(LOG_DIR)
    # Each was ended by us, so that the server has let go of the remote listener.
    assert not any(passes(port, timeout=1) for port in ports)
    container.start()
    wait_until(lambda: all(passes(port, timeout=1) for port in ports), 20, interval=0.2)
    assert len(container.pids()) == 4
    container.remove()


def test_a_killed_watcher_restarts_clean(
    site: Site, make_container: MakeContainer, specs: list[TunnelSpec], ports: list[int]
) -> None:
    site.write(*specs)
    container = make_container(site, "--restart=always")
    container.wait_running(*(spec.name for spec in specs))
    watcher = container.watcher().pid
    old = [process.pid for process in container.processes()]
    container.kill_watcher()
    wait_until(lambda: not processes.alive(watcher), 5)
    wait_until(lambda: container.inspect()["RestartCount"] == 1 and container.running, 20)
    container.wait_log("event=watching", count=2)
    container.wait_running(*(spec.name for spec in specs))
    assert not any(processes.alive(pid) for pid in old)
    assert set(container.pids()) == {spec.name for spec in specs}
    for spec in specs:
        assert len(container.ssh_of(spec.hash)) == 1
    assert all(passes(port) for port in ports)
    container.remove()


def test_no_zombie_after_a_hundred_starts_and_stops(
    site: Site, make_container: MakeContainer, specs: list[TunnelSpec]
) -> None:
    site.write(*specs)
    container = make_container(site)
    names = " ".join(spec.name for spec in specs)
    container.wait_running(*names.split())
    script = f"""
        for round in $(seq 25); do
            tunnel-tui stop-tunnel {names} >/dev/null || exit 1
            tunnel-tui start-tunnel {names} >/dev/null || exit 1
        done"""
    done = container.exec("sh", "-c", script, timeout=300)
    assert done.returncode == 0
    container.wait_running(*names.split())
    found = container.processes()
    assert not [process for process in found if process.state.startswith("Z")]
    # tini, the watcher, autossh and ssh of each tunnel
    assert len(found) == 2 + 2 * len(specs), found
    container.remove()


def test_root_and_the_user_take_turns(
    site: Site, make_container: MakeContainer, specs: list[TunnelSpec], ports: list[int]
) -> None:
    site.write(*specs)
    container = make_container(site)
    name, port = specs[0].name, ports[0]
    container.wait_running(*(spec.name for spec in specs))
    for turn in range(20):
        for action in ("stop-tunnel", "start-tunnel"):
            user = "root" if turn % 2 == 0 else "myuser"
            done = container.exec("tunnel-tui", action, name, user=user)
            assert "rror" not in done.stderr
            assert container.modes(STATE_FILE, LOG_DIR) == [OWNED, f"1777 {UID}:{GID}"]
    wait_until(lambda: passes(port, timeout=1), 10)
    assert all(p.uid == UID for p in container.processes() if p.pid != container.first().pid)
    assert len(container.pids()) == 4
    container.remove()


def test_time_from_run_to_running(
    site: Site,
    make_container: MakeContainer,
    specs: list[TunnelSpec],
    ports: list[int],
    figures: dict[str, str],
) -> None:
    site.write(specs[0])
    begun = time.monotonic()
    container = make_container(site)
    wait_until(lambda: passes(ports[0], timeout=1), 20, interval=0.01)
    passing = time.monotonic() - begun
    container.wait_running(specs[0].name)
    figures["docker run to traffic"] = f"{passing:.2f} s"
    figures["docker run to RUNNING (seen by a command)"] = f"{time.monotonic() - begun:.2f} s"
    assert passing < 10
    container.remove()
