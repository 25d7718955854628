"""When what is started again: decided by statuses and a clock alone."""

from collections.abc import Sequence
from itertools import pairwise

import pytest

from tests.support.tunnels import make_spec
from tunnel_tui.model import Reason, ReasonCode, State, TunnelSpec, TunnelStatus
from tunnel_tui.supervise.watch.retry import (
    AWAY_CAP,
    CAP,
    STOOD,
    UNKNOWN_TRIES,
    Attempt,
    RetryPolicy,
)

PERSON = (
    ReasonCode.PERMISSION_DENIED,
    ReasonCode.TOO_MANY_FAILURES,
    ReasonCode.KEY_FILE,
    ReasonCode.HOST_KEY_CHANGED,
    ReasonCode.HOST_KEY_UNKNOWN,
    ReasonCode.FORWARDING_REFUSED,
    ReasonCode.BAD_CONFIGURATION,
    ReasonCode.LOGIN_LOST,
    ReasonCode.FROZEN,  # no watcher can thaw it
)


class World:
    """A reviver, a clock, and tunnels whose attempts fail or succeed as the test says."""

    def __init__(self, chance: float = 1.0) -> None:
        self.now = 1000.0
        self.is_started = True  # by us, and nobody has stopped it
        self.reviver = RetryPolicy(lambda: self.now, lambda: chance, lambda _: self.is_started)
        self.statuses: dict[str, TunnelStatus] = {}
        self.pid = 100

    def put(
        self, spec: TunnelSpec, state: State, code: ReasonCode | None = None, **values: object
    ) -> None:
        self.pid += 1
        reason = Reason(code, str(code)) if code else None
        status = TunnelStatus(spec, state, reason=reason, pid=self.pid)
        self.statuses[spec.hash] = status._replace(**values)  # type: ignore[arg-type]
        self.see()

    def see(self) -> None:
        self.reviver.see(list(self.statuses.values()))

    def run(self, seconds: float, step: float = 0.25) -> list[tuple[float, Attempt]]:
        """Let time pass; every attempt fails as before, at once."""
        began, found = self.now, []
        while self.now < began + seconds:
            self.now += step
            for attempt in self.reviver.take_due():
                found.append((self.now - began, attempt))
                status = self.statuses[attempt.spec.hash]
                self.reviver.settled(attempt.spec.hash)
                self.put(attempt.spec, status.state, status.reason.code if status.reason else None)
        return found


@pytest.fixture
def world() -> World:
    return World()


def pauses(found: Sequence[tuple[float, Attempt]]) -> list[float]:
    times = [0.0, *(moment for moment, _ in found)]
    return [after - before for before, after in pairwise(times)]


SPEC = make_spec(1, 2)


@pytest.mark.parametrize("code", PERSON)
def test_what_needs_a_person_waits(world: World, code: ReasonCode) -> None:
    world.put(SPEC, State.DEAD, code)
    assert world.reviver.waits_for_person(world.statuses[SPEC.hash])
    assert world.reviver.next_due() is None
    world.reviver.kick()
    assert world.run(3600, 10) == []


@pytest.mark.parametrize("code", sorted(set(ReasonCode) - set(PERSON) - {ReasonCode.UNKNOWN}))
def test_the_rest_is_tried_for_ever_with_growing_pauses(world: World, code: ReasonCode) -> None:
    world.put(SPEC, State.DEAD, code)
    found = pauses(world.run(1800))
    assert found[:3] == [1.0, 2.0, 4.0]
    longest = max(found)
    assert longest in (AWAY_CAP, CAP)
    assert found[-1] == longest
    assert not world.reviver.waits_for_person(world.statuses[SPEC.hash])


def test_jitter_only_shortens() -> None:
    world = World(chance=0.0)
    world.put(SPEC, State.DEAD, ReasonCode.REFUSED)
    found = pauses(world.run(100))
    assert found[0] == 0.75
    assert max(found) <= 0.75 * AWAY_CAP + 0.25


def test_what_nobody_understands_is_tried_a_few_times(world: World) -> None:
    world.put(SPEC, State.DEAD, ReasonCode.UNKNOWN)
    assert len(world.run(3600, 1)) == UNKNOWN_TRIES
    assert world.reviver.waits_for_person(world.statuses[SPEC.hash])
    world.reviver.forget([SPEC.hash])  # a person asks
    world.see()
    assert not world.reviver.waits_for_person(world.statuses[SPEC.hash])


def test_after_it_has_stood_a_while_it_begins_anew(world: World) -> None:
    world.put(SPEC, State.DEAD, ReasonCode.KILLED)
    world.run(100)
    for stood, first in ((STOOD / 2, CAP), (STOOD + 1, 1.0)):
        world.put(SPEC, State.RUNNING)
        world.now += stood
        world.see()
        world.put(SPEC, State.DEAD, ReasonCode.KILLED)
        assert pauses(world.run(CAP + 1))[0] == first


def test_of_those_that_lead_to_one_server_one_tries(world: World) -> None:
    specs = [make_spec(1, n, name=f"t{n}") for n in range(1, 101)]
    for spec in specs:
        world.put(spec, State.DEAD, ReasonCode.REFUSED)
    found = world.run(60)
    assert len(found) <= 60 / AWAY_CAP + 4
    assert len({attempt.spec.hash for _, attempt in found}) == len(found), "they take turns"
    world.put(specs[7], State.RUNNING)
    now = world.reviver.take_due()
    assert {attempt.spec.hash for attempt in now} == {s.hash for s in specs} - {specs[7].hash}


def test_a_server_that_refuses_one_login_is_there_for_the_others(world: World) -> None:
    first, second = make_spec(1, 2, name="a"), make_spec(1, 3, name="b")
    world.put(first, State.DEAD, ReasonCode.TIMED_OUT)
    world.put(second, State.DEAD, ReasonCode.TIMED_OUT)
    world.run(120)
    world.put(first, State.DEAD, ReasonCode.PERMISSION_DENIED)
    assert [attempt.spec for attempt in world.reviver.take_due()] == [second]


def test_one_server_does_not_wait_for_another(world: World) -> None:
    world.put(make_spec(1, 2, host="a"), State.DEAD, ReasonCode.REFUSED)
    world.run(60)
    world.put(make_spec(1, 3, host="b"), State.DEAD, ReasonCode.REFUSED)
    found = [moment for moment, attempt in world.run(3) if attempt.spec.remote_host == "b"]
    assert found[:1] == [1.0]


def test_very_many_servers_that_are_away_are_not_all_tried_all_the_time(world: World) -> None:
    for number in range(300):
        spec = make_spec(1, number + 1, host=f"h{number}")
        world.put(spec, State.DEAD, ReasonCode.UNREACHABLE)
    world.run(120, 1)
    assert len(world.run(60, 1)) <= 60 * 5 * 1.4


def test_while_one_is_on_its_way_the_others_wait(world: World) -> None:
    first, second = make_spec(1, 2, name="a"), make_spec(1, 3, name="b")
    world.put(first, State.STARTING, ssh_pid=7)
    world.put(second, State.DEAD, ReasonCode.TIMED_OUT)
    assert world.run(9) == []
    world.put(first, State.DEAD, ReasonCode.TIMED_OUT)
    assert len(world.run(2)) == 1


def test_one_that_connects_for_ever_does_not_hold_up_the_others(world: World) -> None:
    first, second = make_spec(1, 2, name="a"), make_spec(1, 3, name="b")
    world.put(first, State.STARTING, ssh_pid=7)
    world.put(second, State.DEAD, ReasonCode.TIMED_OUT)
    found = []
    for _ in range(60):
        world.now += 1
        world.see()
        found += world.reviver.take_due()
    assert found


def test_a_sleeping_autossh_is_left_alone_at_first(world: World) -> None:
    """In its first half minute it tries by itself every few seconds."""
    sleeping = {"ssh_pid": None, "detail": "waiting (attempt 3 next)"}
    world.put(SPEC, State.STARTING, ReasonCode.REFUSED, **sleeping)
    pid = world.statuses[SPEC.hash].pid
    for _ in range(5):
        world.now += 1
        assert world.reviver.take_due() == []
    world.now += AWAY_CAP
    assert [attempt.waiting for attempt in world.reviver.take_due()] == [pid]


def test_when_the_network_is_back_all_that_failed_are_tried(world: World) -> None:
    specs = [make_spec(1, n, name=f"t{n}", host=f"h{n}") for n in range(1, 21)]
    for spec in specs:
        world.put(spec, State.DEAD, ReasonCode.UNREACHABLE)
    world.put(make_spec(1, 99), State.DEAD, ReasonCode.HOST_KEY_CHANGED)
    world.run(100)
    assert world.reviver.kick() == 20
    assert len(world.reviver.take_due()) == 20


def test_interactive_and_foreign_tunnels_are_not_ours_to_start(world: World) -> None:
    world.put(make_spec(1, 2, interactive=True), State.DEAD, ReasonCode.KILLED)
    world.put(make_spec(1, 3), State.DEAD, ReasonCode.KILLED, configured=False)
    assert world.run(300, 1) == []


def test_what_somebody_stopped_is_not_started(world: World) -> None:
    world.put(SPEC, State.DEAD, ReasonCode.REFUSED)
    world.run(10)
    world.put(SPEC, State.STOPPED)
    assert world.run(300, 1) == []


def test_a_line_that_anybody_may_have_written_starts_nothing(world: World) -> None:
    """Of a tunnel that was stopped on purpose, or never started."""
    world.is_started = False
    world.put(SPEC, State.DEAD, ReasonCode.KILLED)
    assert world.run(300) == []
    world.is_started = True
    world.put(SPEC, State.RUNNING, pid=77)
    world.is_started = False  # a stop, and at once a line with the pid that it had
    world.put(SPEC, State.DEAD, ReasonCode.KILLED, pid=77)
    assert world.run(300) == []


def test_what_the_scripts_started_is_revived_where_it_was_seen_to_live(world: World) -> None:
    world.is_started = False
    world.put(SPEC, State.RUNNING, pid=77)
    world.put(SPEC, State.DEAD, ReasonCode.KILLED, pid=78)
    assert world.run(300) == []
    world.put(SPEC, State.DEAD, ReasonCode.KILLED, pid=77)
    assert len(world.run(3)) == 1
    world.put(SPEC, State.STOPPED)
    world.put(SPEC, State.DEAD, ReasonCode.KILLED, pid=77)
    assert world.run(300) == []


def test_a_revival_wants_the_entry_to_be_there_still(world: World) -> None:
    world.put(SPEC, State.DEAD, ReasonCode.REFUSED)
    assert world.run(1.5)[0][1].registered


def test_a_start_that_did_not_come_to_a_process_is_tried_again(world: World) -> None:
    world.put(SPEC, State.STOPPED)
    world.reviver.failed(SPEC)
    for wait in (1.0, 2.0, 4.0):
        world.now += wait - 0.1
        assert world.reviver.take_due() == []
        world.now += 0.1
        attempts = world.reviver.take_due()
        assert [(a.spec, a.registered, a.waiting) for a in attempts] == [(SPEC, False, 0)]
        assert world.reviver.take_due() == [], "it is on its way"
        world.reviver.failed(SPEC)
        world.see()
    world.put(SPEC, State.STARTING, ssh_pid=5)
    world.put(SPEC, State.STOPPED)
    assert world.run(100) == [], "it ran; then somebody stopped it"


def test_what_left_the_file_is_forgotten(world: World) -> None:
    world.put(SPEC, State.STOPPED)
    world.reviver.failed(SPEC)
    world.statuses.clear()
    world.see()
    assert world.reviver.next_due() is None
    assert world.run(100) == []


def test_when_the_network_is_back_one_goes_ahead_to_each_server(world: World) -> None:
    specs = [make_spec(1, n, name=f"t{n}") for n in range(1, 51)]
    for spec in specs:
        world.put(spec, State.DEAD, ReasonCode.UNREACHABLE)
    sleeper = make_spec(1, 99, host="else")
    world.put(sleeper, State.STARTING, ReasonCode.UNREACHABLE, ssh_pid=None, detail="waiting")
    world.run(100)
    world.put(sleeper, State.STARTING, ReasonCode.UNREACHABLE, ssh_pid=None, detail="waiting")
    world.reviver.kick()
    now = world.reviver.take_due()
    assert [a.spec.remote_host for a in now] == ["server", "else"]
    world.put(now[0].spec, State.RUNNING)
    assert len(world.reviver.take_due()) == 49
