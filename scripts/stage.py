"""What the pictures and the recording share: the real app, flown by a pilot on the real demo.

Import it before anything of Textual: it sets what a picture would otherwise take from the machine.
"""

import html
import os
import re
import socket
import time
from collections.abc import Callable

# The same picture wherever it is taken.
os.environ.update(COLORTERM="truecolor", TERM="xterm-256color", LANG="C.UTF-8", TZ="UTC")
for variable in ("NO_COLOR", "TUNNEL_TUI_ASCII", "LC_ALL", "LC_CTYPE", "TEXTUAL_COLOR_SYSTEM"):
    os.environ.pop(variable, None)
time.tzset()
socket.gethostname = lambda: "laptop"

from textual.pilot import Pilot  # noqa: E402  (reads the environment when imported)

from tunnel_tui.demo.cast import TUNNELS  # noqa: E402
from tunnel_tui.demo.codes import code_at  # noqa: E402
from tunnel_tui.demo.main import Stage  # noqa: E402
from tunnel_tui.model import State  # noqa: E402
from tunnel_tui.tui.shell.app import TunnelApp  # noqa: E402
from tunnel_tui.tui.shell.main_screen import MainScreen  # noqa: E402
from tunnel_tui.tui.table.table import TunnelTable  # noqa: E402

ROOT = "/tmp/tunnel-tui-demo"
DEADLINE = 60.0
"""Seconds until the demo must look the way the picture needs it."""
UP_SECONDS = 9.0
"""How long the tunnels have been up in the picture: figures need a few seconds to be there."""

FONTS = re.compile(r"\s*@font-face \{.*?\}", re.DOTALL)
"""What an exported picture would load from the network; a viewer's own font does."""
CELL = 12.2
"""Width of a character in an exported picture."""
WORDS = re.compile(r'x="([\d.]+)"( y="[\d.]+") textLength="[\d.]+"([^>]*)>([^<]*)</text>')

AppPilot = Pilot[int]


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


def export(app: TunnelApp, title: str = "tunnel-tui") -> str:
    """Write what is on the screen as an SVG that loads nothing."""
    text = FONTS.sub("", app.export_screenshot(title=title, simplify=True))
    text = WORDS.sub(_place, text.replace("&#160;", "\xa0"))
    lines = text.replace("Fira Code, monospace", "monospace").splitlines()
    return "\n".join(line.rstrip(" ") for line in lines) + "\n"


def _place(match: re.Match[str]) -> str:
    """Begin a text where its first word is: not every viewer draws the spaces before it."""
    x, y, more, text = match.groups()
    words = text.strip("\xa0")
    left = float(x) + CELL * (len(text) - len(text.lstrip("\xa0")))
    width = CELL * len(html.unescape(words))
    return f'x="{left:g}"{y} textLength="{width:g}"{more}>{words}</text>'
