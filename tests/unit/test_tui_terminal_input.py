"""Pastes are taken out of what a terminal sends, however it is cut into reads."""

import random

import pytest
from textual import events

from tunnel_tui.tui.keys.terminal_input import ForgetfulParser, Input, Paste, wipe

BEGIN, END = b"\x1b[200~", b"\x1b[201~"
STREAM = (
    b"a\x1b[A"
    + BEGIN
    + b"one\x1b[20 \xe4\xb8"
    + END
    + b"\x1b[20"
    + BEGIN
    + END
    + b"\xc3\xa9"
    + BEGIN
)
WHOLE = [
    b"a\x1b[A" + BEGIN,
    b"one\x1b[20 \xe4\xb8",
    END + b"\x1b[20" + BEGIN,
    b"",
    END + b"\xc3\xa9" + BEGIN,
]


def parts_of(reads: list[bytes]) -> list[bytes]:
    """What comes out: text and pastes in turns, put together again."""
    source, parts, was_paste = Input(), [b""], False
    for read in reads:
        for part in source.split(bytearray(read + b"left from before"), len(read)):
            is_paste = isinstance(part, Paste)
            data = bytes(part.data) if isinstance(part, Paste) else part
            if is_paste or was_paste:
                parts.append(data)
            else:
                parts[-1] += data
            was_paste = is_paste
    return parts


@pytest.mark.parametrize("size", [1, 2, 3, 5, 6, 7, 11, 1000])
def test_any_cut_gives_the_same(size: int) -> None:
    assert parts_of([STREAM[n : n + size] for n in range(0, len(STREAM), size)]) == WHOLE


def test_random_cuts_give_the_same() -> None:
    for seed in range(500):
        chance, rest, reads = random.Random(seed), STREAM, []
        while rest:
            size = chance.randint(1, 9)
            reads.append(rest[:size])
            rest = rest[size:]
        assert parts_of(reads) == WHOLE, seed


def test_a_paste_does_not_tell_what_it_contains() -> None:
    paste = Paste(bytearray(b"pass\x00word"))
    assert "pass" not in repr(paste) + str(paste)
    assert paste.text == "password"
    wipe(paste.data)
    assert paste.data == bytes(9)
    assert paste.handler_name == "on_paste"


def test_the_toolkits_parser_forgets_too() -> None:
    parser = ForgetfulParser(False)
    found = [event for event in parser.feed("x\x1b[200~sec") if isinstance(event, events.Paste)]
    found += [event for event in parser.feed("ret\x1b[201~y") if isinstance(event, events.Paste)]
    assert [event.text for event in found] == ["secret"]
    assert "secret" not in map(str, (parser._gen.gi_frame.f_locals or {}).values())
