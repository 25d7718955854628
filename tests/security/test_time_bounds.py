"""Nothing that reads what others write takes longer because of what they write."""

import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support import forgery
from tests.support.tunnels import inward
from tunnel_tui.logs.follow import LogFollower
from tunnel_tui.ssh.log.attempts import tell
from tunnel_tui.ssh.log.line_class import (
    classify,
    decode,
    is_noise,
    sanitise,
    split_line,
    strip_debug,
)
from tunnel_tui.ssh.log.reasons import find_reason, last_words
from tunnel_tui.state.line import parse_line
from tunnel_tui.state.state_file import StateFile
from tunnel_tui.terminal.screen import Screen

pytestmark = pytest.mark.alone
LIMIT = 0.1
"""Seconds for 100 kB."""
UNKNOWN = {"ssh/log/failures.py: re.compile(expression)"}
"""What only running would tell, and is found in a table."""
SPEC = inward(1, 2)


@pytest.mark.timeout(300)
def test_every_expression_is_linear() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.support.patterns"],
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert {row["unknown"] for row in rows if "unknown" in row} <= UNKNOWN
    measured = [row for row in rows if "where" in row]
    assert len(measured) > 40
    slow = [row for row in measured if row["seconds"] > LIMIT]
    assert not slow, "\n".join(map(str, slow))


WORDS = (
    *forgery.FAILURES.values(),
    *forgery.VOIDS,
    "debug1: clientloop.c:client_loop():1290 (pid=2681): Entering interactive session.",
    "2026/11/22 14:02:07 autossh[5]: ssh exited with error status 255; restarting ssh",
    "2026/11/22 14:02:07 tunnel-tui[4]: starting web",
    "2026/11/22 14:02:07 autossh[4]: starting ssh (count 3)",
    "[2026-11-22 14:02:07] [INFO] [AUTOSSH] Starting tunnel: web",
    "Permission denied (",
    "a: Permission denied (password",
    'Load key "',
    "bind [",
    "Unable to negotiate with a port 0: no matching",
    "u@h\t80\t8080\tremote_to_local\tweb\t76692f8a1adb8d8bee5f3b29e1b42602\t4242",
    *("\x1b[", "\x1b]", "\x1b[1;1;", "\x1bP", "\x1b[?1049h", "\x9b1;", "\x1b[2147483647b"),
    *("\t", "\r", "\x00", "\ufeff", "\u202e", "e\u0301", "👩\u200d", "隧", " ", "a", "0", "-1"),
)
UNITS = [word + between for word in WORDS for between in ("", "\n", " ")]


def feed(text: str) -> None:
    Screen(80, 24).feed(text.encode())


READERS: dict[str, Callable[[str], object]] = {
    "parse_line": parse_line,
    "find_reason": lambda text: find_reason(text.split("\n"), SPEC, remote=True),
    "last_words": lambda text: last_words(text.split("\n")),
    "tell": lambda text: tell(text.split("\n"), SPEC, remote=False),
    "classify": classify,
    "sanitise": sanitise,
    "decode": lambda text: decode(text.encode()),
    "split_line": split_line,
    "strip_debug": strip_debug,
    "is_noise": is_noise,
    "terminal": feed,
}


def slowest(read: Callable[[str], object], size: int, limit: float) -> str:
    """The inputs that take too long, in words."""
    found = []
    for unit in UNITS if size <= 100_000 else WORDS:
        text, spent = (unit * (size // len(unit) + 1))[:size], []
        for _ in range(3):  # the machine may have been busy with something else
            began = time.process_time()
            read(text)
            spent.append(time.process_time() - began)
            if spent[-1] <= limit:
                break
        if min(spent) > limit:
            found.append(f"{unit[:40]!r}: {min(spent):.2f} s")
    return "\n".join(found)


@pytest.mark.parametrize("reader", READERS)
def test_what_others_write_is_read_in_time(reader: str) -> None:
    # The terminal is fed in pieces, and draws each of them.
    assert not slowest(READERS[reader], 100_000, LIMIT * (5 if reader == "terminal" else 1))


@pytest.mark.parametrize("reader", sorted(set(READERS) - {"tell", "terminal"}))
def test_a_megabyte_is_read_in_a_second(reader: str) -> None:
    assert not slowest(READERS[reader], 1_000_000, 1.0)


def test_a_log_is_followed_in_time(tmp_path: Path) -> None:
    path = tmp_path / "log"

    def follow(text: str) -> None:
        path.write_bytes(text.encode())
        follower = LogFollower(str(path))
        for _ in range(20):
            follower.poll()

    assert not slowest(follow, 100_000, LIMIT)
    assert not slowest(follow, 1_000_000, 1.0)


def test_a_state_file_is_read_in_time(tmp_path: Path) -> None:
    path = tmp_path / "state"

    def read(text: str) -> None:
        path.write_bytes(text.encode())
        StateFile(str(path)).read()

    assert not slowest(read, 100_000, LIMIT)
    assert not slowest(read, 1_000_000, 1.0)
