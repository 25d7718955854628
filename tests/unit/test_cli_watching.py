"""How long a command waits for tunnels that somebody else is starting."""

import time
from types import SimpleNamespace
from typing import Any

import pytest

from tunnel_tui.cli import watching
from tunnel_tui.model import Direction, Reason, ReasonCode, State, TunnelSpec, TunnelStatus
from tunnel_tui.observe import observer as observing

SPEC = TunnelSpec("web", "alpha", "80", "8080", Direction.REMOTE_TO_LOCAL, False, "ab" * 16)


class Scripted:
    """Says what it was told to say, look by look; the last look for ever."""

    looks: list[TunnelStatus]

    def __init__(self, settings: object) -> None:
        pass

    def observe(self, specs: object) -> list[TunnelStatus]:
        return [self.looks.pop(0) if len(self.looks) > 1 else self.looks[0]]

    def processes(self) -> list[int]:
        return []


@pytest.fixture
def look(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> Any:
    context: Any = SimpleNamespace(settings=SimpleNamespace(log_dir=str(tmp_path)))

    def look(*looks: TunnelStatus, grace: float) -> tuple[State, float]:
        Scripted.looks = list(looks)
        monkeypatch.setattr(observing, "Observer", Scripted)
        began = time.monotonic()
        (found,) = watching.watch(context, [SPEC], (State.RUNNING,), 0.0, grace)
        return found.state, time.monotonic() - began

    return look


def connecting(age: float, reason: Reason | None = None) -> TunnelStatus:
    since = time.time() - age
    return TunnelStatus(SPEC, State.STARTING, detail="connecting", since=since, reason=reason)


def test_one_that_began_a_moment_ago_has_its_time_when_the_command_has_none_left(look: Any) -> None:
    fresh = connecting(0.1)
    state, _ = look(fresh, fresh, TunnelStatus(SPEC, State.RUNNING), grace=10.0)
    assert state is State.RUNNING


def test_one_that_has_had_its_time_is_not_waited_for(look: Any) -> None:
    state, took = look(connecting(10.1), grace=10.0)
    assert (state, took < 1) == (State.STARTING, True)


def test_its_time_ends(look: Any) -> None:
    state, took = look(connecting(0.0), grace=0.4)
    assert (state, 0.3 < took < 3) == (State.STARTING, True)


def test_one_that_says_why_it_does_not_connect_is_not_waited_for(look: Any) -> None:
    refused = Reason(ReasonCode.REFUSED, "connection refused", "")
    state, took = look(connecting(0.1, refused), grace=10.0)
    assert (state, took < 1) == (State.STARTING, True)


def test_who_asks_for_seconds_gets_these(look: Any) -> None:
    state, took = look(connecting(0.1), grace=0.0)
    assert (state, took < 1) == (State.STARTING, True)
