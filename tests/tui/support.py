"""What the tests of the app share: opening it on a fake engine, reading its screen."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from textual.pilot import Pilot

from tests.tui.fake import FakeEngine
from tunnel_tui.tui.shell.app import TunnelApp
from tunnel_tui.tui.shell.main_screen import MainScreen

ENVIRONMENT = {"TERM": "xterm-256color", "LANG": "C.UTF-8"}


@asynccontextmanager
async def opened(
    engine: FakeEngine,
    size: tuple[int, int] = (140, 40),
    environment: dict[str, str] | None = None,
    demo_hint: str = "",
) -> AsyncIterator[tuple[TunnelApp, Pilot[int]]]:
    app = TunnelApp(engine, demo_hint, ENVIRONMENT if environment is None else environment)
    async with app.run_test(size=size, notifications=True) as pilot:
        await pilot.pause()
        yield app, pilot


def text_of(app: TunnelApp) -> list[str]:
    """The screen, line by line, as a terminal would show it."""
    width, height = app.size
    rendered = app.screen._compositor.render_strips(app.size)
    return [strip.text[:width] for strip in rendered[:height]]


def main_of(app: TunnelApp) -> MainScreen:
    screen = app.screen_stack[0]
    assert isinstance(screen, MainScreen)
    return screen


def line_with(app: TunnelApp, *words: str) -> str:
    """The first line of the screen that has all the words; "" where there is none."""
    return next((line for line in text_of(app) if all(word in line for word in words)), "")


def notes(app: TunnelApp) -> list[str]:
    return [f"{note.title}\n{note.message}" for note in app._notifications]


async def until(
    pilot: Pilot[int], condition: Callable[[], object], what: str = "", timeout: float = 5.0
) -> None:
    """Wait for a condition; a deadline instead of a fixed sleep."""
    end = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < end, f"waited in vain: {what}\n" + "\n".join(text_of(pilot.app))
        await asyncio.sleep(0.01)
        await pilot.pause()
