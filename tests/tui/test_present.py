"""Words and figures: pure functions."""

import pytest

from tests.tui.fake import KEY_CHANGED, REFUSED, showcase, spec
from tunnel_tui.model import Direction, DirectionMode, State, TunnelStatus
from tunnel_tui.tui.format.glyphs import ASCII, UNICODE, choose_glyphs
from tunnel_tui.tui.format.text import (
    amount,
    badge,
    clean,
    cut,
    cut_end,
    duration,
    ends,
    explain,
    fit,
    reason_spans,
    round_trip,
    sparkline,
    width_of,
)
from tunnel_tui.tui.format.theme import NIGHT, PLAIN, SIXTEEN, choose_theme


@pytest.mark.parametrize(
    ("state", "unicode", "plain"),
    [
        (State.RUNNING, "● RUNNING", "* RUNNING"),
        (State.STARTING, "◐ STARTING", "~ STARTING"),
        (State.STOPPED, "○ STOPPED", "- STOPPED"),
        (State.DEAD, "✗ DEAD", "x DEAD"),
        (State.INTERACTIVE, "◆ INTERACTIVE", "? INTERACTIVE"),
    ],
)
def test_badges(state: State, unicode: str, plain: str) -> None:
    status = TunnelStatus(spec("t"), state)
    assert badge(status, UNICODE) == unicode
    assert badge(status, ASCII) == plain


def test_badges_are_unique_without_colour() -> None:
    for glyphs in (UNICODE, ASCII):
        assert len(set(glyphs.badges.values())) == len(State)


def test_an_unconfirmed_running_says_so() -> None:
    status = TunnelStatus(spec("t"), State.RUNNING, confirmed=False)
    assert badge(status, UNICODE) == "● RUNNING ?"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-5, "0s"),
        (38.9, "38s"),
        (60, "1m"),
        (3599, "59m"),
        (2 * 3600 + 11 * 60, "2h 11m"),
        (6 * 86400 + 4 * 3600, "6d 4h"),
        (999 * 86400 + 23 * 3600, "999d 23h"),
        (4000 * 86400, "4000d"),
    ],
)
def test_duration(seconds: float, text: str) -> None:
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0"),
        (0.4, "0"),
        (512, "512 B"),
        (999.6, "1.0 kB"),
        (38_000, "38 kB"),
        (4_100_000, "4.1 MB"),
        (999_600, "1.0 MB"),
        (5e18, "5000 PB"),
    ],
)
def test_amount(count: float, text: str) -> None:
    assert amount(count) == text
    assert len(text) <= 7


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.0004, "0.4 ms"), (0.041, "41 ms"), (0.9996, "1.0 s"), (1.2, "1.2 s")]
)
def test_round_trip(seconds: float, text: str) -> None:
    assert round_trip(seconds) == text


def test_fit_counts_cells_not_characters() -> None:
    for text in ("隧道隧道隧道", "🚇🚇🚇🚇", "plain text that is long", "", "é"):
        for width in (1, 2, 5, 9):
            assert width_of(fit(text, width, UNICODE)) == width
            assert width_of(fit(text, width, UNICODE, right=True)) == width


def test_cut_shows_that_something_is_missing() -> None:
    assert cut("abcdef", 4, UNICODE) == "abc…"
    assert cut("abcdef", 6, UNICODE) == "abcdef"
    assert cut("abcdef", 0, UNICODE) == ""


def test_the_port_always_stays() -> None:
    assert cut_end("a-very-long-host.example:5432", 12, UNICODE) == "a-very…:5432"
    assert cut_end("localhost:5432", 8, UNICODE) == "lo:5432"
    assert cut_end("127.0.0.1:21025", 9, UNICODE) == "lo:21025", "not :21025, which is everywhere"
    assert cut_end("0.0.0.0:21025", 9, UNICODE) == "*:21025"
    assert cut_end("/var/run/docker.sock", 12, UNICODE) == "…docker.sock"


def test_ends_say_which_side_is_here() -> None:
    mode = DirectionMode.DEFAULT
    inward = ends(spec("a", "me@edge-3", "3000", "3000"), mode)
    assert inward == ("localhost:3000", "edge-3:3000", True)
    outward = ends(spec("b", "cloud", "8080", "4000", Direction.LOCAL_TO_REMOTE), mode)
    assert outward == ("cloud:8080", "localhost:4000", False)
    public = ends(spec("c", "cloud", "0.0.0.0:8080", "4000", Direction.LOCAL_TO_REMOTE), mode)
    assert public.listener == "0.0.0.0:8080"


def test_ends_follow_the_direction_mode() -> None:
    tunnel = spec("a", "me@edge-3", "3000", "3001")
    swapped = ends(tunnel, DirectionMode.SSH_STANDARD)
    assert swapped == ("edge-3:3000", "localhost:3001", False)
    assert "at edge-3" in explain(tunnel, DirectionMode.SSH_STANDARD)


def test_malformed_endpoints_of_others_are_shown_as_they_are() -> None:
    assert ends(spec("a", "h", "nonsense", "x:y"), DirectionMode.DEFAULT).listener == "x:y"
    assert "cannot be read" in explain(spec("a", "h", "nonsense", "1"), DirectionMode.DEFAULT)


def test_control_characters_become_harmless() -> None:
    assert clean("a\x1b[31mb\n") == "a�[31mb�"
    assert clean("[red]x[/] 100% 'q' 隧道 🚇") == "[red]x[/] 100% 'q' 隧道 🚇"


def test_reasons_stand_in_place_of_figures() -> None:
    statuses = {status.spec.name: status for status in showcase(0)}
    dead = "".join(s.text for s in reason_spans(statuses["db-replica"], "", UNICODE))
    assert dead.startswith("host key changed · compare the keys")
    starting = "".join(s.text for s in reason_spans(statuses["metrics"], "", UNICODE))
    assert starting == "reconnecting (attempt 4) · connection refused"
    brief = "".join(s.text for s in reason_spans(statuses["metrics"], "", UNICODE, brief=True))
    assert brief == REFUSED.text
    login = "".join(s.text for s in reason_spans(statuses["hpc-login"], "", UNICODE))
    assert login == "needs a login"
    assert reason_spans(statuses["grafana"], "", UNICODE) == ()
    busy = "".join(s.text for s in reason_spans(statuses["grafana"], "stopping", UNICODE))
    assert busy == "stopping…"


def test_a_death_without_a_reason_says_so() -> None:
    spans = reason_spans(TunnelStatus(spec("a"), State.DEAD), "", UNICODE)
    assert "no reason" in spans[0].text
    assert KEY_CHANGED.text not in spans[0].text


def test_sparkline() -> None:
    assert sparkline((), 4, UNICODE) == "    "
    assert sparkline((0.0, 0.0), 4, UNICODE) == "    "
    assert sparkline((0.0, 50.0, 100.0), 4, UNICODE) == "  ▄█"
    assert len(sparkline(tuple(range(40)), 12, ASCII)) == 12


@pytest.mark.parametrize(
    ("environment", "glyphs"),
    [
        ({}, UNICODE),
        ({"TERM": "xterm"}, UNICODE),
        ({"LANG": "C"}, UNICODE),
        ({"LANG": "de_DE.UTF-8"}, UNICODE),
        ({"LANG": "de_DE.ISO-8859-1"}, ASCII),
        ({"LC_ALL": "en_US.ISO8859-15@euro", "LANG": "C.UTF-8"}, ASCII),
        ({"TERM": "linux"}, ASCII),
        ({"TUNNEL_TUI_ASCII": "1"}, ASCII),
        ({"TUNNEL_TUI_ASCII": "0", "TERM": "linux"}, UNICODE),
    ],
)
def test_which_glyphs(environment: dict[str, str], glyphs: object) -> None:
    assert choose_glyphs(environment) is glyphs


@pytest.mark.parametrize(
    ("environment", "theme"),
    [
        ({"TERM": "xterm"}, SIXTEEN),
        ({}, SIXTEEN),
        ({"TERM": "xterm-256color"}, NIGHT),
        ({"TERM": "xterm", "COLORTERM": "truecolor"}, NIGHT),
        ({"TERM": "xterm-256color", "NO_COLOR": "1"}, PLAIN),
    ],
)
def test_which_theme(environment: dict[str, str], theme: object) -> None:
    assert choose_theme(environment) is theme


def test_ascii_glyphs_are_ascii() -> None:
    for value in ASCII[1:-1]:
        assert str(value).isascii()
    assert all(glyph.isascii() for glyph in ASCII.badges.values())
