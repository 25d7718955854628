"""Take the README's pictures: the real app on the real demo, written as SVG.

Usage: python scripts/screenshots.py [DIRECTORY]
"""

import asyncio
import os
import socket
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

# The same picture wherever it is taken.
os.environ.update(COLORTERM="truecolor", TERM="xterm-256color", LANG="C.UTF-8", TZ="UTC")
for variable in ("NO_COLOR", "TUNNEL_TUI_ASCII", "LC_ALL", "LC_CTYPE", "TEXTUAL_COLOR_SYSTEM"):
    os.environ.pop(variable, None)
time.tzset()
socket.gethostname = lambda: "laptop"

from textual.pilot import Pilot  # noqa: E402  (reads the environment when imported)

from tunnel_tui.demo.cast import TUNNELS  # noqa: E402
from tunnel_tui.demo.codes import PASSWORD, code_at, hint  # noqa: E402
from tunnel_tui.demo.main import Demo, Stage, hint_of  # noqa: E402
from tunnel_tui.model import State  # noqa: E402
from tunnel_tui.tui.app import TunnelApp  # noqa: E402
from tunnel_tui.tui.live import LiveEngine  # noqa: E402
from tunnel_tui.tui.screens.main import MainScreen  # noqa: E402
from tunnel_tui.tui.screens.offer import Offer  # noqa: E402
from tunnel_tui.tui.widgets.table import TunnelTable  # noqa: E402

ROOT = "/tmp/tunnel-tui-demo"
WIDE, NARROW = (140, 40), (80, 24)
DEADLINE = 60.0
"""Seconds until the demo must look the way the picture needs it."""
UP_SECONDS = 9.0
"""How long the tunnels have been up in the picture: figures need a few seconds to be there."""

AppPilot = Pilot[int | None]


async def wait_for(pilot: AppPilot, condition: Callable[[], bool], what: str) -> None:
    """Let the app go on until a condition holds."""
    deadline = time.monotonic() + DEADLINE
    while not condition():
        if not pilot.app.is_running or time.monotonic() > deadline:
            raise RuntimeError(f"not within {DEADLINE:.0f} s: {what}")
        await pilot.pause(0.1)


def app_of(pilot: AppPilot) -> TunnelApp:
    """The app that a pilot flies."""
    assert isinstance(pilot.app, TunnelApp)
    return pilot.app


async def settle(pilot: AppPilot) -> None:
    """Wait until every tunnel is what its host makes of it, and has figures."""

    def settled() -> bool:
        snapshot = app_of(pilot).context.snapshot
        if snapshot is None or len(snapshot.statuses) != len(TUNNELS):
            return False
        states = [status.state for status in snapshot.statuses]
        up = [status for status in snapshot.statuses if status.state is State.RUNNING]
        return (
            State.STARTING not in states
            and states.count(State.DEAD) >= 3
            and all(s.traffic and s.since and time.time() - s.since > UP_SECONDS for s in up)
        )

    await wait_for(pilot, settled, "every tunnel settled")


async def select(pilot: AppPilot, name: str) -> None:
    """Put the cursor on a tunnel and wait for its log."""
    app = app_of(pilot)
    names = [row.status.spec.name for row in app.context.rows.visible()]
    app.screen.query_one(TunnelTable).move_to(names.index(name))
    await pilot.pause(0.6)


async def take(pilot: AppPilot, directory: Path, name: str) -> None:
    """Write one picture."""
    await pilot.pause()
    text = pilot.app.export_screenshot(title="tunnel-tui")
    (directory / f"{name}.svg").write_text("\n".join(map(str.rstrip, text.splitlines())) + "\n")
    sys.stdout.write(f"{directory / name}.svg\n")


def drops(pilot: AppPilot) -> Callable[[], bool]:
    """Say whether the flaky host has just dropped its connection."""

    def dropped() -> bool:
        snapshot = app_of(pilot).context.snapshot
        return snapshot is not None and any(
            status.state is State.STARTING and status.reason for status in snapshot.statuses
        )

    return dropped


def shows(pilot: AppPilot, text: str) -> Callable[[], bool]:
    """Say whether a text stands on the terminal of the login pane."""

    def shown() -> bool:
        session = main_of(pilot).login_pane.session
        return session is not None and text in "\n".join(session.screen.display)

    return shown


def main_of(pilot: AppPilot) -> MainScreen:
    """The main screen, even while a dialog stands above it."""
    screen = app_of(pilot).screen_stack[0]
    assert isinstance(screen, MainScreen)
    return screen


async def answer(pilot: AppPilot, prompt: str, word: str, times: int = 1) -> None:
    """Type a word at a prompt of the bastion."""

    def asked() -> bool:
        session = main_of(pilot).login_pane.session
        text = "\n".join(session.screen.display) if session else ""
        return bool(session and session.asks_unseen and text.count(prompt) >= times)

    await wait_for(pilot, asked, prompt)
    await pilot.press(*word, "enter")


def code_of(stage: Stage) -> str:
    """The code that the bastion takes now."""
    return code_at(stage.secret, time.time())


async def take_logins(pilot: AppPilot, directory: Path, stage: Stage, size: str) -> None:
    """Fail to log in, log in, stop what came up."""
    await wait_for(pilot, lambda: app_of(pilot).context.snapshot is not None, "the tunnels")
    await select(pilot, "hpc-login")
    await pilot.press("a")
    for turn in range(1, 4):
        await answer(pilot, "Password:", "open barley", turn)
    failed = lambda: (s := main_of(pilot).login_pane.session) is not None and not s.alive  # noqa: E731
    await wait_for(pilot, failed, "the refusal")
    await pilot.pause(0.5)
    await take(pilot, directory, f"login-failure-{size}")
    await pilot.press("enter")
    await answer(pilot, "Password:", PASSWORD)
    await wait_for(pilot, shows(pilot, "Verification code:"), "the second question")
    await pilot.pause(0.5)
    await take(pilot, directory, f"login-prompt-{size}")
    await answer(pilot, "Verification code:", code_of(stage))
    await wait_for(pilot, lambda: isinstance(pilot.app.screen, Offer), "the offer")
    await pilot.pause(0.7)
    await take(pilot, directory, f"login-success-{size}")
    await pilot.press("n", "x")
    await pilot.pause(1.0)


async def take_all(directory: Path) -> None:
    """Open the demo once and the app at each size."""
    with Demo("--root", ROOT, "--absence", "9") as stage:
        for size, name in ((NARROW, "narrow"), (WIDE, "wide")):
            login_hint = partial(hint, stage.secret)
            app = TunnelApp(LiveEngine(stage.settings), hint_of(stage), login_hint=login_hint)
            async with app.run_test(size=size, notifications=True) as pilot:
                await take_logins(pilot, directory, stage, name)
        app = TunnelApp(LiveEngine(stage.settings), hint_of(stage))
        async with app.run_test(size=WIDE) as pilot:
            await settle(pilot)
            await select(pilot, "db-replica")
            await take(pilot, directory, "dead-tunnel")
            await pilot.press("question_mark")
            await pilot.pause(0.5)
            await take(pilot, directory, "help")
            await pilot.press("escape")
            await select(pilot, "git-mirror")
            await wait_for(pilot, drops(pilot), "the flaky host drops")
            await pilot.pause(1.5)
            await take(pilot, directory, "dashboard-wide")
        app = TunnelApp(LiveEngine(stage.settings), hint_of(stage))
        async with app.run_test(size=NARROW) as pilot:
            await settle(pilot)
            await select(pilot, "share-blog")
            await take(pilot, directory, "dashboard-narrow")


def main() -> int:
    """Take all pictures."""
    directory = Path(sys.argv[1] if len(sys.argv) > 1 else "screenshots")
    directory.mkdir(exist_ok=True)
    asyncio.run(take_all(directory))
    return 0


if __name__ == "__main__":
    sys.exit(main())
