"""Keys and pastes: by name, and from the bytes of a real keyboard through Textual's parser."""

import time

import pytest
from textual._xterm_parser import XTermParser
from textual.events import Key

from tunnel_tui.terminal.keys import encode_key, encode_paste

# What is pressed, as a legacy terminal and as one with the kitty protocol send it, what ssh gets.
KEYBOARD = [
    ("ctrl+c", "\x03", "\x1b[99;5u", b"\x03"),
    ("ctrl+d", "\x04", "\x1b[100;5u", b"\x04"),
    ("ctrl+q", "\x11", "\x1b[113;5u", b"\x11"),
    ("ctrl+g", "\x07", "\x1b[103;5u", b"\x07"),
    ("ctrl+z", "\x1a", "\x1b[122;5u", b"\x1a"),
    ("ctrl+p", "\x10", "\x1b[112;5u", b"\x10"),
    ("ctrl+space", "\x00", "\x1b[32;5u", b"\x00"),
    ("ctrl+backslash", "\x1c", "\x1b[92;5u", b"\x1c"),
    ("ctrl+underscore", "\x1f", "\x1b[95;5u", b"\x1f"),
    ("tab", "\t", "\t", b"\t"),
    ("shift+tab", "\x1b[Z", "\x1b[9;2u", b"\x1b[Z"),
    ("enter", "\r", "\r", b"\r"),
    ("backspace", "\x7f", "\x7f", b"\x7f"),
    ("up", "\x1b[A", "\x1b[A", b"\x1b[A"),
    ("down", "\x1bOB", "\x1b[B", b"\x1b[B"),
    ("ctrl+left", "\x1b[1;5D", "\x1b[1;5D", b"\x1b[1;5D"),
    ("shift+up", "\x1b[1;2A", "\x1b[1;2A", b"\x1b[1;2A"),
    ("home", "\x1b[H", "\x1b[H", b"\x1b[H"),
    ("end", "\x1b[F", "\x1b[F", b"\x1b[F"),
    ("pageup", "\x1b[5~", "\x1b[5~", b"\x1b[5~"),
    ("delete", "\x1b[3~", "\x1b[3~", b"\x1b[3~"),
    ("insert", "\x1b[2~", "\x1b[2~", b"\x1b[2~"),
    ("f1", "\x1bOP", "\x1b[P", b"\x1bOP"),
    ("f3", "\x1bOR", "\x1b[13~", b"\x1bOR"),
    ("f5", "\x1b[15~", "\x1b[15~", b"\x1b[15~"),
    ("f12", "\x1b[24~", "\x1b[24~", b"\x1b[24~"),
    ("alt+x", "\x1bx", "\x1b[120;3u", b"\x1bx"),
    ("a", "a", "a", b"a"),
    ("shift+a", "A", "A", b"A"),
    ("u-umlaut", "ü", "ü", "ü".encode()),
    ("euro", "€", "€", "€".encode()),
    ("emoji", "🔑", "🔑", "🔑".encode()),
    ("space", " ", " ", b" "),
]


def pressed(raw):
    """Return what a child gets when a terminal sends `raw` to Textual."""
    parser = XTermParser()
    events = list(parser.feed(raw))
    deadline = time.monotonic() + 5
    while not events and time.monotonic() < deadline:  # after an escape it waits for more
        time.sleep(0.01)
        events = list(parser.tick())
    keys = [event for event in events if isinstance(event, Key)]
    return b"".join(encode_key(event.key, event.character) for event in keys)


@pytest.mark.parametrize(("name", "legacy", "kitty", "sent"), KEYBOARD, ids=lambda part: repr(part))
def test_keyboard_to_child(name, legacy, kitty, sent):
    assert pressed(legacy) == sent, "legacy"
    assert pressed(kitty) == sent, "kitty protocol"


def test_escape():
    assert pressed("\x1b") == b"\x1b"
    assert pressed("\x1b[27u") == b"\x1b"


@pytest.mark.parametrize("character", [chr(code) for code in range(0x20, 0x7F)])
def test_every_symbol_arrives_unchanged(character):
    assert pressed(character) == character.encode()
    (event,) = [event for event in XTermParser().feed(character) if isinstance(event, Key)]
    assert encode_key(event.key, None) == character.encode(), "by its name alone, too"


@pytest.mark.parametrize(
    ("key", "character", "sent"),
    [
        ("escape", "\x1b", b"\x1b"),
        ("ctrl+c", None, b"\x03"),
        ("ctrl+shift+c", None, b"\x03"),
        ("ctrl+@", None, b"\x00"),
        ("ctrl+space", None, b"\x00"),
        ("ctrl+right_square_bracket", "\x1d", b"\x1d"),
        ("ctrl+circumflex_accent", "\x1e", b"\x1e"),
        ("ctrl+slash", None, b"\x1f"),
        ("ctrl+question_mark", None, b"\x7f"),
        ("ctrl+3", None, b"\x1b"),
        ("ctrl+alt+c", None, b"\x1b\x03"),
        ("ctrl+backspace", None, b"\x08"),
        ("alt+enter", None, b"\x1b\r"),
        ("alt+backspace", None, b"\x1b\x7f"),
        ("alt+shift+x", None, b"\x1bX"),
        ("alt+plus", None, b"\x1b+"),
        ("alt++", None, b"\x1b+"),
        ("+", "+", b"+"),
        ("plus", "+", b"+"),
        ("ctrl+shift+left", None, b"\x1b[1;6D"),
        ("alt+delete", None, b"\x1b[3;3~"),
        ("shift+f2", None, b"\x1b[1;2Q"),
        ("f13", None, b"\x1b[1;2P"),
        ("f24", None, b"\x1b[24;2~"),
        ("f25", None, b""),
        ("decimal", None, b"."),
        ("less_than_sign", None, b"<"),
        ("super+c", None, b""),
        ("hyper+x", "x", b""),
        ("caps_lock", None, b""),
        ("left_shift", None, b""),
        ("<ignore>", "\x1b[57414u", b""),
        ("menu", None, b""),
        ("", None, b""),
    ],
)
def test_keys_by_name(key, character, sent):
    assert encode_key(key, character, app_cursor=False) == sent


@pytest.mark.parametrize(
    ("key", "plain", "application"),
    [
        ("up", b"\x1b[A", b"\x1bOA"),
        ("home", b"\x1b[H", b"\x1bOH"),
        ("ctrl+up", b"\x1b[1;5A", b"\x1b[1;5A"),
        ("f5", b"\x1b[15~", b"\x1b[15~"),
    ],
)
def test_application_cursor_keys(key, plain, application):
    assert encode_key(key, None, app_cursor=False) == plain
    assert encode_key(key, None, app_cursor=True) == application


def test_kitty_names_without_a_character_send_nothing_unexpected():
    from textual._keyboard_protocol import FUNCTIONAL_KEYS

    for name in set(FUNCTIONAL_KEYS.values()):
        sent = encode_key(name, None)
        silent = (
            "_" in name or name in ("pause", "menu") or name in {f"f{n}" for n in range(25, 36)}
        )
        assert (sent == b"") == silent, name


PASSWORD = "pä$$w0rd '\"`!\\|&;<>()[]{}*?~#%^=+-_.,:/@ 密码€🔑ABCDEFGHIJKLMN"


@pytest.mark.parametrize(
    ("text", "sent"),
    [
        (PASSWORD, PASSWORD.encode()),
        ("one\ntwo\r\nthree\rfour", b"one\rtwo\rthree\rfour"),
        ("a\x1b[201~rm -rf /\r", b"arm -rf /\r"),
        ("a\x1b[20\x1b[201~1~b", b"ab"),
        ("a\x1b[31mb\x03\x04\x00\x9b201~c\x7f", b"a[31mb201~c"),
        ("tab\there", b"tab\there"),
        ("\ud800x", b"x"),
        ("", b""),
    ],
)
def test_paste(text, sent):
    assert encode_paste(text, bracketed=False) == sent
    assert encode_paste(text, bracketed=True) == b"\x1b[200~" + sent + b"\x1b[201~"
