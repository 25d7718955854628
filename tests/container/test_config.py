"""Edits of the mounted configuration: what changed is restarted, what did not keeps its process."""

import time
from collections.abc import Callable

import pytest

from tests.container.engine import Container
from tests.container.site import Site
from tests.support.network import EchoService, free_port, passes
from tests.support.tunnels import inward
from tests.support.waiting import wait_until
from tunnel_tui.model import TunnelSpec

MakeContainer = Callable[..., Container]


@pytest.fixture
def specs(echo: EchoService) -> list[TunnelSpec]:
    return [inward(echo.port, free_port(), name=f"t{number}") for number in range(3)]


def port_of(spec: TunnelSpec) -> int:
    return int(spec.local_port.rpartition(":")[2])


def wait_for(container: Container, *specs: TunnelSpec, deadline: float = 20.0) -> dict[str, int]:
    """Wait until exactly these tunnels are there and pass traffic; return their pids."""
    names = {spec.name for spec in specs}
    wait_until(
        lambda: (
            all(passes(port_of(spec), timeout=1) for spec in specs)
            and set(container.pids()) == names
        ),
        deadline,
        f"{names}: {container.logs()}",
        0.2,
    )
    return container.pids()


@pytest.mark.parametrize("way", ["write", "replace"])
def test_only_what_changed_restarts(
    way: str, site: Site, make_container: MakeContainer, specs: list[TunnelSpec], echo: EchoService
) -> None:
    site.write(*specs)
    container = make_container(site)
    before = wait_for(container, *specs)
    moved, added = specs[1]._replace(name="t1"), inward(echo.port, free_port(), name="new")
    moved = inward(echo.port, free_port(), name="t1")
    getattr(site, way)(specs[0], moved, added)
    after = wait_for(container, specs[0], moved, added)
    assert after["t0"] == before["t0"]
    assert after["t1"] != before["t1"]
    assert not passes(port_of(specs[1]), timeout=1)
    assert not passes(port_of(specs[2]), timeout=1)
    container.remove()


def test_symlink_swap(site: Site, make_container: MakeContainer, specs: list[TunnelSpec]) -> None:
    site.publish("v1", *specs[:2])
    container = make_container(site)
    before = wait_for(container, *specs[:2])
    site.publish("v2", *specs)
    after = wait_for(container, *specs)
    assert {name: after[name] for name in before} == before
    site.publish("v3", *specs[1:])
    after_that = wait_for(container, *specs[1:])
    assert after_that == {name: after[name] for name in ("t1", "t2")}
    container.remove()


def test_a_hundred_edits_in_ten_seconds(
    site: Site, make_container: MakeContainer, specs: list[TunnelSpec], echo: EchoService
) -> None:
    ways = (site.write, site.replace)
    site.write(*specs)
    container = make_container(site)
    before = wait_for(container, *specs)
    begun = time.monotonic()
    for edit in range(100):
        # One stays; one moves with each edit; one comes and goes.
        moving = inward(echo.port, free_port(), name="t1")
        ways[edit % 2](specs[0], moving, *([specs[2]] if edit % 3 else []))
        time.sleep(max(0.0, begun + (edit + 1) * 0.1 - time.monotonic()))
    assert time.monotonic() - begun < 15
    last = [specs[0], moving]
    after = wait_for(container, *last, deadline=30)
    assert after["t0"] == before["t0"]
    for spec in last:
        assert len(container.ssh_of(spec.hash)) == 1
    ssh = [p for p in container.processes() if "TUNNEL_HASH" in p.command]
    assert len(ssh) == 4, ssh  # autossh and ssh of two tunnels, nothing left over
    container.remove()


def test_a_broken_file_changes_nothing_and_is_reported(
    site: Site, make_container: MakeContainer, specs: list[TunnelSpec]
) -> None:
    site.write(*specs)
    container = make_container(site)
    before = wait_for(container, *specs)
    site.write(text="tunnels:\n- name: t0\n  remote_host: [server\n")
    container.wait_log("event=config")
    wait_until(lambda: "line" in container.logs(), 10, "the mistake in the log", 0.2)
    done = container.exec("tunnel-tui", "status", check=False)
    assert "config.yaml" in done.stderr
    assert container.pids() == before
    assert container.cli("health", check=False).startswith("unhealthy")
    site.write(*specs[:2])
    after = wait_for(container, *specs[:2])
    assert after == {name: before[name] for name in ("t0", "t1")}
    container.remove()


def test_hup_reloads_and_disturbs_nothing(
    site: Site, make_container: MakeContainer, specs: list[TunnelSpec]
) -> None:
    site.write(*specs)
    container = make_container(site)
    before = wait_for(container, *specs)
    container.exec("tunnel-tui", "stop-tunnel", "t1")
    container.kill("HUP")
    after = wait_for(container, *specs)  # a reload starts what the file asks for
    assert {name: after[name] for name in ("t0", "t2")} == {
        name: before[name] for name in ("t0", "t2")
    }
    container.remove()
