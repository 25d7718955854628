"""A few pictures of the whole; regenerate with `pytest --snapshot-update tests/tui`."""

import time
from collections.abc import Awaitable, Callable

import pytest

from tests.tui.fake import LOG, FakeEngine, showcase
from tests.tui.support import ENVIRONMENT
from tunnel_tui.tui.app import TunnelApp

NOW = 1_800_000_000.0


@pytest.fixture
def app(monkeypatch: pytest.MonkeyPatch) -> TunnelApp:
    monkeypatch.setattr(time, "time", lambda: NOW)
    monkeypatch.setattr("socket.gethostname", lambda: "web-01")
    engine = FakeEngine(showcase(NOW))
    engine.logs[engine.statuses[2].spec.hash] = LOG
    return TunnelApp(engine, environment=ENVIRONMENT)


async def settle(pilot: object) -> None:
    await pilot.pause(0.4)  # type: ignore[attr-defined]


Compare = Callable[..., bool]
Before = Callable[[object], Awaitable[None]]


def test_wide(app: TunnelApp, snap_compare: Compare) -> None:
    assert snap_compare(app, terminal_size=(140, 40), run_before=settle)


def test_narrow(app: TunnelApp, snap_compare: Compare) -> None:
    assert snap_compare(app, terminal_size=(80, 24), run_before=settle)


def test_help(app: TunnelApp, snap_compare: Compare) -> None:
    assert snap_compare(app, terminal_size=(140, 40), press=["question_mark"], run_before=settle)
