"""Take the README's pictures: the real app on the real demo, written as SVG.

Usage: python scripts/screenshots.py [DIRECTORY [logins|views|small ...]]
"""

import asyncio
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from stage import (
    ROOT,
    AppPilot,
    answer,
    app_of,
    code_of,
    export,
    main_of,
    select,
    settle,
    shows,
    wait_for,
)

from tunnel_tui.demo.codes import PASSWORD, hint
from tunnel_tui.demo.main import Demo, Stage, hint_of
from tunnel_tui.model import State
from tunnel_tui.tui.config.plan import PlanScreen
from tunnel_tui.tui.config.tunnel_form import TunnelForm
from tunnel_tui.tui.engine.live_engine import LiveEngine
from tunnel_tui.tui.login.offer_siblings import OfferSiblings
from tunnel_tui.tui.shell.app import TunnelApp

WIDE, NARROW = (140, 40), (80, 24)
NEW_TUNNEL = ("registry", "edge-3", "registry:5000", "5000")
"""What is typed into the form: name, host, the end there, the end here."""


async def take(pilot: AppPilot, directory: Path, name: str) -> None:
    """Write one picture."""
    await pilot.pause()
    (directory / f"{name}.svg").write_text(export(app_of(pilot)))
    sys.stdout.write(f"{directory / name}.svg\n")
    sys.stdout.flush()


def drops(pilot: AppPilot) -> Callable[[], bool]:
    """Say whether the flaky host has just dropped its connection."""

    def dropped() -> bool:
        snapshot = app_of(pilot).context.snapshot
        return snapshot is not None and any(
            status.state is State.STARTING and status.reason for status in snapshot.statuses
        )

    return dropped


async def log_in(pilot: AppPilot, directory: Path, stage: Stage, size: str) -> None:
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
    await wait_for(pilot, lambda: isinstance(pilot.app.screen, OfferSiblings), "the offer")
    await pilot.pause(0.7)
    await take(pilot, directory, f"login-success-{size}")
    await pilot.press("n", "x")
    await pilot.pause(1.0)


async def take_logins(directory: Path, stage: Stage) -> None:
    """A login that fails and one that does not, at each size."""
    for size, name in ((NARROW, "narrow"), (WIDE, "wide")):
        login_hint = partial(hint, stage.secret)
        app = TunnelApp(LiveEngine(stage.settings), hint_of(stage), login_hint=login_hint)
        async with app.run_test(size=size, notifications=True) as pilot:
            await log_in(pilot, directory, stage, name)


async def take_form(pilot: AppPilot, directory: Path) -> None:
    """Fill in the form for a new tunnel, and leave it unsaved."""
    await pilot.press("n")
    await wait_for(pilot, lambda: isinstance(pilot.app.screen, TunnelForm), "the form")
    for key, text in zip(
        ("name", "remote_host", "remote_port", "local_port"), NEW_TUNNEL, strict=True
    ):
        pilot.app.screen.query_one(f"#field-{key}").focus()
        await pilot.press(*text)
    await pilot.pause(0.5)
    await take(pilot, directory, "form")
    await pilot.press("escape")
    await pilot.pause(0.5)
    await pilot.press("y")
    await wait_for(pilot, lambda: len(pilot.app.screen_stack) == 1, "the form closed")


async def take_plan(pilot: AppPilot, directory: Path, stage: Stage) -> None:
    """Change the demo's configuration behind the app's back, and put it back."""
    path = Path(stage.settings.config_file)
    before = path.read_text()
    name, host, there, here = NEW_TUNNEL
    blocks = [block for block in before.split("\n\n") if "name: metrics" not in block]
    after = "\n\n".join(blocks).replace(":33000", ":33001").rstrip()
    after += f"\n\n  - name: {name}\n    remote_host: {host}\n"
    path.write_text(after + f'    remote_port: "{there}"\n    local_port: "{here}"\n')

    def planned() -> bool:
        snapshot = app_of(pilot).context.snapshot
        return snapshot is not None and bool(snapshot.plan and snapshot.plan.start)

    await wait_for(pilot, planned, "the plan")
    await pilot.press("p")
    await wait_for(pilot, lambda: isinstance(pilot.app.screen, PlanScreen), "the plan screen")
    await pilot.pause(0.5)
    await take(pilot, directory, "plan")
    await pilot.press("escape")
    path.write_text(before)
    await pilot.pause(1.0)


async def take_views(directory: Path, stage: Stage) -> None:
    """The dashboard, and what a key makes of it."""
    app = TunnelApp(LiveEngine(stage.settings), hint_of(stage))
    async with app.run_test(size=WIDE) as pilot:
        await settle(pilot)
        await select(pilot, "db-replica")
        await take(pilot, directory, "dead-tunnel")
        await pilot.press("d")
        await pilot.pause(1.0)
        await take(pilot, directory, "details")
        await pilot.press("d", "question_mark")
        await pilot.pause(0.5)
        await take(pilot, directory, "help")
        await pilot.press("escape", "slash", *"state:dead,starting")
        await pilot.pause(0.7)
        await take(pilot, directory, "filter")
        await pilot.press("escape", "escape", "t")
        await pilot.pause(0.7)
        await take(pilot, directory, "tree")
        await pilot.press("t")
        await take_form(pilot, directory)
        await take_plan(pilot, directory, stage)
        await select(pilot, "git-mirror")
        await wait_for(pilot, drops(pilot), "the flaky host drops")
        await pilot.pause(1.5)
        await take(pilot, directory, "dashboard-wide")


async def take_small(directory: Path, stage: Stage) -> None:
    """The dashboard on a small terminal."""
    app = TunnelApp(LiveEngine(stage.settings), hint_of(stage))
    async with app.run_test(size=NARROW) as pilot:
        await settle(pilot)
        await select(pilot, "share-blog")
        await take(pilot, directory, "dashboard-narrow")


SCENES = {"logins": take_logins, "views": take_views, "small": take_small}


async def take_all(directory: Path, scenes: list[str]) -> None:
    """Open the demo once and the app for each scene."""
    with Demo("--root", ROOT, "--absence", "9") as stage:
        for scene in scenes:
            await SCENES[scene](directory, stage)


def main() -> int:
    """Take all pictures, or those of some scenes."""
    directory = Path(sys.argv[1] if len(sys.argv) > 1 else "screenshots")
    directory.mkdir(exist_ok=True)
    began = time.monotonic()
    asyncio.run(take_all(directory, sys.argv[2:] or list(SCENES)))
    sys.stdout.write(f"{time.monotonic() - began:.0f} s\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
