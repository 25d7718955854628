"""Splits a child's output into text, controls and escape sequences.

The states follow Paul Williams' parser for DEC's terminals (vt100.net/emu/dec_ansi_parser), over
decoded text. Nothing that a child sends makes it grow: sequences are capped, the payload of DCS,
APC, PM and SOS is never kept, that of OSC only as far as a title can be long.
"""

import re
from enum import Enum
from typing import Protocol

MAX_TEXT = 1024  # characters in one call of `text`: the unit between two looks at the clock
MAX_SEQUENCE = 256  # characters of one CSI sequence; longer ones are ignored up to their end
MAX_PAYLOAD = 512  # characters of an OSC that are kept
MAX_STRING = 1 << 20  # characters swallowed by a string that never ends

_TEXT = re.compile(rf"[^\x00-\x1f\x7f]{{1,{MAX_TEXT}}}")
_CSI = re.compile(rf"\x1b\[([<=>?]?)([0-9:;]{{0,{MAX_SEQUENCE}}})([ -/]{{0,4}})([@-~])")
_STRING_END = re.compile("[\x07\x18\x1a\x1b\x9c]")
_CSI_BODY = re.compile(r"([<=>?]?)([0-9:;]*)([ -/]*)")
_STRING_STARTS = {"]": "OSC", "P": "DCS", "_": "APC", "^": "PM", "X": "SOS", "k": "title"}


class Handler(Protocol):
    """What the tokenizer calls."""

    def text(self, text: str) -> None:
        """Take printable text (and C1 controls, which are not to be shown)."""

    def control(self, character: str) -> None:
        """Take one C0 control other than ESC."""

    def escape(self, intermediates: str, final: str) -> None:
        """Take `ESC … final`."""

    def csi(self, prefix: str, parameters: str, intermediates: str, final: str) -> None:
        """Take a well-formed CSI sequence."""

    def string(self, kind: str, payload: str) -> None:
        """Take a finished OSC, cut to `MAX_PAYLOAD`; other kinds come with an empty payload."""


class _State(Enum):
    GROUND = 0
    ESCAPE = 1
    CSI = 2
    STRING = 3


class Tokenizer:
    """Calls a handler for each token; keeps unfinished sequences between calls."""

    def __init__(self, handler: Handler) -> None:
        self._handler = handler
        self._state = _State.GROUND
        self._held = ""  # intermediates of ESC, body of CSI or payload of OSC, so far
        self._kind = ""
        self._swallowed = 0
        self._ignored = False

    def step(self, text: str, position: int) -> int:
        """Handle one token of `text` from `position` on and return where the next one begins."""
        if self._state is _State.GROUND:
            return self._ground(text, position)
        if self._state is _State.STRING:
            return self._string(text, position)
        character = text[position]
        if character < " " or character == "\x7f":
            self._interrupt(character)
        elif self._state is _State.ESCAPE:
            self._escape(character)
        else:
            self._csi(character)
        return position + 1

    def _ground(self, text: str, position: int) -> int:
        character = text[position]
        if character >= " " and character != "\x7f":
            match = _TEXT.match(text, position)
            assert match is not None
            self._handler.text(match.group())
            return match.end()
        if character != "\x1b":
            self._handler.control(character)
            return position + 1
        match = _CSI.match(text, position)
        if match is not None:
            prefix, parameters, intermediates, final = match.groups()
            self._handler.csi(prefix, parameters, intermediates, final)
            return match.end()
        self._begin(_State.ESCAPE)
        return position + 1

    def _begin(self, state: _State) -> None:
        self._state = state
        self._held = ""
        self._swallowed = 0
        self._ignored = False

    def _interrupt(self, character: str) -> None:
        """Handle a control inside a sequence: ESC begins anew, CAN and SUB abort, others act."""
        if character == "\x1b":
            self._begin(_State.ESCAPE)
        elif character in "\x18\x1a":
            self._begin(_State.GROUND)
        else:
            self._handler.control(character)

    def _escape(self, character: str) -> None:
        if " " <= character <= "/":
            self._held = (self._held + character)[:4]
        elif self._held or character not in "[]P_^Xk":
            held = self._held
            self._begin(_State.GROUND)
            if character <= "~":
                self._handler.escape(held, character)
        elif character == "[":
            self._begin(_State.CSI)
        else:
            self._begin(_State.STRING)
            self._kind = _STRING_STARTS[character]

    def _csi(self, character: str) -> None:
        if not "@" <= character <= "~":
            self._ignored = self._ignored or character > "~" or len(self._held) >= MAX_SEQUENCE
            if not self._ignored:
                self._held += character
            return
        match = None if self._ignored else _CSI_BODY.fullmatch(self._held)
        self._begin(_State.GROUND)
        if match is not None:
            prefix, parameters, intermediates = match.groups()
            self._handler.csi(prefix, parameters, intermediates, character)

    def _string(self, text: str, position: int) -> int:
        limit = min(len(text), position + 65536)
        match = _STRING_END.search(text, position, limit)
        end = match.start() if match is not None else limit
        if self._kind == "OSC" and len(self._held) < MAX_PAYLOAD:
            room = MAX_PAYLOAD - len(self._held)
            self._held += text[position : min(end, position + room)]
        self._swallowed += end - position
        if match is None:
            if self._swallowed > MAX_STRING:
                self._begin(_State.GROUND)
            return end
        ender = match.group()
        if ender == "\x07" and self._kind != "OSC":
            return end + 1
        if ender not in "\x18\x1a":
            self._handler.string(self._kind, self._held)
        # The backslash of ST is then an escape sequence of its own, which does nothing.
        self._begin(_State.ESCAPE if ender == "\x1b" else _State.GROUND)
        return end + 1
