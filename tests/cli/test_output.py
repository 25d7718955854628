"""What is printed is safe, aligned, and coloured only for a person."""

import io

import pytest

from tests.support.home import Home
from tunnel_tui.cli.formats import duration, list_line, parse_line, status_line
from tunnel_tui.cli.output import Output, pad, safe
from tunnel_tui.model import Direction, State, TunnelSpec, TunnelStatus

SPEC = TunnelSpec(
    "web", "user@host", "8000", "8001", Direction.REMOTE_TO_LOCAL, False, "76692f8a" * 4
)


class Terminal(io.StringIO):
    def isatty(self):
        return True


def output(stream=None, **environment):
    return Output(stream or io.StringIO(), io.StringIO(), environment)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain [red] %s 'quotes' \"x\"", "plain [red] %s 'quotes' \"x\""),
        ("日本 👍🏽 👨‍👩‍👧 é", "日本 👍🏽 👨‍👩‍👧 é"),
        ("\x1b[31mred", "\\x1b[31mred"),
        ("a\tb\nc\rd\x00", "a\\x09b\\x0ac\\x0dd\\x00"),
        ("\x9b31m", "\\x9b31m"),
        ("bidi \u202e evil", "bidi \\u202e evil"),
        ("line\u2028separator", "line\\u2028separator"),
        ("byte \udcff", "byte \\xff"),
        ("ideographic\u3000space", "ideographic\u3000space"),
        ("tag \U000e0041", "tag \\U000e0041"),
    ],
)
def test_safe(text, shown):
    assert safe(text) == shown


def test_pad_counts_cells():
    assert pad("abc", 5) == "abc  "
    assert pad("日本", 5) == "日本 "
    assert pad("e\u0301", 3) == "e\u0301  "
    assert pad("too long", 3) == "too long"


def test_line_formats_are_those_of_the_scripts():
    """C: printf("  %-20s %-12s %s -> %s:%s (%s)") and the same with %-10s."""
    fields = (SPEC.local_port, SPEC.remote_host, SPEC.remote_port, SPEC.hash)
    line = list_line(SPEC, output())
    assert line == "  %-20s %-12s %s -> %s:%s (%s)" % ("web", "NORMAL", *fields)  # noqa: UP031
    line = list_line(SPEC._replace(interactive=True), output())
    assert line == "  %-20s %-12s %s -> %s:%s (%s)" % ("web", "INTERACTIVE", *fields)  # noqa: UP031
    for state in State:
        line = status_line(TunnelStatus(SPEC, state), output())
        assert line == "  %-20s %-10s %s -> %s:%s (%s)" % ("web", state.value, *fields)  # noqa: UP031


def test_parse_line_has_seven_fields():
    fields = parse_line(SPEC).split("\t")
    assert fields == ["user@host", "8000", "8001", "remote_to_local", "web", SPEC.hash, "false"]


def test_colour_only_on_a_terminal_and_never_with_no_color():
    running = TunnelStatus(SPEC, State.RUNNING)
    assert "\x1b" not in status_line(running, output(TERM="xterm"))
    assert "\x1b[32mRUNNING" in status_line(running, output(Terminal(), TERM="xterm"))
    assert "\x1b" not in status_line(running, output(Terminal(), TERM="xterm", NO_COLOR="1"))
    assert "\x1b" not in status_line(running, output(Terminal(), TERM="dumb"))


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0s"), (42.9, "42s"), (185, "3m 5s"), (7800, "2h 10m"), (1051200, "12d 4h"), (-3, "0s")],
)
def test_duration(seconds, text):
    assert duration(seconds) == text


def test_messages_cannot_move_the_cursor():
    messages = io.StringIO()
    Output(io.StringIO(), messages, {}).error("bad \x1b[2J", "do \x07 this")
    assert messages.getvalue() == "ERROR: bad \\x1b[2J\n  do \\x07 this\n"


def test_names_stand_literally_in_list(home: Home):
    names = ["[red]", "%s%n", "a'b\"c", "日本語", "👍🏽", "$(id)", "{x}", "a  b", "\\x41"]
    items = [
        f"  - name: '{name.replace(chr(39), chr(39) * 2)}'\n    remote_host: h\n"
        f"    remote_port: {9000 + n}\n    local_port: {9000 + n}\n"
        for n, name in enumerate(names)
    ]
    home.write_config("tunnels:\n" + "".join(items))
    result = home.cli("list")
    lines = result.stdout.splitlines()[1:]
    assert [line[2 : 2 + len(name)] for line, name in zip(lines, names, strict=True)] == names
    assert result.returncode == 0
