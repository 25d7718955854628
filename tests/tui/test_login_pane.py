"""Logging in inside the app: real children on real terminals, a pretended engine."""

import asyncio
import gc
import secrets
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from textual import events
from textual._xterm_parser import XTermParser
from textual.pilot import Pilot

from tests.tui.fake import spec
from tests.tui.logins import ASK, LoginEngine, asking
from tests.tui.support import line_with, main_of, notes, opened, text_of, until
from tunnel_tui.errors import LockHeldError
from tunnel_tui.model import State, TunnelStatus
from tunnel_tui.supervise.login.sibling_policy import (
    Siblings,
    remember_siblings,
    siblings_after_login,
)
from tunnel_tui.tui.login.offer_siblings import OfferSiblings
from tunnel_tui.tui.login.session import LoginSession
from tunnel_tui.tui.login.terminal_view import TerminalView
from tunnel_tui.tui.shell.app import TunnelApp
from tunnel_tui.tui.shell.pane_tabs import Tab
from tunnel_tui.tui.table.table import TunnelTable

RECORD = """
import os, sys, tty
tty.setraw(0)
sys.stdout.write("{greeting}ready")
sys.stdout.flush()
while data := os.read(0, 65536):
    with open("{path}", "ab") as file:
        file.write(data)
"""


@pytest.fixture
def engine(tmp_path: Path) -> LoginEngine:
    return LoginEngine(
        asking("hpc-login"),
        asking("hpc-files", port=4450),
        TunnelStatus(spec("grafana", "edge-3"), State.RUNNING),
        directory=tmp_path,
    )


def session_of(app: TunnelApp) -> LoginSession:
    [session] = app.context.logins.alive()
    return session


def shows(app: TunnelApp, *words: str) -> Callable[[], bool]:
    return lambda: all(any(word in line for line in text_of(app)) for word in words)


async def begin(app: TunnelApp, pilot: Pilot[int], words: str = "Password:") -> None:
    await until(pilot, lambda: main_of(app).table.key, "rows")
    await pilot.press("a")
    await until(pilot, shows(app, words), words, 15)


def feed(app: TunnelApp, sequence: str) -> None:
    """Let the terminal send this, through the toolkit's own parser."""
    for event in XTermParser(False).feed(sequence):
        if isinstance(event, events.Key | events.Paste):
            app.post_message(event)


async def type_line(app: TunnelApp, pilot: Pilot[int], text: str) -> None:
    await until(pilot, shows(app, "typing is hidden"), "a hidden prompt")
    await pilot.press(*text, "enter")


async def test_a_login_from_the_key_to_the_badge(engine: LoginEngine) -> None:
    async with opened(engine, (80, 24)) as (app, pilot):
        await begin(app, pilot)
        assert line_with(app, "me@hpc.uni", "localhost:2222 ⇒ login-1:22", "typing is hidden")
        assert line_with(app, "hpc-login", "logging in")
        assert engine.locked == {"me@hpc.uni"}
        await type_line(app, pilot, "open")
        await until(pilot, shows(app, "Verification code:"))
        await type_line(app, pilot, "123456")
        await until(pilot, lambda: isinstance(app.screen, OfferSiblings), "the offer")
        assert any("hpc-login is up" in note for note in notes(app))
        assert not engine.locked
        assert any("1 more tunnel through hpc.uni: bring it up?" in row for row in text_of(app))
        await pilot.press("y")
        await until(pilot, lambda: ("attach", "hpc-files") in engine.calls)
        await until(pilot, lambda: line_with(app, "RUNNING", "hpc-files"))
        main = main_of(app)
        assert main.rule.tab is Tab.LOG
        assert isinstance(main.focused, TunnelTable)
        assert not app.context.logins.alive()


async def test_always_and_never_are_obeyed(engine: LoginEngine) -> None:
    async with opened(engine) as (app, pilot):
        await begin(app, pilot)
        await type_line(app, pilot, "open")
        await until(pilot, shows(app, "Verification code:"))
        await type_line(app, pilot, "123456")
        await until(pilot, lambda: isinstance(app.screen, OfferSiblings), "the offer")
        await pilot.press("a")
        await until(pilot, lambda: ("attach", "hpc-files") in engine.calls)
        assert siblings_after_login(engine.settings) is Siblings.ALWAYS
        remember_siblings(engine.settings, Siblings.NEVER)
        assert siblings_after_login(engine.settings) is Siblings.NEVER


async def test_a_failure_keeps_the_text_and_says_what_to_do(engine: LoginEngine) -> None:
    async with opened(engine, (80, 24)) as (app, pilot):
        await begin(app, pilot)
        await type_line(app, pilot, "wrong")
        await until(pilot, shows(app, "Verification code:"))
        await type_line(app, pilot, "0")
        await until(pilot, shows(app, "try again with the right password"), timeout=15)
        screen = "\n".join(text_of(app))
        assert "Verification code:" in screen
        assert "permission denied" in line_with(app, "INTERACTIVE", "hpc-login")
        assert any("Password:" in line for line in engine.lines)
        assert not engine.locked
        # What is still being typed acts on nothing.
        await pilot.press(*"qxsXSRca?:/", "ctrl+q", "ctrl+c", "f1")
        assert app.is_running
        assert [call[0] for call in engine.calls] == ["begin_login"]
        await pilot.press("enter")
        await until(pilot, lambda: app.context.logins.alive() and session_of(app).takes_keys)
        await type_line(app, pilot, "open")
        await until(pilot, shows(app, "Verification code:"))
        await type_line(app, pilot, "123456")
        await until(pilot, lambda: isinstance(app.screen, OfferSiblings), "the offer")
        await pilot.press("n")
        await until(pilot, lambda: line_with(app, "RUNNING", "hpc-login"))
        assert "permission denied" not in "\n".join(text_of(app))


async def test_a_toast_never_covers_who_is_asking(engine: LoginEngine) -> None:
    async with opened(engine, (80, 24)) as (app, pilot):
        await begin(app, pilot)
        view = app.screen.query_one(TerminalView)
        app.notify("first word " * 12, timeout=60)
        app.notify("second word " * 12, timeout=60)
        await until(pilot, shows(app, "second word"), "both toasts")
        toasts = [toast.region for toast in app.screen.query("Toast")]
        assert len(toasts) == 2
        assert all(toast.area and not toast.overlaps(view.region) for toast in toasts)


async def test_leaving_keeps_it_running_and_x_ends_it(engine: LoginEngine) -> None:
    async with opened(engine) as (app, pilot):
        await begin(app, pilot)
        for leave in ("ctrl+right_square_bracket", "f12"):
            await pilot.press(leave)
            await until(pilot, lambda: line_with(app, "hpc-login", "waiting for you"))
            assert isinstance(main_of(app).focused, TunnelTable)
            await pilot.press("a")
            await until(pilot, lambda: line_with(app, "hpc-login", "logging in"))
        await pilot.press("f12")
        await pilot.press("l", "z", "z", "escape")
        session = session_of(app)
        await pilot.press("x")
        await until(pilot, lambda: not session.alive, "the login's end")
        await until(pilot, lambda: any("cancelled" in note for note in notes(app)))
        assert line_with(app, "hpc-login", "needs a login")
        assert ("stop", "hpc-login") not in engine.calls
        assert not engine.locked


async def test_zoom_only_when_the_pane_has_not_the_keyboard(engine: LoginEngine) -> None:
    async with opened(engine, (80, 24)) as (app, pilot):
        await begin(app, pilot)
        rows = session_of(app).screen.size[1]
        await pilot.press("z")
        assert session_of(app).screen.size[1] == rows
        await pilot.press("f12", "z")
        await until(pilot, lambda: session_of(app).screen.size[1] > rows)
        assert shows(app, "Password:")()
        await pilot.press("f12")
        await until(pilot, lambda: session_of(app).screen.size[1] == rows)


KEYS = [
    # what a plain terminal sends, what one with the kitty protocol sends, what ssh must get
    ("\x03", "\x1b[99;5u", b"\x03"),
    ("\x04", "\x1b[100;5u", b"\x04"),
    ("\x11", "\x1b[113;5u", b"\x11"),
    ("\x07", "\x1b[103;5u", b"\x07"),
    ("\x1a", "\x1b[122;5u", b"\x1a"),
    ("\x10", "\x1b[112;5u", b"\x10"),
    ("\t", "\t", b"\t"),
    ("\r", "\r", b"\r"),
    ("\x7f", "\x7f", b"\x7f"),
    ("\x1b", "\x1b[27u", b"\x1b"),
    ("\x1b[A", "\x1b[1;1A", b"\x1b[A"),
    ("\x1b[D", "\x1b[1;1D", b"\x1b[D"),
    ("\x1bOP", "\x1b[P", b"\x1bOP"),
    ("\x1b[15~", "\x1b[15~", b"\x1b[15~"),
    ("q", "q", b"q"),
    ("Z", "Z", b"Z"),
    (":", ":", b":"),
    ("?", "?", b"?"),
    ("ß", "ß", "ß".encode()),
    ("中", "中", "中".encode()),
    ("!", "!", b"!"),
]


@pytest.mark.parametrize("protocol", ["legacy", "kitty"])
async def test_every_key_reaches_the_child(
    engine: LoginEngine, tmp_path: Path, protocol: str
) -> None:
    path = tmp_path / "typed"
    engine.script = RECORD.format(path=path, greeting="")
    async with opened(engine) as (app, pilot):
        await begin(app, pilot, "ready")
        expected = b""
        for legacy, kitty, sent in KEYS:
            sequence = legacy if protocol == "legacy" else kitty
            if sequence == "\x1b":
                app.post_message(events.Key("escape", "\x1b"))  # the parser waits for more
            else:
                feed(app, sequence)
            expected += sent
            want = expected
            await until(
                pilot, lambda want=want: read(path) == want, f"{sequence!r}: {read(path)!r}"
            )
        assert app.is_running
        assert line_with(app, "hpc-login", "logging in")


def read(path: Path) -> bytes:
    return path.read_bytes() if path.exists() else b""


@pytest.mark.parametrize("bracketed", [False, True])
async def test_a_paste_reaches_the_child_unchanged(
    engine: LoginEngine, tmp_path: Path, bracketed: bool
) -> None:
    path = tmp_path / "typed"
    engine.script = RECORD.format(path=path, greeting="\\033[?2004h" if bracketed else "")
    secret = "ä!\"§$%&/()=?`{[]}\\~*'#<>|@€ 中文 " + secrets.token_urlsafe(24)
    async with opened(engine) as (app, pilot):
        await begin(app, pilot, "ready")
        feed(app, f"\x1b[200~{secret}\x1b[201~")
        wanted = secret.encode()
        wanted = b"\x1b[200~" + wanted + b"\x1b[201~" if bracketed else wanted
        await until(pilot, lambda: read(path) == wanted, "the paste")


async def test_nothing_that_was_typed_stays_in_memory(engine: LoginEngine) -> None:
    async with opened(engine) as (app, pilot):
        await begin(app, pilot)
        secret = secrets.token_hex(20)
        feed(app, f"\x1b[200~{secret}\x1b[201~")
        await pilot.press("enter")
        await until(pilot, shows(app, "Verification code:"))
        await pilot.press("f12")
        await asyncio.sleep(0.1)
        gc.collect()
        needle, holders = secret.encode(), []
        for holder in gc.get_objects():
            for kept in gc.get_referents(holder):
                found = (isinstance(kept, str) and secret in kept) or (
                    isinstance(kept, bytes | bytearray) and needle in kept
                )
                # Not ours: this test's frame, and the toolkit's parser, which keeps its last input.
                if found and type(holder).__name__ not in {"coroutine", "generator", "frame"}:
                    holders.append(type(holder))
        assert holders == []
        assert secret not in "\n".join(text_of(app))


async def test_a_forgotten_prompt_is_ended_with_a_word(engine: LoginEngine) -> None:
    async with opened(engine, (80, 24)) as (app, pilot):
        app.context.logins.patience = 1.5
        await begin(app, pilot)
        assert any("type something, or it ends" in line for line in text_of(app))
        await until(pilot, shows(app, "nobody typed anything"), timeout=15)
        assert not app.context.logins.alive()
        assert not engine.locked


async def test_who_else_logs_in_is_named(engine: LoginEngine) -> None:
    engine.refusal = LockHeldError(
        "a login to me@hpc.uni is under way", "pid 4711 (tunnel-tui)", "finish or cancel it there"
    )
    async with opened(engine) as (app, pilot):
        await until(pilot, lambda: main_of(app).table.key)
        await pilot.press("a")
        await until(pilot, lambda: any("4711" in note for note in notes(app)), "the toast")
        assert main_of(app).rule.tab is Tab.LOG
        assert line_with(app, "hpc-login", "needs a login")


async def test_where_somebody_is_logged_in_nothing_is_asked(engine: LoginEngine) -> None:
    engine.logged_in.add("me@hpc.uni")
    async with opened(engine) as (app, pilot):
        await until(pilot, lambda: main_of(app).table.key)
        await pilot.press("enter")
        await until(pilot, lambda: line_with(app, "RUNNING", "hpc-login"))
        assert [call[0] for call in engine.calls] == ["attach"]
        assert any("no code" in note for note in notes(app))


async def test_cancelled_before_the_prompt(engine: LoginEngine) -> None:
    engine.opening = threading.Event()
    async with opened(engine) as (app, pilot):
        await until(pilot, lambda: main_of(app).table.key)
        await pilot.press("a")
        await until(pilot, lambda: line_with(app, "hpc-login", "connecting"))
        session = session_of(app)
        await pilot.press("x")
        engine.opening.set()
        await until(pilot, lambda: not session.alive)
        assert session.pid is None
        assert not engine.locked


async def test_the_keys_of_one_host_never_go_to_another(tmp_path: Path) -> None:
    engine = LoginEngine(asking("one", "a.example"), asking("two", "b.example"), directory=tmp_path)
    async with opened(engine) as (app, pilot):
        await begin(app, pilot)
        await pilot.press("f12", "j", "a")
        await until(pilot, lambda: line_with(app, "two", "logging in"))
        assert line_with(app, "one", "waiting for you")
        terminal = main_of(app).login_pane.terminal
        front = terminal.session
        assert front is not None
        assert front.spec.name == "two"
        # The tunnel leaves the configuration, and with it the row: the prompt stays in front.
        engine.statuses = engine.statuses[:1]
        engine.publish()
        await until(pilot, lambda: not line_with(app, "INTERACTIVE", "two"))
        assert terminal.session is front
        assert terminal.has_focus


async def test_all_hosts_one_after_the_other(tmp_path: Path) -> None:
    engine = LoginEngine(
        asking("one", "a.example"),
        asking("two", "b.example"),
        asking("also-one", "a.example", 2223),
        directory=tmp_path,
    )
    async with opened(engine) as (app, pilot):
        await until(pilot, lambda: main_of(app).table.key)
        await pilot.press("A")
        for host in ("a.example", "b.example"):
            await until(pilot, lambda host=host: line_with(app, f"  {host}", "hidden"), host, 15)
            assert len(app.context.logins.alive()) == 1
            await type_line(app, pilot, "open")
            await until(pilot, shows(app, "Verification code:"))
            await type_line(app, pilot, "123456")
            await until(pilot, lambda host=host: host in engine.logged_in)
        await until(pilot, lambda: sum("RUNNING" in line for line in text_of(app)) >= 3)
        assert not isinstance(app.screen, OfferSiblings)


async def test_quitting_ends_the_prompt(engine: LoginEngine) -> None:
    async with opened(engine) as (app, pilot):
        await begin(app, pilot)
        session = session_of(app)
        pid = session.pid
        assert pid is not None
        await pilot.press("f12", "q")
    deadline = time.monotonic() + 5
    while Path(f"/proc/{pid}").exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not Path(f"/proc/{pid}").exists()


@pytest.mark.parametrize("flag", ["debug", "devtools"])
async def test_no_secret_into_an_app_that_records_keys(engine: LoginEngine, flag: str) -> None:
    async with opened(engine) as (app, pilot):
        await until(pilot, lambda: main_of(app).table.key)
        app.features = frozenset({*app.features, flag})  # type: ignore[arg-type]
        await pilot.press("a")
        await until(pilot, lambda: any("every key to a file" in note for note in notes(app)))
        assert engine.calls == []


async def test_only_the_lines_that_changed_are_drawn(
    engine: LoginEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine.script = "import sys\nprint('one\\ntwo\\nready', end='', flush=True)\nsys.stdin.read()"
    async with opened(engine) as (app, pilot):
        await begin(app, pilot, "ready")
        await pilot.pause(0.2)
        drawn: list[int] = []
        original = TerminalView.render_line

        def render_line(self: TerminalView, y: int) -> object:
            drawn.append(y)
            return original(self, y)

        monkeypatch.setattr(TerminalView, "render_line", render_line)
        await pilot.press("e")
        await until(pilot, lambda: line_with(app, "  readye"))
        drawn.clear()
        feed(app, "x")
        end = time.monotonic() + 5
        while not drawn and time.monotonic() < end:
            await asyncio.sleep(0.02)
        await asyncio.sleep(0.1)
        assert set(drawn) <= {2}


HOSTILE = """
import os, sys
out = sys.stdout.buffer
for final in range(0x40, 0x7f):
    for lead in (b"", b"?", b">", b"!"):
        for parameter in (b"", b"4", b"1;2", b"99999999999"):
            out.write(b"\\x1b[" + lead + parameter + bytes([final]))
out.write(b"\\x1b]52;c;AAAA\\x07\\x1b]0;title\\x07\\x1bP1$r\\x1b\\\\\\x1b_x\\x1b\\\\")
out.write("e".encode() + "\\u0301".encode() * 1_000_000)
out.write(b"x" * 10_000_000)
out.write(b"\\x1bc\\x1b[2J\\x1b[Hready")
out.flush()
sys.stdin.read()
"""


async def test_a_hostile_server_changes_nothing_else_and_blocks_nothing(
    engine: LoginEngine,
) -> None:
    engine.script = HOSTILE
    async with opened(engine, (80, 24)) as (app, pilot):
        await until(pilot, lambda: main_of(app).table.key)
        longest = 0.0
        done = False

        async def beat() -> None:
            """Measure the processor time of each turn of the loop; noise of others is not ours."""
            nonlocal longest
            last = time.thread_time()
            while not done:
                await asyncio.sleep(0)
                now = time.thread_time()
                longest, last = max(longest, now - last), now

        await pilot.press("a")
        await until(pilot, lambda: app.context.logins.alive() and session_of(app).takes_keys)
        gc.collect()
        gc.freeze()  # the rubbish of other tests is not measured here
        heart = asyncio.create_task(beat())
        end = time.monotonic() + 60
        while session_of(app).screen.display[0] != "ready" and time.monotonic() < end:
            await asyncio.sleep(0.05)
        done = True
        await heart
        gc.unfreeze()
        assert session_of(app).screen.display[0] == "ready"
        assert longest < 0.1
        await until(pilot, shows(app, "ready"))
        assert text_of(app)[1].split()[:2] == ["STATE", "NAME"]
        assert line_with(app, "RUNNING", "grafana")
        assert app.title == "tunnel-tui"
        sys.stdout.write(f"longest turn of the loop: {longest * 1000:.0f} ms\n")


async def test_a_password_typed_too_early_is_not_shown(engine: LoginEngine, tmp_path: Path) -> None:
    now = tmp_path / "now"
    wait = f"import os, time\nwhile not os.path.exists({str(now)!r}):\n    time.sleep(0.02)\n"
    engine.script = wait + ASK
    async with opened(engine) as (app, pilot):
        await until(pilot, lambda: main_of(app).table.key)
        await pilot.press("a")
        await until(pilot, lambda: app.context.logins.alive() and session_of(app).takes_keys)
        await until(pilot, lambda: isinstance(main_of(app).focused, TerminalView))
        await pilot.press(*"topsecret")
        feed(app, "\x1b[200~topsecret\x1b[201~")
        await until(pilot, shows(app, "nothing is asked yet"))
        now.touch()
        await until(pilot, shows(app, "Password:"), timeout=15)
        assert not any("topsecret" in line or "top" in line for line in text_of(app))
        await type_line(app, pilot, "open")
        await until(pilot, shows(app, "Verification code:"))
        await type_line(app, pilot, "123456")
        await until(pilot, lambda: "me@hpc.uni" in engine.logged_in)


async def test_what_went_by_can_be_scrolled_to(engine: LoginEngine) -> None:
    engine.script = (
        "import sys\nprint(*range(100, 150), sep='\\n')\nprint('ready', end='', flush=True)\n"
        "sys.stdin.read()"
    )
    async with opened(engine, (80, 24)) as (app, pilot):
        await begin(app, pilot, "ready")
        terminal = main_of(app).login_pane.terminal
        await until(pilot, lambda: not shows(app, "100")() and shows(app, "149")())
        terminal.scroll_to(y=0, animate=False, immediate=True)
        await until(pilot, lambda: shows(app, "100")() and not shows(app, "ready")())
        await pilot.press("x")
        await until(pilot, shows(app, "readyx"))
