"""An app that stays open for weeks holds what it shows, and nothing of what it has shown."""

import gc
import time

import pytest
from textual._styles_cache import StylesCache
from textual.widget import Widget

from tests.tui.fake import FakeEngine, showcase
from tests.tui.support import opened, until
from tunnel_tui.tui.shell import gc_tuning
from tunnel_tui.tui.shell.app import TunnelApp


@pytest.fixture
def engine() -> FakeEngine:
    return FakeEngine(showcase(time.time()))


def places(app: TunnelApp) -> int:
    """Count what the current screen holds for toasts."""
    return len(app.screen.query("ToastHolder"))


def alive(kind: type) -> int:
    return sum(isinstance(found, kind) for found in gc.get_objects())


async def test_cleared_toasts_leave_no_place_behind(engine: FakeEngine) -> None:
    async with opened(engine) as (app, pilot):
        for number in range(12):
            app.notify(f"toast {number}", timeout=8)
            await until(pilot, lambda: places(app), "a toast")
            app.clear_notifications()
            await pilot.pause()
        app.notify("the last", timeout=8)
        await until(pilot, lambda: places(app) == 1, "one toast, and one place for it")


async def test_a_toast_that_comes_beside_others_stays(engine: FakeEngine) -> None:
    async with opened(engine) as (app, pilot):
        for number in range(5):
            app.notify(f"toast {number}", timeout=8)
        await until(pilot, lambda: len(app.screen.query("Toast")) == 5, "five toasts")
        await pilot.pause(0.3)
        assert len(app.screen.query("Toast")) == places(app) == 5


async def test_dialogs_that_were_closed_are_let_go(
    engine: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gc, "get_freeze_count", lambda: 1)
    async with opened(engine) as (app, pilot):

        async def look_at_help(times: int) -> None:
            for _ in range(times):
                await pilot.press("question_mark")
                await until(pilot, lambda: len(app.screen_stack) == 2, "the help")
                await pilot.press("escape")
                await until(pilot, lambda: len(app.screen_stack) == 1, "the table")
            await pilot.pause()
            gc_tuning.tidy()

        await look_at_help(2)
        widgets, drawn = alive(Widget), alive(StylesCache)
        await look_at_help(6)
        assert alive(Widget) <= widgets + 2
        assert alive(StylesCache) <= drawn + 2


async def test_a_search_before_anything_was_set_aside_is_left_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    searches: list[int] = []
    monkeypatch.setattr(gc, "collect", lambda: searches.append(1))
    monkeypatch.setattr(gc, "get_freeze_count", lambda: 0)
    gc_tuning.tidy()
    assert not searches
    monkeypatch.setattr(gc, "get_freeze_count", lambda: 1)
    gc_tuning.tidy()
    assert searches
