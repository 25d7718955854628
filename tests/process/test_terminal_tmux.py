"""Frames of real programs, compared with what tmux shows of them."""

import os
import re
import shutil
import subprocess
import time
import unicodedata

import pytest

from tests.support.waiting import wait_until
from tunnel_tui.terminal.screen import Screen
from tunnel_tui.terminal.session import PtySession
from tunnel_tui.terminal.wait import wait_ready

COLUMNS, ROWS = 80, 24


class Ours:
    """A program on our screen."""

    def __init__(self, argv, env):
        self.screen = Screen(COLUMNS, ROWS)
        self.session = PtySession.start(argv, env, COLUMNS, ROWS)

    def type(self, keys):
        self.session.write(keys)

    def resize(self, columns, rows):
        self.screen.resize(columns, rows)
        self.session.resize(columns, rows)

    def frame(self):
        wait_ready(self.session, 0.02)
        while data := self.session.read_ready():
            self.screen.feed(data)
            self.session.write(self.screen.take_reply())
        return self.screen.display, self.screen.cursor[:2]

    def close(self):
        self.session.kill()
        self.session.close()
        wait_until(lambda: self.session.check_exit() is not None)


class Tmux:
    """The same program in a tmux of its own."""

    def __init__(self, argv, env, directory):
        self.base = ["tmux", "-S", str(directory / "tmux.sock"), "-f", "/dev/null"]
        self.env = {**env, "TMUX_TMPDIR": str(directory)}
        self.run("new-session", "-d", "-x", str(COLUMNS), "-y", str(ROWS), "sleep 600")
        self.run("set", "-g", "status", "off")
        self.run("set", "-g", "default-terminal", "xterm-256color")
        self.run("set", "-g", "escape-time", "0")
        self.run("resize-window", "-x", str(COLUMNS), "-y", str(ROWS))
        self.run("respawn-pane", "-k", *argv)

    def run(self, *argv):
        done = subprocess.run(
            [*self.base, *argv], env=self.env, capture_output=True, text=True, timeout=20
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def type(self, keys):
        self.run("send-keys", "-H", *[f"{byte:02x}" for byte in keys])

    def resize(self, columns, rows):
        self.run("resize-window", "-x", str(columns), "-y", str(rows))

    def frame(self):
        page = unicodedata.normalize("NFC", self.run("capture-pane", "-p"))
        lines = [line.rstrip(" ") for line in page.split("\n")[:-1]]
        x, y = self.run("display", "-p", "#{cursor_x} #{cursor_y}").split()
        return lines, (int(x), int(y))

    def close(self):
        self.run("kill-server")


def settled(terminal):
    """Return a frame that has not changed for a moment."""
    last, since = terminal.frame(), time.monotonic()
    deadline = since + 15
    while time.monotonic() - since < 0.4:
        frame = terminal.frame()
        assert time.monotonic() < deadline, "it never settles"
        if frame != last:
            last, since = frame, time.monotonic()
    return last


TEXT = "".join(
    f"{number:4} The quick brown fox; zwölf Boxkämpfer jagen; 中文宽字符; e\u0301; tab\there\n"
    for number in range(1, 120)
)

# A program and what is typed, one frame after each.
PROGRAMS = {
    "less": (
        ["less", "text.txt"],
        [b" ", b"j", b"G", b"/fox\r", b"n", b"g", b"30g", b"b", b"h"],
    ),
    "less-long-lines": (["less", "-S", "wide.txt"], [b" ", b"\x1b[C", b"G", b"k", b"\x1b[D"]),
    "vim": (
        ["vim", "-u", "NONE", "-i", "NONE", "-n", "--cmd", "set nocp", "text.txt"],
        [
            b"\x06",
            b"G",
            b"ggdd5p",
            b"ihello \xe4\xb8\xad\xe6\x96\x87\x1b",
            b":set number\r",
            b":split\r",
            b"\x17j\x15",
            b":set hlsearch\r/brown\r",
            b"10x",
            b"u",
            b":vsplit\r",
            b":q\r",
        ],
    ),
    "sh": (
        ["sh", "draw.sh"],
        [b"1\r", b"2\r", b"3\r", b"4\r", b"5\r", b"6\r"],
    ),
}

DRAW = r"""
stty -echo
while read which; do
  case $which in
    1) printf '\033[2J\033[H'; seq 1 40 ;;
    2) printf '\033[5;15r\033[10;1H\033[3L\033[15;1H\n\n\033[5;1H\033M\033[r' ;;
    3) printf '\033[2J\033[4;3Hx\033[5b|\033[9999C|\033[1;1H\t\t|\033[Z|' ;;
    4) printf '\033[10;1Habcdef\033[3D\033[2@\033[12;1Habcdef\033[3D\033[P\033[14;1Habc\033[1K' ;;
    5) printf '\033[16;70H%s\033[20;1H' 'a line that is too long wraps' ;;
    6) printf '\033[?1049h\033[Hfull\033[?1049lback\033[21;80H\344\270\255\t|' ;;
  esac
done
"""


@pytest.fixture
def both(tmp_path):
    if shutil.which("tmux") is None:
        pytest.skip("tmux is not installed")
    (tmp_path / "text.txt").write_text(TEXT)
    (tmp_path / "wide.txt").write_text("".join(f"{n} " + "x" * 150 + "\n" for n in range(60)))
    (tmp_path / "draw.sh").write_text(DRAW)
    env = {
        "PATH": os.environ.get("PATH", "/usr/bin:/bin"),
        "TERM": "xterm-256color",
        "LANG": "C.UTF-8",
        "HOME": str(tmp_path),
        "LESSHISTFILE": "-",
    }
    opened = []

    def open_both(argv):
        if shutil.which(argv[0]) is None:
            pytest.skip(f"{argv[0]} is not installed")
        full = ["env", "-C", str(tmp_path), *argv]
        opened.append(Ours(full, env))
        opened.append(Tmux(full, env, tmp_path))
        return opened

    yield open_both
    for terminal in opened:
        terminal.close()


def timeless(frame):
    """Leave away how long ago vim says that something was: it was started twice."""
    lines, cursor = frame
    return [re.sub(r"\d+ seconds? ago", "just now", line) for line in lines], cursor


def same(ours, theirs, what):
    """Give both a few chances: programs draw in several writes."""
    for _ in range(3):
        mine, their = timeless(settled(ours)), timeless(settled(theirs))
        if mine == their:
            return
    assert mine == their, what


@pytest.mark.parametrize("name", PROGRAMS)
def test_frames_are_those_of_tmux(both, name):
    argv, keys = PROGRAMS[name]
    ours, theirs = both(argv)
    same(ours, theirs, "at first")
    for typed in keys:
        for terminal in (ours, theirs):
            terminal.type(typed)
        same(ours, theirs, typed)


@pytest.mark.parametrize("name", ["less", "vim"])
def test_frames_after_a_resize(both, name):
    argv, _ = PROGRAMS[name]
    ours, theirs = both(argv)
    same(ours, theirs, "at first")
    for size in ((60, 15), (100, 30), (80, 24)):
        for terminal in (ours, theirs):
            terminal.resize(*size)
        same(ours, theirs, size)
