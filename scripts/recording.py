"""Record the app from a script of key presses: one animated SVG of the real app on the real demo.

Usage: python scripts/recording.py [FILE]

Frames share what they have in common: a line of the terminal is written once for all the times at
which it shows. Time is the script's: what takes long is shortened, whatever machine records it.
"""

import asyncio
import re
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NamedTuple

from stage import CELL, ROOT, AppPilot, app_of, code_of, export, select, settle, shows, wait_for

from tunnel_tui.demo.codes import PASSWORD, hint
from tunnel_tui.demo.main import Demo, Stage, hint_of
from tunnel_tui.model import State
from tunnel_tui.tui.engine.live_engine import LiveEngine
from tunnel_tui.tui.login.offer_siblings import OfferSiblings
from tunnel_tui.tui.shell.app import TunnelApp

SIZE = (110, 32)
STEP = 0.2
"""Seconds between frames while something happens by itself."""
KEY, TYPED, READ = 0.45, 0.16, 1.8
"""Seconds that a key, a typed letter and something to read stay."""
STILL = 1.6
"""Longest time (seconds) for which nothing changes, where the script does not ask for it."""
LINE_HEIGHT = 24.4

RULE = re.compile(r"\.terminal-\d+-r(\d+) \{ (.*?) \}")
RECT = re.compile(r'<rect fill="[^"]+" x="[\d.]+" y="([\d.]+)"[^>]*crispEdges"/>')
TEXT = re.compile(
    r'<text class="terminal-\d+-r(\d+)"([^>]*?) clip-path="[^"]*line-(\d+)\)">([^<]*)<'
)
SCREEN = re.compile(r'(<g transform="translate\([\d., ]+\)") clip-path')
WINDOW = re.compile(r'(<rect fill="[^"]+" stroke=.*?</g>)', re.DOTALL)
TITLE = re.compile(r'<text class="[^"]*-title".*?</text>')
CAPTION = -1
"""The line number of the window's title, where the pressed key stands."""


class Frame(NamedTuple):
    """What one moment shows, line by line, and for how long (seconds)."""

    lines: dict[int, str]
    seconds: float


class Recorder:
    """Takes frames of an app and keeps those that differ."""

    def __init__(self, pilot: AppPilot) -> None:
        self.frames: list[Frame] = []
        self.last_export = ""
        self._pilot = pilot
        self._styles: dict[str, int] = {}
        self._caption = ""

    def say(self, caption: str) -> None:
        """Put words into the title of the window."""
        middle = self._pilot.app.size.width * CELL / 2
        self._caption = (
            f'<text class="title" text-anchor="middle" x="{middle:g}" y="27">{caption}</text>'
        )

    @property
    def styles(self) -> dict[str, int]:
        """Every style that occurs, and the number of its class."""
        return self._styles

    def take(self, seconds: float, most: float = 60.0) -> None:
        """Take a frame; one like the last only lengthens it, up to `most` seconds."""
        self.last_export = export(app_of(self._pilot), "")
        lines = self._lines_of(self.last_export)
        lines[CAPTION] = self._caption
        if self.frames and self.frames[-1].lines == lines:
            seconds += self.frames.pop().seconds
            seconds = min(seconds, most)
        self.frames.append(Frame(lines, seconds))

    async def press(self, key: str, caption: str, seconds: float = KEY) -> None:
        """Press a key and show what it does."""
        self.say(caption)
        await self._pilot.press(key)
        await self._pilot.pause(0.1)
        self.take(seconds)

    async def type(self, text: str, caption: str) -> None:
        """Type a text letter by letter."""
        for letter in text:
            await self.press(letter, caption, TYPED)

    async def look(self, seconds: float) -> None:
        """Let the app go on by itself for a while."""
        for _ in range(round(seconds / STEP)):
            await self._pilot.pause(STEP)
            self.take(STEP)

    async def until(self, condition: Callable[[], bool], what: str) -> None:
        """Let the app go on until a condition holds, without long stills."""

        def watched() -> bool:
            self.take(STEP, STILL)
            return condition()

        await wait_for(self._pilot, watched, what)

    def _lines_of(self, svg: str) -> dict[int, str]:
        """Take an exported picture apart: what each line of the terminal consists of."""
        classes = {
            number: self._styles.setdefault(css, len(self._styles))
            for number, css in RULE.findall(svg)
        }
        lines: dict[int, str] = {}
        for rect in RECT.finditer(svg):
            line = round((float(rect[1]) - 1.5) / LINE_HEIGHT)
            lines[line] = lines.get(line, "") + rect[0].replace(' shape-rendering="crispEdges"', "")
        for number, place, line_number, text in TEXT.findall(svg):
            if text:
                line = int(line_number)
                tag = f'<text class="r{classes[number]}"{place}>{text}</text>'
                lines[line] = lines.get(line, "") + tag
        return lines


def animate(recorder: Recorder) -> str:
    """Write all frames as one SVG that shows them one after the other, for ever."""
    frames = recorder.frames
    total = sum(frame.seconds for frame in frames)
    shown: dict[tuple[int, str], list[int]] = {}
    for number, frame in enumerate(frames):
        for line, content in frame.lines.items():
            if content:
                shown.setdefault((line, content), []).append(number)
    starts = [sum(frame.seconds for frame in frames[:n]) / total * 100 for n in range(len(frames))]
    rhythms: dict[tuple[int, ...], int] = {}
    groups: list[str] = []
    titles: list[str] = []
    for (line, content), numbers in shown.items():
        when = tuple(numbers)
        always = len(when) == len(frames)
        rhythm = -1 if always else rhythms.setdefault(when, len(rhythms))
        # Without animation the last frame stands.
        stands = when[-1] == len(frames) - 1
        classes = "" if always else f' class="k k{rhythm}{"" if stands else " h"}"'
        (titles if line == CAPTION else groups).append(f"<g{classes}>{content}</g>")
    rules = [_rule(number, when, starts) for when, number in rhythms.items()]
    return _document(recorder, total, rules, groups, titles)


def _rule(number: int, when: tuple[int, ...], starts: list[float]) -> str:
    """Write when one set of lines shows, as the steps of a CSS animation."""
    steps, on = [], False
    for frame, start in enumerate(starts):
        if (frame in when) != on or frame == 0:
            on = frame in when
            steps.append(f"{start:.3f}%{{visibility:{'visible' if on else 'hidden'}}}")
    return f"@keyframes k{number}{{{''.join(steps)}}}.k{number}{{animation-name:k{number}}}"


def _document(
    recorder: Recorder, total: float, rules: list[str], groups: list[str], titles: list[str]
) -> str:
    """Put lines and styles into the window of an exported picture."""
    picture = recorder.last_export
    head = picture[: picture.index(">") + 1]
    window, screen = WINDOW.search(picture), SCREEN.search(picture)
    assert window is not None
    assert screen is not None
    styles = "".join(f".r{number}{{{css}}}" for css, number in recorder.styles.items())
    return "\n".join(
        [
            head,
            "<title>tunnel-tui at work</title>",
            "<style>",
            "text{font-family:monospace;font-size:20px}rect{shape-rendering:crispEdges}",
            ".title{font:bold 18px sans-serif;fill:#c5c8c6}.h{visibility:hidden}",
            f".k{{animation:{total:.2f}s step-end infinite}}",
            "@media(prefers-reduced-motion:reduce){.k{animation:none!important}}",
            styles,
            *rules,
            "</style>",
            TITLE.sub("", window[1]),
            *titles,
            f"{screen[1]}>",
            *groups,
            "</g>",
            "</svg>",
            "",
        ]
    )


async def play(film: Recorder, pilot: AppPilot, stage: Stage) -> None:
    """Do what the recording shows."""
    film.say("tunnel-tui")
    film.take(READ)
    await film.look(1.0)
    for _ in range(3):
        await film.press("j", "j · next tunnel")
    await film.press("k", "k · the one before", READ)
    await film.press("d", "d · its details", READ)
    await film.look(0.6)
    await film.press("d", "d · back to the log")
    await film.press("slash", "/ · filter")
    await film.type("bastion", "/ · filter")
    await film.look(1.0)
    await film.press("enter", "enter")
    await log_in(film, pilot, stage)
    await film.press("escape", "esc · clear the filter", 0.8)
    await film.press("t", "t · by remote host", READ)
    await film.look(2.0)
    await film.press("t", "t · and back")
    await film.look(1.6)


async def log_in(film: Recorder, pilot: AppPilot, stage: Stage) -> None:
    """Log in at the bastion and bring up what goes through it."""
    await select(pilot, "hpc-login")
    await film.press("a", "a · log in")
    await film.until(shows(pilot, "Password:"), "the first question")
    await film.look(1.2)
    await film.type(PASSWORD, "the password")
    await film.press("enter", "enter")
    await film.until(shows(pilot, "Verification code:"), "the second question")
    await film.look(0.8)
    await film.type(code_of(stage), "the code")
    await film.press("enter", "enter")
    await film.until(lambda: isinstance(pilot.app.screen, OfferSiblings), "the offer")
    await film.look(READ)
    await film.press("y", "y · bring up the others, too")

    def all_up() -> bool:
        snapshot = app_of(pilot).context.snapshot
        return snapshot is not None and all(
            status.state is State.RUNNING
            for status in snapshot.statuses
            if status.spec is not None and status.spec.interactive
        )

    await film.until(all_up, "all tunnels of the bastion up")
    await film.look(2.0)


async def record(path: Path) -> None:
    """Open the demo, let it come up, record."""
    with Demo("--root", ROOT, "--absence", "9") as stage:
        login_hint = partial(hint, stage.secret)
        app = TunnelApp(LiveEngine(stage.settings), hint_of(stage), login_hint=login_hint)
        async with app.run_test(size=SIZE, notifications=True) as pilot:
            await settle(pilot)
            film = Recorder(pilot)
            await play(film, pilot, stage)
            path.write_text(animate(film))
    seconds = sum(frame.seconds for frame in film.frames)
    size = path.stat().st_size // 1024
    sys.stdout.write(f"{path}: {len(film.frames)} frames, {seconds:.0f} s, {size} KiB\n")


def main() -> int:
    """Record."""
    asyncio.run(record(Path(sys.argv[1] if len(sys.argv) > 1 else "screenshots/recording.svg")))
    return 0


if __name__ == "__main__":
    sys.exit(main())
