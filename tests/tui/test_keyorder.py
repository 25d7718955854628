"""Keys that arrive together do what they would have done one by one."""

import pytest
from textual import events
from textual.widgets import Input

from tests.tui.fake import FakeEngine, showcase
from tests.tui.support import line_with, main_of, opened, until
from tunnel_tui.tui.config.tunnel_form import TunnelForm
from tunnel_tui.tui.shell.app import TunnelApp

NAMES = {"/": "slash", "\r": "enter", "\t": "tab"}


@pytest.fixture
def engine() -> FakeEngine:
    return FakeEngine(showcase(1_800_000_000.0))


def burst(app: TunnelApp, text: str) -> None:
    """Hand over keys as one read from the terminal does."""
    for letter in text:
        app.post_message(events.Key(NAMES.get(letter, letter), letter))


async def test_what_follows_the_slash_is_no_command(engine: FakeEngine) -> None:
    async with opened(engine) as (app, pilot):
        burst(app, "/xsnc")
        await until(pilot, lambda: line_with(app, " / xsnc"))
        assert engine.calls == []
        assert app.screen is main_of(app)


async def test_what_follows_enter_is_a_command_again(engine: FakeEngine) -> None:
    async with opened(engine) as (app, pilot):
        burst(app, "/grafana\rx")
        await until(pilot, lambda: engine.calls or app.screen is not main_of(app))
        assert main_of(app).filter_bar.text == "grafana"


async def test_a_form_gets_what_was_typed_before_it_stood(engine: FakeEngine) -> None:
    async with opened(engine) as (app, pilot):
        burst(app, "nweb\tme@there")
        await until(pilot, lambda: isinstance(app.screen, TunnelForm))
        await until(pilot, lambda: values(app)[:2] == ["web", "me@there"])


def values(app: TunnelApp) -> list[str]:
    """Read the fields of the form."""
    return [field.value for field in app.screen.query(Input)]


async def test_a_place_that_vanishes_holds_up_nothing(engine: FakeEngine) -> None:
    async with opened(engine) as (app, pilot):
        await pilot.press("slash")
        field = main_of(app).filter_bar.query_one(Input)
        burst(app, "ab")
        await field.remove()
        burst(app, "t")
        await until(pilot, lambda: line_with(app, "1 of 2 up", "bastion.lab"))
