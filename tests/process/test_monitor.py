"""The monitor: what happens is told at once, quietly, and whatever else goes wrong."""

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from tests.conftest import Lab
from tests.support import processes
from tests.support.network import free_port, passes
from tests.support.sshd import Sshd
from tests.support.tunnels import as_yaml, inward, outward
from tests.support.waiting import wait_until
from tunnel_tui.model import ReasonCode, State, TunnelStatus
from tunnel_tui.observe.observer import Observer
from tunnel_tui.state.history import History
from tunnel_tui.supervise.actions.lifecycle import start_tunnel, start_tunnels, stop_tunnel
from tunnel_tui.supervise.monitor import monitor as monitor_module
from tunnel_tui.supervise.monitor.monitor import Monitor, Snapshot
from tunnel_tui.supervise.monitor.stable_read import EMPTY_QUIET

pytestmark = pytest.mark.process


class Watched:
    """A running monitor and everything it said."""

    def __init__(self, lab: Lab) -> None:
        self.snapshots: list[tuple[float, Snapshot]] = []
        self.monitor = Monitor(lab.home.settings, self._take)

    def _take(self, snapshot: Snapshot) -> None:
        self.snapshots.append((time.monotonic(), snapshot))

    @property
    def last(self) -> Snapshot:
        return self.snapshots[-1][1]

    def status(self, number: int = 0) -> TunnelStatus:
        return self.last.statuses[number]

    def wait_for(self, state: State, number: int = 0, deadline: float = 15.0) -> TunnelStatus:
        wait_until(
            lambda: (
                self.snapshots
                and len(self.last.statuses) > number
                and self.status(number).state is state
            ),
            deadline,
            what=f"{state} (now {self.snapshots and self.last.statuses})",
            interval=0.002,
        )
        return self.status(number)

    def states(self, tunnel_hash: str) -> list[State]:
        """All states that were shown of a tunnel, without repetitions."""
        shown: list[State] = []
        for _, snapshot in self.snapshots:
            for status in snapshot.statuses:
                if status.spec.hash == tunnel_hash and shown[-1:] != [status.state]:
                    shown.append(status.state)
        return shown


@pytest.fixture
def watch(lab: Lab) -> Iterator[Callable[[], Watched]]:
    watchers: list[Watched] = []

    def start() -> Watched:
        watched = Watched(lab)
        watchers.append(watched)
        watched.monitor.start()
        wait_until(lambda: watched.snapshots, what="the first snapshot")
        return watched

    yield start
    for watched in watchers:
        watched.monitor.stop()


@pytest.mark.parametrize("kind", [inward, outward])
def test_the_way_up_and_down(
    lab: Lab, watch: Callable[[], Watched], kind: Callable[..., object]
) -> None:
    spec = kind(lab.echo.port, free_port())
    lab.home.write_config(as_yaml(spec))
    watched = watch()
    assert watched.status().state is State.STOPPED
    start_tunnel(lab.home.settings, spec)
    watched.wait_for(State.RUNNING)
    stop_tunnel(lab.home.settings, spec.hash)
    watched.wait_for(State.STOPPED)
    states = watched.states(spec.hash)
    assert states[:3] == [State.STOPPED, State.STARTING, State.RUNNING]
    assert State.DEAD not in states, "a stop is no death"
    changes = [(c.before, c.after) for _, s in watched.snapshots for c in s.changes]
    assert (State.STARTING, State.RUNNING) in changes
    history = History(lab.home.settings.history_file)
    wait_until(
        lambda: (
            [record.state for record in history.read(spec.hash)]
            == ["STARTING", "RUNNING", "STOPPED"]
        ),
        what="the history",
    )


@pytest.mark.alone
def test_a_death_is_told_within_milliseconds(lab: Lab, watch: Callable[[], Watched]) -> None:
    spec = inward(lab.echo.port, free_port())
    lab.home.write_config(as_yaml(spec))
    watched = watch()
    took = []
    for _ in range(10):
        start_tunnel(lab.home.settings, spec, wait=10)
        pid = watched.wait_for(State.RUNNING).pid
        assert pid
        killed = time.monotonic()
        os.kill(pid, signal.SIGKILL)
        watched.wait_for(State.DEAD)
        took.append(next(at for at, s in watched.snapshots if at > killed and s.changes) - killed)
        assert watched.status().reason
        stop_tunnel(lab.home.settings, spec.hash)
        watched.wait_for(State.STOPPED)
    took.sort()
    # 10 ms on a quiet machine; the worst may have met other work.
    assert took[len(took) // 2] < 0.05, took
    assert took[-1] < 0.15, took


def test_a_frozen_ssh_is_told_soon_where_looks_are_rare(
    lab: Lab, watch: Callable[[], Watched], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With many tunnels, or on a busy machine, seconds pass between two looks at everything."""
    spec = inward(lab.echo.port, free_port())
    lab.home.write_config(as_yaml(spec))
    assert start_tunnel(lab.home.settings, spec, wait=10).ok
    monkeypatch.setattr(monitor_module, "_SHARE", 1e-9)
    watched = watch()
    status = watched.wait_for(State.RUNNING)
    assert status.ssh_pid
    for signum, state in ((signal.SIGSTOP, State.STARTING), (signal.SIGCONT, State.RUNNING)):
        time.sleep(0.3)
        os.kill(status.ssh_pid, signum)
        watched.wait_for(state, deadline=3.0)
    assert "frozen" in " ".join(s.statuses[0].detail for _, s in watched.snapshots)


@pytest.mark.timeout(150)
def test_server_killed_and_back(
    lab: Lab,
    watch: Callable[[], Watched],
    make_sshd: Callable[..., Sshd],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # By default a connection must have stood for 30 s before autossh repeats it.
    monkeypatch.setenv("AUTOSSH_GATETIME", "0")
    lab.home.variables["AUTOSSH_GATETIME"] = "0"
    server = make_sshd()
    lab.home.add_host("shaky", server.port)
    port, remote = free_port(), free_port()
    specs = [
        inward(lab.echo.port, port, host="shaky", name="in"),
        outward(lab.echo.port, remote, host="shaky", name="out"),
    ]
    lab.home.write_config(as_yaml(*specs))
    watched = watch()
    assert all(outcome.ok for outcome in start_tunnels(lab.home.settings, specs))
    pids = [watched.wait_for(State.RUNNING, number).pid for number in range(2)]
    server.stop()
    for number in range(2):
        status = watched.wait_for(State.STARTING, number, deadline=2.0)
        assert status.reason
    wait_until(
        lambda: all(
            s.reason and s.reason.code is ReasonCode.REFUSED for s in watched.last.statuses
        ),
        20,
        what="refused as the reason",
    )
    assert {status.state for status in watched.last.statuses} == {State.STARTING}
    server.start()
    for number in range(2):
        status = watched.wait_for(State.RUNNING, number, deadline=60.0)
        assert status.pid == pids[number]
        assert status.reconnects > 0
    assert passes(port)
    assert passes(remote)
    # A new observer says the same at once.
    fresh = Observer(lab.home.settings).observe(specs)
    assert [(s.state, s.pid, s.since, s.reconnects) for s in fresh] == [
        (s.state, s.pid, s.since, s.reconnects) for s in watched.last.statuses
    ]


class TestConfiguration:
    def test_a_broken_file_changes_nothing_and_is_told(
        self, lab: Lab, watch: Callable[[], Watched]
    ) -> None:
        spec = inward(lab.echo.port, free_port())
        lab.home.write_config(as_yaml(spec))
        watched = watch()
        lab.home.write_config("tunnels: [\n")
        wait_until(lambda: watched.last.broken)
        assert watched.last.broken
        assert watched.last.broken.problems
        assert [s.spec.hash for s in watched.last.statuses] == [spec.hash]
        assert watched.last.config.tunnels == (spec._replace(line=2),)
        assert watched.last.plan is None
        lab.home.write_config(as_yaml(spec))
        wait_until(lambda: watched.last.broken is None)

    def test_a_file_that_is_emptied_and_then_broken_loses_nothing(
        self, lab: Lab, watch: Callable[[], Watched]
    ) -> None:
        spec = inward(lab.echo.port, free_port())
        lab.home.write_config(as_yaml(spec))
        watched = watch()
        lab.home.write_config("")
        time.sleep(EMPTY_QUIET / 2)  # an editor on a slow disk
        lab.home.write_config("tunnels: [\n")
        wait_until(lambda: watched.last.broken)
        assert watched.last.config.tunnels == (spec._replace(line=2),)

    def test_a_file_that_stays_empty_has_no_tunnels(
        self, lab: Lab, watch: Callable[[], Watched]
    ) -> None:
        lab.home.write_config(as_yaml(inward(lab.echo.port, free_port())))
        watched = watch()
        lab.home.write_config("")
        wait_until(lambda: not watched.last.config.tunnels, EMPTY_QUIET + 10)
        assert watched.last.broken is None

    def test_a_file_that_is_broken_from_the_start(
        self, lab: Lab, watch: Callable[[], Watched]
    ) -> None:
        lab.home.write_config("- nonsense")
        watched = watch()
        assert watched.last.broken
        assert watched.last.statuses == ()
        assert watched.last.plan is None
        lab.home.write_config(as_yaml(inward(1, 2)))
        wait_until(lambda: len(watched.last.statuses) == 1)

    def test_no_file_at_all(self, lab: Lab, watch: Callable[[], Watched]) -> None:
        watched = watch()
        assert watched.last.broken
        spec = inward(1, 2)
        lab.home.write_config(as_yaml(spec))
        wait_until(lambda: [s.spec.hash for s in watched.last.statuses] == [spec.hash])

    def test_a_change_offers_a_plan_until_it_is_applied(
        self, lab: Lab, watch: Callable[[], Watched]
    ) -> None:
        one, two = (inward(lab.echo.port, free_port(), name=name) for name in ("one", "two"))
        lab.home.write_config(as_yaml(one))
        watched = watch()
        assert watched.last.plan is None, "stopped on purpose is no reason to offer a start"
        start_tunnel(lab.home.settings, one, wait=10)
        watched.wait_for(State.RUNNING)
        # As editors do: a new file in place of the old one.
        fresh = lab.home.path / "config.new"
        fresh.write_text(as_yaml(two))
        fresh.rename(lab.home.config_file)
        plan = wait_until(lambda: watched.last.plan)
        assert plan.summary() == "start 1, stop 1"
        stop_tunnel(lab.home.settings, one.hash)
        start_tunnel(lab.home.settings, two, wait=10)
        wait_until(lambda: watched.last.plan is None)


@pytest.mark.alone
def test_a_quiet_machine_costs_next_to_nothing(lab: Lab, watch: Callable[[], Watched]) -> None:
    specs = [inward(1000 + n, free_port(), name=f"t{n}") for n in range(50)]
    lab.home.write_config(as_yaml(*specs))
    watched = watch()
    wait_until(lambda: time.monotonic() - watched.snapshots[-1][0] > 0.3, 5)
    before, said = time.process_time(), len(watched.snapshots)
    threading.Event().wait(3.0)  # the measurement itself takes time
    assert time.process_time() - before < 0.15
    assert len(watched.snapshots) == said


def test_a_flood_in_a_log_is_coalesced(lab: Lab, watch: Callable[[], Watched]) -> None:
    spec = inward(lab.echo.port, free_port())
    lab.home.write_config(as_yaml(spec))
    watched = watch()
    start_tunnel(lab.home.settings, spec, wait=10)
    watched.wait_for(State.RUNNING)
    looks = watched.monitor._looks
    with open(lab.home.settings.log_file(spec.hash), "a") as log:
        end = time.monotonic() + 1.0
        while time.monotonic() < end:
            log.write("noise\n" * 100)
            log.flush()
    assert watched.monitor._looks - looks <= 20
    assert watched.status().state is State.RUNNING


def test_trouble_is_told_and_the_monitor_lives_on(
    lab: Lab, watch: Callable[[], Watched], monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = inward(lab.echo.port, free_port())
    lab.home.write_config(as_yaml(spec))
    watched = watch()

    def broken(self: Observer, *arguments: object, **options: object) -> list[TunnelStatus]:
        raise RuntimeError("out of order")

    with monkeypatch.context() as patch:
        patch.setattr(Observer, "observe", broken)
        watched.monitor.poke()
        wait_until(lambda: "out of order" in watched.last.trouble)
        assert len(watched.last.statuses) == 1
    wait_until(lambda: watched.last.trouble == "", what="recovery")


def test_a_listener_that_raises_does_not_end_the_monitor(lab: Lab) -> None:
    lab.home.write_config(as_yaml(inward(1, 2)))
    calls = []

    def take(snapshot: Snapshot) -> None:
        calls.append(snapshot)
        if len(calls) < 3:
            raise ValueError("not now")

    monitor = Monitor(lab.home.settings, take)
    monitor.start()
    wait_until(lambda: len(calls) >= 3, 15)
    monitor.stop()


def test_a_state_file_that_is_refused_is_trouble(lab: Lab, watch: Callable[[], Watched]) -> None:
    lab.home.write_config(as_yaml(inward(1, 2)))
    (lab.home.path / "target").write_text("")
    lab.home.state_file.symlink_to(lab.home.path / "target")
    watched = watch()
    assert "symbolic link" in watched.last.trouble or "symlink" in watched.last.trouble


def test_stopping_the_monitor_touches_no_tunnel(lab: Lab, watch: Callable[[], Watched]) -> None:
    port = free_port()
    spec = inward(lab.echo.port, port)
    lab.home.write_config(as_yaml(spec))
    watched = watch()
    pid = start_tunnel(lab.home.settings, spec, wait=10).pid
    assert pid
    watched.monitor.stop()
    assert processes.alive(pid)
    assert passes(port)
    assert not any(thread.name == "monitor" for thread in threading.enumerate())
