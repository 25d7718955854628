"""What commands print: safe text, colour where a person watches, documented line formats.

Data goes to stdout, messages to stderr. A reader that goes away (`| head`) silences stdout and
does not disturb the work that is under way.
"""

import os
import sys
from collections.abc import Iterable, Mapping
from typing import TextIO

from tunnel_tui.errors import TunnelTuiError

_STYLES = {
    "RUNNING": "32",
    "STARTING": "33",
    "DEAD": "31",
    "INTERACTIVE": "35",
    "STOPPED": "2",
    "heading": "1",
    "dim": "2",
    "good": "32",
    "warning": "33",
    "bad": "31",
}
"""SGR parameters of ECMA-48: the 16 colours that every terminal has."""

_JOINERS = "\u200c\u200d"
"""Needed inside emoji and Persian words; they move nothing."""


def safe(text: str) -> str:
    """Show control characters, direction overrides and undecodable bytes as escapes.

    Everything that prints, spaces included, stays as it is.
    """
    if text.isprintable():
        return text
    return "".join(map(_safe_character, text))


def _safe_character(character: str) -> str:
    if character.isprintable() or character in _JOINERS:
        return character
    code = ord(character)
    if 0xDC80 <= code <= 0xDCFF:  # a byte that was not UTF-8 (PEP 383)
        return f"\\x{code - 0xDC00:02x}"
    if character.isspace() and code > 0xFF and code not in (0x2028, 0x2029):
        return character
    if code <= 0xFF:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"


def pad(text: str, width: int) -> str:
    """Fill up to `width` terminal cells; wide characters take two, combining ones none."""
    if text.isascii():
        return text.ljust(width)
    from unicodedata import combining, east_asian_width

    cells = sum(
        0 if combining(c) or c in _JOINERS or c == "\ufe0f" else 1 + (east_asian_width(c) in "WF")
        for c in text
    )
    return text + " " * (width - cells)


class Output:
    """Stdout and stderr of one command.

    Attributes:
        watched: a person reads stdout on a terminal.
        closed: the reader of stdout went away; what is printed is dropped.
    """

    def __init__(
        self, stdout: TextIO | None, stderr: TextIO | None, environment: Mapping[str, str]
    ) -> None:
        self._out = stdout
        self._err = stderr
        self.closed = stdout is None
        self.watched = stdout is not None and stdout.isatty()
        dumb = environment.get("TERM", "dumb") == "dumb"
        plain = dumb or bool(environment.get("NO_COLOR"))
        messages_watched = stderr is not None and stderr.isatty()
        self._colour = self.watched and not plain
        self._colour_messages = messages_watched and not plain
        self._erases = messages_watched and not dumb
        self._unfinished = False

    def paint(self, text: str, style: str) -> str:
        """Colour `text` for stdout, if a person watches and did not ask for none."""
        return f"\x1b[{_STYLES[style]}m{text}\x1b[0m" if self._colour and text else text

    def heading(self, text: str) -> None:
        """Print a heading."""
        self.lines((self.paint(safe(text), "heading"),))

    def lines(self, lines: Iterable[str]) -> None:
        """Print lines (already safe) to stdout in one write."""
        self.write("".join([f"{line}\n" for line in lines]))

    def write(self, text: str) -> None:
        """Print text (already safe) to stdout.

        Raises:
            OSError: stdout cannot take it, for example because a disk is full.
        """
        if self.closed or self._out is None:
            return
        try:
            self._out.write(text)
            self._out.flush()
        except BrokenPipeError:
            self._silence()

    def reader_gone(self) -> bool:
        """Say whether the other end of the pipe was closed, without writing to it."""
        if self.closed or self.watched or self._out is None:
            return self.closed
        import select

        poll = select.poll()
        poll.register(self._out.fileno(), 0)
        return any(event & select.POLLERR for _, event in poll.poll(0))

    def json(self, value: object) -> None:
        """Print a value as indented JSON in ASCII, which every reader decodes alike."""
        import json

        self.write(json.dumps(value, indent=2) + "\n")

    def info(self, text: str) -> None:
        """Print a message."""
        self._message("INFO", "dim", text)

    def warning(self, text: str) -> None:
        """Print a warning."""
        self._message("WARNING", "warning", text)

    def error(self, text: str, advice: str = "") -> None:
        """Print an error and, below it, what to do."""
        self._message("ERROR", "bad", text)
        if advice:
            self.note(advice)

    def failure(self, error: TunnelTuiError) -> None:
        """Print a typed error: title, particulars, what to do."""
        first, *more = error.detail.splitlines() or [""]
        self.error(f"{error.title}: {first}" if first else error.title)
        for line in more:
            self.note(line)
        if error.advice:
            self.note(error.advice)

    def note(self, text: str) -> None:
        """Print a line that belongs to the message above."""
        self._tell(f"  {safe(text)}\n")

    def erase_progress(self) -> None:
        """Remove the unfinished line (a progress bar), if there is one, from the terminal."""
        if self._unfinished:
            self._unfinished = False
            self._tell("\r\x1b[K")

    def progress(self, text: str) -> None:
        """Replace the unfinished line; nothing where nobody watches or a line cannot be erased."""
        if self._erases:
            self._unfinished = True
            self._tell(f"\r\x1b[K{text}")

    def _message(self, label: str, style: str, text: str) -> None:
        if self._colour_messages:
            label = f"\x1b[{_STYLES[style]}m{label}\x1b[0m"
        self._tell(f"{label}: {safe(text)}\n")

    def _tell(self, text: str) -> None:
        if self._err is None:
            return
        try:
            self._err.write(text)
            self._err.flush()
        except OSError:
            self._err = None

    def _silence(self) -> None:
        """Send the rest of stdout nowhere, so that flushing at exit cannot fail either."""
        self.closed = True
        if self._out is sys.stdout:
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, 1)
            os.close(nowhere)
