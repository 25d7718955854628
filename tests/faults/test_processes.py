"""What happens to processes: kills, freezes, reused numbers."""

import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.faults.kills import kill_autossh, kill_tunnel
from tests.faults.strangers import Stranger, can_choose_pids
from tests.support import processes
from tests.support.faults import Fault, Site
from tests.support.network import passes
from tests.support.waiting import wait_until
from tunnel_tui.model import ReasonCode, State, TunnelEntry, TunnelSpec
from tunnel_tui.observe.statefile import StateFile
from tunnel_tui.observe.stateline import format_line

pytestmark = pytest.mark.process


@pytest.fixture
def watched(site: Site) -> Site:
    """Three tunnels that run, the watcher and the app."""
    site.tunnels()
    site.watch()
    site.open_app()
    site.start_all()
    return site


@pytest.fixture
def make_stranger(site: Site) -> Iterator[Callable[..., Stranger]]:
    strangers: list[Stranger] = []

    def make(pid: int | None = None) -> Stranger:
        strangers.append(Stranger(site.home.path, pid))
        return strangers[-1]

    yield make
    for stranger in strangers:
        stranger.close()


@contextmanager
def frozen(*pids: int) -> Iterator[None]:
    """Hold processes still meanwhile: every thread, before the block begins."""
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        wait_until(lambda: all(map(_stands_still, pids)), what="processes standing still")
        yield
    finally:
        for pid in pids:
            if processes.alive(pid):
                os.kill(pid, signal.SIGCONT)


def _stands_still(pid: int) -> bool:
    tasks = Path(f"/proc/{pid}/task").iterdir()
    return all((task / "stat").read_text().rpartition(")")[2].split()[0] == "T" for task in tasks)


def rewrite(site: Site, spec: TunnelSpec, pid: int | str) -> None:
    """Let the tunnel's line of the state file name another process."""
    line = format_line(TunnelEntry.of(spec, 0)).rpartition("\t")[0] + f"\t{pid}\n"
    others = [
        text for text in site.home.state_file.read_text().splitlines(True) if spec.hash not in text
    ]
    site.home.state_file.write_text("".join([*others, line]))


def test_autossh_killed(watched: Site, fault: Fault) -> None:
    fault.describe("Processes", "autossh killed", "SIGKILL to one autossh of three")
    kill_autossh(watched, fault, watched.specs[0])


@pytest.mark.parametrize("signum", [signal.SIGKILL, signal.SIGTERM])
def test_ssh_killed(watched: Site, fault: Fault, signum: signal.Signals) -> None:
    name = f"ssh killed ({signum.name})"
    fault.describe("Processes", name, f"{signum.name} to the ssh of one tunnel of three")
    victim = watched.specs[0]
    with fault.recovering():
        with fault.noticing():
            ssh = watched.ssh_pid(victim)
            os.kill(ssh, signum)
            watched.wait_badge(victim, "DEAD|STARTING")
        wait_until(lambda: not processes.alive(ssh), what="the end of ssh")
        watched.wait_well(victim)
    watched.check(*watched.specs)


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT, signal.SIGUSR1])
def test_autossh_signalled(watched: Site, fault: Fault, signum: signal.Signals) -> None:
    """autossh(1), "SSH exits": it ends by the first two, the third makes it start a new ssh."""
    name = f"autossh signalled ({signum.name})"
    fault.describe("Processes", name, f"{signum.name} to one autossh of three, from a stranger")
    victim = watched.specs[0]
    ssh = watched.ssh_pid(victim)
    with fault.recovering():
        with fault.noticing():
            os.kill(watched.pid(victim), signum)
            watched.wait_badge(victim, "DEAD|STARTING")
        wait_until(lambda: not processes.alive(ssh), what="the end of ssh")
        watched.wait_well(victim)
    watched.check(*watched.specs)


def test_both_killed(watched: Site, fault: Fault) -> None:
    fault.describe("Processes", "autossh and ssh killed", "SIGKILL to both, of all three tunnels")
    with fault.recovering():
        with fault.noticing():
            for victim in watched.specs:
                kill_tunnel(watched, victim)
            for victim in watched.specs:
                watched.wait_badge(victim, "DEAD|STARTING|RUNNING .*[0-2]s ")
        watched.wait_well()
    watched.check(*watched.specs)


@pytest.mark.parametrize("who", ["ssh", "autossh", "both"])
def test_frozen_while_stopping(watched: Site, fault: Fault, who: str) -> None:
    name = {"both": "autossh and ssh"}.get(who, who)
    fault.describe("Processes", f"{name} frozen while stopping", "SIGSTOP, then x in the app")
    first = watched.specs[0]
    autossh, ssh = watched.pid(first), watched.ssh_pid(first)
    victims = [autossh] * (who != "ssh") + [ssh] * (who != "autossh")
    assert watched.app
    watched.app.press("g")
    watched.app.shows(rf"▌ . RUNNING\s+{first.name}")
    with frozen(*victims), fault.recovering():
        watched.app.press("x")
        watched.wait_badge(first, "STOPPED")
        wait_until(lambda: not any(map(processes.alive, (autossh, ssh))), what="their end")
    assert not passes(watched.listener(first))
    watched.check(*watched.specs[1:])


@pytest.mark.parametrize("who", ["ssh", "autossh"])
def test_frozen(watched: Site, fault: Fault, who: str) -> None:
    """A frozen ssh has its listener still, and answers nobody; a frozen autossh starts no other."""
    what = {"ssh": "SIGSTOP to ssh", "autossh": "SIGSTOP to autossh, then SIGKILL to its ssh"}[who]
    fault.describe("Processes", f"{who} frozen", f"{what}; SIGCONT when it was noticed")
    victim = watched.specs[0]
    autossh, ssh = watched.pid(victim), watched.ssh_pid(victim)
    with fault.noticing():
        os.kill(ssh if who == "ssh" else autossh, signal.SIGSTOP)
        if who == "autossh":
            os.kill(ssh, signal.SIGKILL)
        watched.wait_badge(victim, f"STARTING.*{who} (is|was) frozen")
    status = watched.status(victim)
    assert (status.state, status.reason and status.reason.code) == (
        State.STARTING,
        ReasonCode.FROZEN,
    )
    with fault.recovering():
        os.kill(ssh if who == "ssh" else autossh, signal.SIGCONT)
        watched.wait_well()
    if who == "ssh":
        assert (watched.pid(victim), watched.ssh_pid(victim)) == (autossh, ssh)
    watched.check(*watched.specs)


def test_pid_of_a_stranger(
    watched: Site, fault: Fault, make_stranger: Callable[..., Stranger]
) -> None:
    """A state file that outlived a reboot; the stranger could be anything."""
    what = "the line of a dead tunnel names a live process of somebody else; then stop, cleanup"
    fault.describe("Processes", "pid reused: a stale line names a stranger", what)
    stranger = make_stranger()
    assert watched.daemon
    victim = watched.specs[0]
    with frozen(watched.daemon.pid):
        kill_tunnel(watched, victim)
        rewrite(watched, victim, stranger.pid)
        with fault.noticing():
            watched.wait_badge(victim, "DEAD")
        assert watched.status(victim).state is State.DEAD
        shown = watched.home.cli("status").stdout
        assert "DEAD" in next(line for line in shown.splitlines() if victim.name in line)
        said = watched.home.cli("stop-tunnel", victim.name)
        assert (said.returncode, stranger.signals) == (0, []), said
        assert f"pid {stranger.pid}" in said.stdout + said.stderr
        rewrite(watched, victim, stranger.pid)
        said = watched.home.cli("cleanup")
        assert said.returncode == 0, said
        rewrite(watched, victim, stranger.pid)
    with fault.recovering():  # it was stopped on purpose: a line alone starts nothing
        watched.home.cli("start-tunnel", victim.name)
        watched.wait_well(victim)
    stranger.assert_unharmed()
    watched.check(*watched.specs)


def test_pid_of_another_tunnel(watched: Site, fault: Fault) -> None:
    """The most tempting stranger: an autossh of ours, of another tunnel."""
    what = "its line names the autossh of another tunnel; start, stop"
    fault.describe("Processes", "pid reused: by another tunnel of ours", what)
    victim, other, _ = watched.specs
    taken = watched.pid(other)
    assert watched.daemon
    with frozen(watched.daemon.pid):
        kill_tunnel(watched, victim)
        rewrite(watched, victim, taken)
        with fault.noticing():
            watched.wait_badge(victim, "DEAD")
        watched.home.cli("stop-tunnel", victim.name)
        assert passes(watched.listener(other))
        rewrite(watched, victim, taken)
    with fault.recovering():  # it was stopped on purpose: a line alone starts nothing
        watched.home.cli("start-tunnel", victim.name)
        watched.wait_well(victim)
    assert watched.pid(other) == taken
    watched.check(*watched.specs)


def test_pid_really_reused(
    site: Site, fault: Fault, make_stranger: Callable[..., Stranger]
) -> None:
    if not can_choose_pids():
        pytest.skip("needs root and clone3 with set_tid")
    what = "autossh and ssh killed, both pids given to strangers (clone3) before anybody looks"
    fault.describe("Processes", "pid reused: for real", what)
    victim = site.tunnels()[0]
    site.start_all()  # by a command that ends: the dead are buried while all others are frozen
    daemon = site.watch()
    app = site.open_app()
    daemon.wait_running(*site.specs)
    site.wait_well()
    with frozen(daemon.pid, app.pid):
        ssh = site.ssh_pid(victim)
        pid = kill_tunnel(site, victim)
        for gone in (pid, ssh):
            wait_until(lambda gone=gone: not os.path.exists(f"/proc/{gone}"), what="its funeral")
        strangers = [make_stranger(pid), make_stranger(ssh)]
        assert site.status(victim).state is State.DEAD
    with fault.recovering():
        wait_until(lambda: site.pid(victim) != pid, 15, what="another process")
        site.wait_well(victim)
    assert site.home.cli("restart-tunnel", victim.name).returncode == 0
    site.wait_well(victim)
    for stranger in strangers:
        stranger.assert_unharmed()
    site.check(*site.specs)


def test_pids_below_two(watched: Site, fault: Fault) -> None:
    """kill(-1) as root would end the machine."""
    what = "pid −1, 0 and 1 in the lines of three tunnels; status, cleanup, stop, start"
    fault.describe("Processes", "pid −1, 0, 1 in the state file", what)
    before = {spec.hash: watched.pid(spec) for spec in watched.specs}
    for spec, pid in zip(watched.specs, (-1, 0, 1), strict=True):
        rewrite(watched, spec, pid)
    read = StateFile(str(watched.home.state_file)).read()
    assert (len(read.malformed), read.entries) == (3, ())
    watched.wait_well()  # they run, and are shown so
    assert watched.home.cli("status").returncode == 0
    with fault.recovering():
        assert watched.home.cli("cleanup").returncode == 0
        wait_until(
            lambda: {s.hash: watched.pid(s) for s in watched.specs} == before, what="adopted"
        )
    for spec, pid in zip(watched.specs, (-1, 0, 1), strict=True):
        rewrite(watched, spec, pid)
    assert watched.home.cli("stop").returncode == 0
    wait_until(lambda: not watched.home.processes("ssh", "autossh"), what="all stopped")
    assert watched.home.cli("start").returncode == 0
    watched.wait_well()
    watched.check(*watched.specs)


def test_a_zombie_is_registered(watched: Site, fault: Fault) -> None:
    what = "autossh killed while its parent, the watcher, is frozen and does not bury it"
    fault.describe("Processes", "zombie", what)
    victim = watched.specs[0]
    assert watched.daemon
    with frozen(watched.daemon.pid):
        with fault.noticing():
            pid = kill_tunnel(watched, victim)
            watched.wait_badge(victim, "DEAD")
        assert os.path.exists(f"/proc/{pid}"), "no zombie"
        shown = watched.home.cli("status").stdout
        assert "DEAD" in next(line for line in shown.splitlines() if victim.name in line)
        # Not ours to bury, and no reason to wait: it is dead.
        with fault.recovering():
            assert watched.home.cli("start-tunnel", victim.name).returncode == 0
            watched.wait_well(victim)
        assert os.path.exists(f"/proc/{pid}"), "no zombie"
    wait_until(lambda: not os.path.exists(f"/proc/{pid}"), what="its funeral")
    watched.check(*watched.specs)


def test_a_zombie_of_somebody_else_is_registered(watched: Site, fault: Fault) -> None:
    what = "its line names a zombie whose parent never buries it"
    fault.describe("Processes", "zombie of somebody else", what)
    victim = watched.specs[0]
    zombie = subprocess.Popen(["true"])
    wait_until(lambda: not processes.alive(zombie.pid), what="a zombie")
    assert watched.daemon
    with frozen(watched.daemon.pid):
        kill_tunnel(watched, victim)
        rewrite(watched, victim, zombie.pid)
        with fault.noticing():
            watched.wait_badge(victim, "DEAD")
    with fault.recovering():
        watched.wait_well(victim)
    zombie.wait()
    watched.check(*watched.specs)
