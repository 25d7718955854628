"""The tokenizer: what becomes a token, what is swallowed, and that nothing piles up."""

import random

import pytest

from tunnel_tui.terminal.tokenizer import MAX_PAYLOAD, MAX_STRING, Tokenizer


class Recorder:
    def __init__(self):
        self.tokens = []

    def text(self, text):
        if self.tokens and self.tokens[-1][0] == "text":
            self.tokens[-1] = ("text", self.tokens[-1][1] + text)
        else:
            self.tokens.append(("text", text))

    def control(self, character):
        self.tokens.append(("control", character))

    def escape(self, intermediates, final):
        self.tokens.append(("escape", intermediates + final))

    def csi(self, prefix, parameters, intermediates, final):
        self.tokens.append(("csi", prefix, parameters, intermediates, final))

    def string(self, kind, payload):
        self.tokens.append(("string", kind, payload))


def tokens_of(text, size=None):
    recorder = Recorder()
    tokenizer = Tokenizer(recorder)
    for start in range(0, len(text), size or len(text)):
        piece = text[start : start + (size or len(text))]
        position = 0
        while position < len(piece):
            position = tokenizer.step(piece, position)
    return recorder.tokens


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain", [("text", "plain")]),
        ("a\r\nb", [("text", "a"), ("control", "\r"), ("control", "\n"), ("text", "b")]),
        ("\x1b[31mx", [("csi", "", "31", "", "m"), ("text", "x")]),
        ("\x1b[?25lx", [("csi", "?", "25", "", "l"), ("text", "x")]),
        ("\x1b[2 qx", [("csi", "", "2", " ", "q"), ("text", "x")]),
        ("\x1b[4\x081A", [("control", "\b"), ("csi", "", "41", "", "A")]),
        ("\x1b[31\x18x", [("text", "x")]),
        ("\x1b[31\x1b[1mx", [("csi", "", "1", "", "m"), ("text", "x")]),
        ("\x1b(0x", [("escape", "(0"), ("text", "x")]),
        ("\x1b7", [("escape", "7")]),
        ("\x1b[²mx", [("text", "x")]),
        ("\x1b[1?2mx", [("text", "x")]),
        ("\x1b]0;title\x07x", [("string", "OSC", "0;title"), ("text", "x")]),
        (
            "\x1b]0;title\x1b\\x",
            [("string", "OSC", "0;title"), ("escape", "\\"), ("text", "x")],
        ),
        ("\x1b]0;title\x18x", [("text", "x")]),
    ],
)
def test_tokens(text, expected):
    assert tokens_of(text) == expected
    assert tokens_of(text, size=1) == expected, "the same when it arrives byte by byte"


@pytest.mark.parametrize("start", ["\x1bP", "\x1b_", "\x1b^", "\x1bX", "\x1bk"])
def test_payloads_of_other_strings_are_swallowed(start):
    found = tokens_of(f"a{start}1;secret\x07\r\n payload\x1b\\b")
    assert found[0] == ("text", "a")
    assert found[-1] == ("text", "b")
    assert not any("payload" in part for token in found for part in token)


def test_overlong_csi_is_ignored_up_to_its_end():
    assert tokens_of("\x1b[" + "1;" * 5000 + "mx") == [("text", "x")]


def test_osc_payload_is_capped():
    (_, _, payload), _ = tokens_of("\x1b]0;" + "a" * 100_000 + "\x07x")
    assert len(payload) == MAX_PAYLOAD


def test_a_string_without_end_does_not_swallow_the_session():
    found = tokens_of("\x1bP" + "a" * (MAX_STRING + 70_000) + "prompt:")
    assert found[-1][1].endswith("prompt:")


def test_cut_anywhere_means_the_same():
    source = random.Random(7)
    alphabet = "ab\x1b[]P\\;?0123mHJ\x07\x18\r\n中²("
    for _ in range(300):
        text = "".join(source.choice(alphabet) for _ in range(60))
        whole = tokens_of(text)
        assert tokens_of(text, size=1) == whole, repr(text)
        assert tokens_of(text, size=7) == whole, repr(text)
