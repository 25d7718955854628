"""How fast the Login pane takes in what a program writes, beside the emulator library alone."""

import os
import random
import select
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import pyte

from benchmarks.figures import Figure, compare
from tunnel_tui.terminal.screen import Screen
from tunnel_tui.terminal.session import PtySession

COLUMNS, ROWS = 80, 24
LEAST = 0.7
PAINT = 1 / 30
WORDS = "the quick brown fox jumps over a lazy dog and through the tunnel again"


def measure(quick: bool) -> list[Figure]:
    """Measure three kinds of output."""
    size = 200_000 if quick else 600_000
    return [_measure(name, make(size), 3 if quick else 9) for name, make in KINDS.items()]


def _measure(name: str, data: bytes, rounds: int) -> Figure:
    with TemporaryDirectory() as directory:
        path = Path(directory) / "output"
        path.write_bytes(data)
        compared = compare(lambda: _ours(path), lambda: _theirs(data), rounds)
    speed = compared.theirs / compared.ours
    megabytes = len(data) / 1000  # per millisecond: bytes / 1e6 / (ms / 1e3)
    return Figure(
        f"PTY pane throughput, {name}",
        "the emulator library alone, without a PTY",
        f"≥ {LEAST * 100:.0f} %",
        megabytes / compared.ours,
        megabytes / compared.theirs,
        "MB/s",
        1 / compared.ratio,
        compared.spread + " (times)",
        1 / compared.ratio >= LEAST,
        f"{speed * 100:.0f} % by the medians of the times",
    )


def _ours(path: Path) -> float:
    """Milliseconds from the start of the reading to the last line painted, over a real PTY."""
    screen = Screen(COLUMNS, ROWS)
    # It waits for us to be ready: starting it is not what is measured.
    program = ["sh", "-c", 'stty -opost; read -r nothing; exec cat "$0"', str(path)]
    session = PtySession.start(program, dict(os.environ), COLUMNS, ROWS)
    time.sleep(0.05)
    while session.read_ready():
        pass
    session.write(b"\n")
    start, painted = time.perf_counter(), 0.0
    while (data := session.read_ready()) is not None:
        if not data:
            session.check_exit()
            if session.finished:
                break
            select.select([session.fileno()], [], [], 0.01)
            continue
        screen.feed(data)
        now = time.perf_counter()
        if now - painted >= PAINT:
            painted = now
            for row in screen.take_dirty():
                screen.line(row)
    took = (time.perf_counter() - start) * 1000
    session.kill()
    session.check_exit()
    session.close()
    return took


def _theirs(data: bytes) -> float:
    """Milliseconds that the library takes for the same bytes, in pieces as a PTY gives them."""
    screen = pyte.Screen(COLUMNS, ROWS)
    stream = pyte.ByteStream(screen)
    start = time.perf_counter()
    for place in range(0, len(data), 4096):
        stream.feed(data[place : place + 4096])
    return (time.perf_counter() - start) * 1000


def _plain(size: int) -> bytes:
    words = [
        "the",
        "quick",
        "brown",
        "fox",
        "jumps",
        "over",
        "a",
        "lazy",
        "dog",
        "and",
        "through",
        "the",
        "tunnel",
        "again",
    ]
    chosen = random.Random(1)
    lines = []
    while sum(map(len, lines[-1:])) * len(lines) < size:
        lines.append(" ".join(chosen.choices(words, k=12))[:78] + "\r\n")
    return "".join(lines).encode()[:size]


def _listing(size: int) -> bytes:
    chosen = random.Random(2)
    text = []
    while len(text) * 100 < size:
        names = [
            f"\x1b[0m\x1b[01;3{chosen.randrange(1, 8)}mfile-{n:04}.txt\x1b[0m" for n in range(5)
        ]
        text.append("-rw-r--r-- 1 root root  4096 Nov 22 14:02 " + " ".join(names[:2]) + "\r\n")
    return "".join(text).encode()[:size]


def _editor(size: int) -> bytes:
    chosen = random.Random(3)
    text = ["\x1b[?1049h\x1b[H\x1b[2J"]
    length = 0
    while length < size:
        row = chosen.randrange(1, ROWS)
        piece = (
            f"\x1b[{row};1H\x1b[38;5;{chosen.randrange(256)}m{row:4} \x1b[0m"
            f"def \x1b[1mname_{row}\x1b[22m(value: \x1b[38;5;81mint\x1b[39m) -> None:\x1b[K"
            f"\x1b[{ROWS};60H{row},1-8\x1b[{row};8H"
        )
        length += len(piece)
        text.append(piece)
    return "".join(text).encode()[:size]


KINDS: dict[str, Callable[[int], bytes]] = {
    "plain text": _plain,
    "coloured ls": _listing,
    "an editor": _editor,
}
