"""What comes in from outside: names of every kind, and logs that do their worst."""

import json
import re
import threading
import time
from pathlib import Path

import pytest

from tests.support.faults import Fault, Site
from tests.support.network import free_port
from tests.support.tmux import Tmux
from tests.support.tunnels import inward
from tests.support.waiting import wait_until
from tunnel_tui.logs.sanitise import sanitise
from tunnel_tui.model import TunnelSpec
from tunnel_tui.tui.format.text import clean

pytestmark = pytest.mark.process

MEGABYTE = 1 << 20
NAMES = (
    "".join(map(chr, range(33, 127))),
    "隧道 トンネル 터널",
    "🚇 👩\u200d💻 🏳️\u200d🌈",
    "نفق מנהרה",
    "e\u0301\u0302\u0303 ẅ\u0323 Z̷͎̈",
    "[red]not red[/red] [/] [@click=app.quit]x[/]",
    "%s %d %(name)s %%",
    "'single' \"double\" `back`",
    "\\n \\\\ \\x1b[31m \\t",
    "$(reboot); rm -rf / | cat & {a,b} *",
    "--help",
    "-",
    "w" * 200,
)
HOSTILE = (
    "\x1b]0;owned\x07\x1b]2;owned\x1b\\\x1bkowned\x1b\\\x1b]52;c;b3duZWQ=\x07\x1b[?1049l\x1b[?25h"
    "\x1b[?1000h\x1b[?1003h\x1b[?1006l\x1b[?2004h\x1b[?1h\x1b[?7l\x1b[?6h\x1b[4h\x1b[2;3r\x1b[2J"
    "\x1b[999;999H\x1bP+q544e\x1b\\\x1b[6n\x1b[c\x1b[21t\x1b[8;5;5t\x1b[5i\x1b(0\x0e\x1b#8\x1bc"
    "\x9b2J\x9d0;owned\x9c\u202eowned\u2028\u2066\u200f\x00\x07\x08\x0b\x0c\x7f\r"
)
MODES = (
    *("pane_title", "window_name", "alternate_on", "cursor_flag", "insert_flag", "keypad_flag"),
    *("keypad_cursor_flag", "wrap_flag", "origin_flag", "mouse_standard_flag"),
    *("mouse_button_flag", "mouse_all_flag", "mouse_sgr_flag", "scroll_region_upper"),
    *("scroll_region_lower", "pane_width", "pane_height"),
)
KEY_LIMIT = 10.0
"""Seconds, on a machine that does much else; how fast it is when it does not: docs/figures.md."""


def test_names(site: Site, fault: Fault) -> None:
    fault.describe(
        "Input",
        "names with every printable character",
        "CJK, emoji, right to left, combining, markup, %, quotes, backslashes, 200 long",
    )
    specs = [inward(site.echo.port, free_port(), name=name) for name in NAMES]
    site.home.write_config(
        "tunnels:\n"
        + "".join(
            f"- name: {json.dumps(spec.name, ensure_ascii=False)}\n  remote_host: server\n"
            f"  remote_port: {spec.remote_port}\n  local_port: {spec.local_port}\n"
            for spec in specs
        )
    )
    site.watch()
    app = site.open_app((160, 40))
    with fault.noticing():
        app.shows(rf"● {len(specs)}\b", 40)
    _wait_passing(site, specs)
    shown = re.sub(r"\s", "", app.text)
    for name in NAMES:
        # A joiner shows as what it is to a terminal: a character that is not to be printed.
        assert re.sub(r"\s", "", clean(name))[:6] in shown, name
    listed = site.home.cli("list").stdout + site.home.cli("status").stdout
    for spec in specs:
        assert listed.count(spec.name) >= 2, spec.name
        told = site.home.cli("show-tunnel", "--", spec.name)
        assert told.returncode == 0, told.stderr
        assert spec.hash in told.stdout
    hard = [spec.name for spec in specs if spec.name in (NAMES[0], "--help", "-")]
    done = site.home.cli("restart-tunnel", "--", *hard)
    assert done.returncode == 0, done.stderr
    _wait_passing(site, specs)
    site.check(*specs)


def _wait_passing(site: Site, specs: list[TunnelSpec]) -> None:
    app, site.app = site.app, None  # names that a terminal reorders cannot be looked for in a row
    site.wait_well(*specs)
    site.app = app


class OpenLog:
    """A tunnel whose log the app shows on the whole screen while somebody writes into it."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.spec, *_others = site.tunnels(2)
        site.watch()
        self.app: Tmux = site.open_app()
        site.start_all(60)
        self.app.press("g", "l")
        self.app.shows("Entering interactive session")
        self.app._run("set", "-g", "set-clipboard", "on")
        self.path = site.home.log_dir / f"tunnel-{self.spec.hash}.log"
        self.memory = self.resident()
        self.modes = self.terminal()

    def terminal(self) -> dict[str, str]:
        """What the terminal thinks its program wants of it."""
        told = self.app._run("display", "-p", "\n".join(f"#{{{mode}}}" for mode in MODES))
        return dict(zip(MODES, told.splitlines(), strict=True))

    def resident(self) -> int:
        """The app's memory in bytes (proc(5), VmRSS)."""
        text = Path(f"/proc/{self.app.pid}/status").read_text()
        return int(re.findall(r"VmRSS:\s+(\d+)", text)[0]) * 1024

    def write(self, data: bytes) -> None:
        with self.path.open("ab", buffering=0) as file:
            file.write(data)

    def answer(self) -> float:
        """Press a key; return how many seconds later the screen shows it."""
        begin = time.monotonic()
        self.app.press("?")
        self.app.shows("esc closes", KEY_LIMIT)
        taken = time.monotonic() - begin
        self.app.press("Escape")
        wait_until(lambda: "esc closes" not in self.app.text, KEY_LIMIT)
        return taken

    def check(self) -> None:
        """Nothing reached the terminal, and the log pane still follows."""
        assert self.terminal() == self.modes
        assert not self.app._run("list-buffers").strip()
        assert self.resident() - self.memory < 40 * MEGABYTE
        self.app.press("l")
        self.site.wait_well()
        self.site.check(*self.site.specs)


def test_log_of_escape_sequences(site: Site, fault: Fault) -> None:
    fault.describe("Input", "log full of escape sequences", "2,000 lines: title, clipboard, modes")
    log = OpenLog(site)
    line = HOSTILE.encode() + b"\xff\xfe\xf0\x9f\n"
    with fault.noticing():
        log.write(line * 2000 + b"the end of it\n")
        log.app.shows("the end of it")
    assert "^[]0;owned^G" in log.app.flat
    assert "owned" not in log.terminal()["pane_title"]
    told = site.home.cli("logs", log.spec.name, "-n", "2100")
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u202e]", told.stdout)
    assert sanitise(HOSTILE)[:40] in told.stdout
    log.check()


def test_log_with_a_line_of_100_mb(site: Site, fault: Fault) -> None:
    fault.describe("Input", "log with a line of 100 MB", "the app open on it")
    log = OpenLog(site)
    with fault.noticing():
        for _ in range(100):
            log.write(b"m" * MEGABYTE)
        log.write(b"\nafter the long line\n")
        log.app.shows("after the long line")
    log.answer()
    told = site.home.cli("logs", log.spec.name, "-n", "3")
    assert told.returncode == 0
    assert len(told.stdout) < MEGABYTE
    assert "after the long line" in told.stdout
    log.check()


def test_log_of_20000_lines_a_second(site: Site, fault: Fault) -> None:
    fault.describe("Input", "log of 20,000 lines a second", "six seconds; noticed: a key answered")
    log = OpenLog(site)
    stop = threading.Event()
    written = 0

    def flood() -> None:
        nonlocal written
        due = time.monotonic()
        while not stop.is_set():
            lines = range(written, written := written + 1000)
            log.write(b"".join(b"line %d of a flood that does not end\n" % n for n in lines))
            due += 0.05
            stop.wait(max(0.0, due - time.monotonic()))

    thread = threading.Thread(target=flood)
    thread.start()
    try:
        log.app.shows("of a flood")
        answers = [log.answer() for _ in range(5)]
        wait_until(lambda: written > 120_000, 30)
    finally:
        stop.set()
        thread.join()
    fault.noticed = max(answers)
    with fault.recovering():
        log.write(b"the flood is over\n")
        log.app.shows("the flood is over")
    log.check()
