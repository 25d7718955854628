"""What the watcher says: one line for each event, `key=value`, for people and for programs."""

import os
import select
from collections.abc import Callable
from datetime import datetime

from tunnel_tui.logs.sanitise import sanitise
from tunnel_tui.model import TunnelSpec

LONGEST = 2000
"""Bytes of a line: a pipe takes so much at once or nothing (pipe(7), PIPE_BUF)."""
_VALUE = 400
_PATIENCE = 1.0
"""Seconds to wait for a reader that has stalled, before a line is dropped."""
_PLAIN = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.:/@+,%[]()")

Sink = Callable[[str], None]


class EventLog:
    """Writes events; `sink` gets each line without its line feed."""

    def __init__(self, sink: Sink, clock: Callable[[], float] | None = None) -> None:
        self._sink = sink
        self._clock = clock

    def info(self, event: str, spec: TunnelSpec | None = None, **fields: object) -> None:
        """Say what went as it should."""
        self._write("info", event, spec, fields)

    def warning(self, event: str, spec: TunnelSpec | None = None, **fields: object) -> None:
        """Say what passes by itself, or nearly so."""
        self._write("warning", event, spec, fields)

    def error(self, event: str, spec: TunnelSpec | None = None, **fields: object) -> None:
        """Say what needs a person."""
        self._write("error", event, spec, fields)

    def _write(
        self, level: str, event: str, spec: TunnelSpec | None, fields: dict[str, object]
    ) -> None:
        moment = datetime.fromtimestamp(self._clock()) if self._clock else datetime.now()
        stamp = moment.astimezone().isoformat(timespec="milliseconds")
        parts = [f"time={stamp}", f"level={level}", f"event={event}"]
        if spec is not None:
            parts += [f"tunnel={quote(spec.name)}", f"hash={spec.hash[:8]}"]
        parts += [
            f"{key}={quote(value)}" for key, value in fields.items() if value not in ("", None)
        ]
        self._sink(" ".join(parts))


def quote(value: object) -> str:
    """Spell a value so that it stays one word: plain, or in double quotes with escapes."""
    text = sanitise(str(value), _VALUE)
    if text and _PLAIN.issuperset(text):
        return text
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


class DescriptorSink:
    """Writes lines to a file descriptor, at once; never blocks for long, never raises.

    A reader that has gone or stalled costs lines, not tunnels. How many is said later.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self.dropped = 0

    def __call__(self, line: str) -> None:
        """Write a line, or count it as lost."""
        if self.dropped and self._write(f"level=warning event=lines-lost count={self.dropped}"):
            self.dropped = 0
        if not self._write(line):
            self.dropped += 1

    def _write(self, line: str) -> bool:
        data = line.encode("utf-8", "replace")[: LONGEST - 1] + b"\n"
        try:
            poll = select.poll()
            poll.register(self._descriptor, select.POLLOUT)
            ready = poll.poll(0 if self.dropped else _PATIENCE * 1000)
            if not ready or not ready[0][1] & select.POLLOUT:
                return False
            return os.write(self._descriptor, data) == len(data)
        except OSError:
            return False
