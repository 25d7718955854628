"""A configuration that changes: only what changed is touched, and the last edit wins."""

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import Lab
from tests.support.daemon import Daemon
from tests.support.network import free_port, passes
from tests.support.tunnels import as_yaml, inward, state_of
from tests.support.waiting import wait_until
from tunnel_tui.model import State, TunnelSpec
from tunnel_tui.supervise.actions.lifecycle import stop_tunnel

pytestmark = pytest.mark.process

RunDaemon = Callable[..., Daemon]


def tunnels(lab: Lab, count: int, prefix: str = "t") -> list[TunnelSpec]:
    return [inward(lab.echo.port, free_port(), name=f"{prefix}{number}") for number in range(count)]


def port_of(spec: TunnelSpec) -> int:
    return int(spec.local_port.rpartition(":")[2])


def replace(path: Path, text: str) -> None:
    new = path.with_suffix(".new")
    new.write_text(text)
    new.replace(path)


def in_place(path: Path, text: str) -> None:
    path.write_text(text)


@pytest.mark.parametrize("write", [in_place, replace])
def test_only_what_changed_is_touched(
    lab: Lab, run_daemon: RunDaemon, write: Callable[[Path, str], None]
) -> None:
    kept, gone = tunnels(lab, 2)
    new = inward(lab.echo.port, free_port(), name="new")
    changed = gone._replace()
    lab.home.write_config(as_yaml(kept, gone))
    daemon = run_daemon()
    before = daemon.wait_running(kept, gone)
    write(lab.home.config_file, as_yaml(kept, new))
    after = daemon.wait_running(new)
    assert after == {"t0": before["t0"], "new": after["new"]}
    assert passes(port_of(new))
    assert passes(port_of(kept))
    assert not passes(port_of(changed))


def test_another_port_under_the_same_name(lab: Lab, run_daemon: RunDaemon) -> None:
    old, other = tunnels(lab, 2)
    port = free_port()
    new = inward(lab.echo.port, port, name=old.name)
    lab.home.write_config(as_yaml(old, other))
    daemon = run_daemon()
    before = daemon.wait_running(old, other)
    lab.home.write_config(as_yaml(new, other))
    wait_until(lambda: passes(port), 10, what="the new port")
    assert not passes(port_of(old))
    assert daemon.pids()["t1"] == before["t1"]


def test_new_options_of_ssh_restart_a_tunnel(lab: Lab, run_daemon: RunDaemon) -> None:
    """They are no part of the hash."""
    spec, other = tunnels(lab, 2)
    lab.home.write_config(as_yaml(other, spec))
    daemon = run_daemon()
    before = daemon.wait_running(other, spec)
    lab.home.write_config(as_yaml(other, spec) + "  ssh_options: [Compression=yes]\n")
    wait_until(lambda: daemon.pids().get("t0", before["t0"]) != before["t0"], what="a restart")
    wait_until(lambda: passes(port_of(spec)), what="traffic")
    assert daemon.pids()["t1"] == before["t1"]
    assert len(lab.home.processes("autossh")) == 2


def test_the_symlink_swap_of_kubernetes(lab: Lab, run_daemon: RunDaemon) -> None:
    first, second = tunnels(lab, 2)
    volume = lab.home.path / "volume"
    for name, specs in (("..1", (first,)), ("..2", (first, second))):
        (volume / name).mkdir(parents=True)
        (volume / name / "config.yaml").write_text(as_yaml(*specs))
    (volume / "..data").symlink_to("..1")
    (volume / "config.yaml").symlink_to("..data/config.yaml")
    daemon = run_daemon("-c", str(volume / "config.yaml"))
    before = daemon.wait_running(first)
    began = time.monotonic()
    (volume / "..data_tmp").symlink_to("..2")
    (volume / "..data_tmp").rename(volume / "..data")
    after = daemon.wait_running(second)
    assert time.monotonic() - began < 5, "it was found by looking, not by being told"
    assert after["t0"] == before["t0"]


def test_a_broken_file_changes_nothing_and_is_reported_once(
    lab: Lab, run_daemon: RunDaemon
) -> None:
    specs = tunnels(lab, 2)
    lab.home.write_config(as_yaml(*specs))
    daemon = run_daemon()
    before = daemon.wait_running(*specs)
    lab.home.write_config("tunnels: [")
    daemon.wait_for("config-broken")
    os.utime(lab.home.config_file)
    lab.home.config_file.write_text("tunnels: [")
    lab.home.config_file.unlink()
    daemon.wait_for("config-broken", count=2)
    lab.home.write_config(as_yaml(*specs))
    daemon.wait_for("config-restored")
    assert len(daemon.lines("config-broken")) == 2
    assert daemon.pids() == before
    new = tunnels(lab, 1, "new")
    lab.home.write_config(as_yaml(*specs, *new))
    daemon.wait_running(*new)


def test_it_waits_for_a_file_that_is_not_there_yet(lab: Lab, run_daemon: RunDaemon) -> None:
    (spec,) = tunnels(lab, 1)
    daemon = run_daemon()
    daemon.wait_for("config-broken")
    lab.home.write_config(as_yaml(spec))
    daemon.wait_running(spec)


def test_a_file_that_is_being_written_stops_nothing(lab: Lab, run_daemon: RunDaemon) -> None:
    """An editor empties it, thinks for half a second, and writes the rest."""
    specs = tunnels(lab, 2)
    lab.home.write_config(as_yaml(*specs))
    daemon = run_daemon()
    before = daemon.wait_running(*specs)
    new = tunnels(lab, 1, "new")
    with lab.home.config_file.open("w") as file:
        file.flush()
        time.sleep(0.5)  # what is tested is that nothing happens meanwhile
        file.write(as_yaml(*specs, *new))
    after = daemon.wait_running(*new)
    assert {name: after[name] for name in before} == before
    assert not daemon.lines("stopped")


def test_nothing_left_is_believed_after_a_while(lab: Lab, run_daemon: RunDaemon) -> None:
    specs = tunnels(lab, 2)
    lab.home.write_config(as_yaml(*specs))
    daemon = run_daemon()
    daemon.wait_running(*specs)
    lab.home.write_config("tunnels: []\n")
    wait_until(lambda: not daemon.pids(), 15, what="all stopped")
    assert lab.home.processes("autossh", "ssh") == []


@pytest.mark.slow
def test_of_a_hundred_edits_in_ten_seconds_the_last_wins(lab: Lab, run_daemon: RunDaemon) -> None:
    steady = tunnels(lab, 2, "steady")
    ports = [free_port() for _ in range(5)]
    lab.home.write_config(as_yaml(*steady))
    daemon = run_daemon()
    before = daemon.wait_running(*steady)
    last = steady[0]
    for number in range(100):
        last = inward(lab.echo.port, ports[number % 5], name=f"edit{number}")
        (replace if number % 2 else in_place)(lab.home.config_file, as_yaml(*steady, last))
        time.sleep(0.1)
    pids = daemon.wait_running(last)
    assert {name: pids[name] for name in before} == before
    wait_until(
        lambda: sorted(daemon.pids()) == sorted([*before, last.name]), what="what is configured"
    )
    assert passes(port_of(last))
    assert len(lab.home.processes("autossh")) == 3
    assert not daemon.lines("trouble")


def test_an_edit_while_starts_hang_is_not_lost(lab: Lab, run_daemon: RunDaemon) -> None:
    """The starts of eight that hang take 15 seconds; the edit comes in between."""
    import socket

    with socket.create_server(("127.0.0.1", 0), backlog=64) as silent:
        lab.home.add_host("silent", silent.getsockname()[1])
        hanging = [
            inward(lab.echo.port, free_port(), name=f"h{n}", host="silent") for n in range(20)
        ]
        lab.home.write_config(as_yaml(*hanging))
        daemon = run_daemon()
        wait_until(lambda: len(daemon.pids()) == 8, what="eight in STARTING")
        (spec,) = tunnels(lab, 1)
        lab.home.write_config(as_yaml(spec))
        daemon.wait_running(spec, deadline=10)
        assert list(daemon.pids()) == ["t0"]


def test_what_a_person_stopped_stays_stopped(lab: Lab, run_daemon: RunDaemon) -> None:
    stopped, other = tunnels(lab, 2)
    new = tunnels(lab, 1, "new")
    lab.home.write_config(as_yaml(stopped, other))
    daemon = run_daemon()
    daemon.wait_running(stopped, other)
    assert stop_tunnel(lab.home.settings, stopped.hash).verb == "stopped"
    lab.home.write_config(as_yaml(stopped, other, *new))
    daemon.wait_running(*new)
    assert state_of(lab.home, stopped) is State.STOPPED
    daemon.hang_up()  # a person who asks for everything
    daemon.wait_for("running", count=2, tunnel=stopped.name)


def test_a_busy_port_is_tried_again(lab: Lab, run_daemon: RunDaemon) -> None:
    import socket

    (spec,) = tunnels(lab, 1)
    with socket.create_server(("127.0.0.1", port_of(spec))):
        lab.home.write_config(as_yaml(spec))
        daemon = run_daemon()
        assert str(os.getpid()) in daemon.wait_for("not-started")["detail"]
        daemon.wait_for("trying-again", count=2)
        assert len(daemon.lines("not-started")) == 1
    daemon.wait_running(spec)
