"""Input from the terminal that leaves nothing of a pasted secret in memory.

Textual makes strings of a paste, which cannot be wiped: its parser keeps the last one, and more of
it lies in freed memory until something else happens to be written there. So a paste is taken out
of what was read before it becomes text.
"""

import os
import selectors
from codecs import getincrementaldecoder
from collections.abc import Iterable, Iterator

from textual import events
from textual._xterm_parser import XTermParser  # private; as in Textual 8.2
from textual.driver import Driver
from textual.drivers.linux_driver import LinuxDriver
from textual.message import Message

_READ = 4096
_BEGIN, _END = b"\x1b[200~", b"\x1b[201~"
_PAUSE = 0.1
"""Seconds of silence after which a lone escape is a key of its own, as in Textual's driver."""


class Paste(events.Paste):
    """A paste that can be wiped, and tells nobody what it contains: events are printed in errors.

    Attributes:
        data: what was pasted, in UTF-8 as far as the terminal sent that.
    """

    def __init__(self, data: bytearray) -> None:
        events.Event.__init__(self)
        self.data = data

    @property
    def text(self) -> str:  # type: ignore[override]
        """What was pasted, for whom it is no secret."""
        return self.data.decode("utf-8", "replace").replace("\x00", "")

    def __rich_repr__(self) -> Iterator[tuple[str, int]]:
        yield "length", len(self.data)

    def wipe(self) -> None:
        """Overwrite it."""
        wipe(self.data)


def wipe(data: bytearray) -> None:
    """Overwrite what was secret; the length stays."""
    data[:] = bytes(len(data))


class Input:
    """Parts what a terminal sends into text and pastes, however it is cut into reads."""

    def __init__(self) -> None:
        self._chunks: list[bytearray] | None = None
        self._tail = b""

    def split(self, read: bytearray, count: int) -> Iterator[bytes | Paste]:
        """Yield text as bytes, with the marks around a paste, and pastes without them.

        Args:
            read: what was read; not kept.
            count: how many bytes of it.
        """
        begin = 0
        while begin < count:
            end = self._find(_BEGIN if self._chunks is None else _END, read, begin, count)
            upto = count if end < 0 else end
            if self._chunks is None:
                yield bytes(memoryview(read)[begin:upto])
                if end >= 0:
                    self._chunks = []
            else:
                self._chunks.append(read[begin:upto])
                if end >= 0:
                    yield self._whole(self._chunks)
                    self._chunks = None
                    yield _END
            begin = upto

    def _find(self, mark: bytes, read: bytearray, begin: int, count: int) -> int:
        """Return where a mark ends, which may have begun in what was read before; -1: nowhere."""
        tail, size = self._tail, len(mark)
        at = (tail + read[begin : min(count, begin + size)]).find(mark)
        end = begin + at - len(tail) if at >= 0 else read.find(mark, begin, count)
        # Only what may be the beginning of a mark is kept: the rest may be part of a secret.
        recent = bytes(tail + read[max(begin, count - size + 1) : count])[1 - size :]
        escape = recent.rfind(b"\x1b") if at < 0 and end < 0 else -1
        self._tail = recent[escape:] if escape >= 0 else b""
        return end + size if at >= 0 or end >= 0 else -1

    def _whole(self, chunks: list[bytearray]) -> Paste:
        data = bytearray().join(chunks)
        for chunk in chunks:
            wipe(chunk)
        del data[-len(_END) :]
        return Paste(data)


class ForgetfulParser(XTermParser):
    """Textual's parser, which does not hold on to what was pasted."""

    def feed(self, data: str) -> Iterable[Message]:
        """Parse what was read; see `XTermParser`."""
        pasted = False
        for event in super().feed(data):
            if isinstance(event, events.Paste):
                pasted = True
                event = Paste(bytearray(event.text.encode("utf-8", "replace")))
            yield event
        if pasted:
            for _ in super().feed((_BEGIN + _END).decode()):  # takes the place of the last one
                pass


class ForgetfulDriver(LinuxDriver):
    """Textual's driver, which wipes what it has read."""

    def run_input_thread(self) -> None:
        """Read and pass on until the driver is stopped."""
        parser = XTermParser(self._debug)
        decode = getincrementaldecoder("utf-8")("replace").decode
        buffer, source = bytearray(_READ), Input()
        with selectors.SelectSelector() as selector:
            selector.register(self.fileno, selectors.EVENT_READ)
            while not self.exit_event.is_set():
                if selector.select(_PAUSE):
                    count = os.readv(self.fileno, [buffer])
                    if not count:  # the terminal is gone
                        self.exit_event.wait(_PAUSE)
                    for part in source.split(buffer, count):
                        if isinstance(part, Paste):
                            self.process_message(part)
                        elif text := decode(part):
                            self._pass_on(parser.feed(text))
                    wipe(buffer)
                self._pass_on(parser.tick())

    def _pass_on(self, messages: Iterable[Message]) -> None:
        for message in messages:
            if not isinstance(message, events.Paste):  # of its marks, without what was between
                self.process_message(message)


def forgetful(driver: type[Driver]) -> type[Driver]:
    """Return what forgets, in the place of a driver of Textual's."""
    if driver is LinuxDriver:
        return ForgetfulDriver
    if driver.__module__ == "textual.drivers.web_driver":
        from textual.drivers import web_driver

        # Its loop makes a parser by this name (Textual 8.2); all else there is as it should be.
        web_driver.XTermParser = ForgetfulParser  # type: ignore[attr-defined]
    return driver
