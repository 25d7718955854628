"""Keys and passes: what opens the door, and what wrong tries cost. Knows no HTTP."""

import hashlib
import hmac
import secrets
import time
from collections.abc import Callable, Iterable
from typing import NamedTuple

PASS_LIFETIME = 12 * 3600
"""Seconds that a browser stays logged in."""
LONGEST_DELAY = 1.0
_FIRST_DELAY = 0.05
_MOST_WAITING = 64
_MOST_SOURCES = 1000
_MINUTE = 60.0
_CLEANING = 1.0
_OTHERS = "(others)"

Clock = Callable[[], float]


class Keys:
    """The keys, kept as digests: all are of one length, and no key lies about in memory."""

    def __init__(self, keys: Iterable[str]) -> None:
        self._digests = [_digest(key) for key in keys]

    def __bool__(self) -> bool:
        return bool(self._digests)

    def open_for(self, key: str) -> bool:
        """Compare with every key, in a time that says nothing about any of them."""
        digest, found = _digest(key), False
        for known in self._digests:
            found |= hmac.compare_digest(known, digest)
        return found


class Passes:
    """Signed cookies. The secret is made anew at each start: a restart logs everybody out."""

    def __init__(self, clock: Clock = time.time) -> None:
        self._secret = secrets.token_bytes(32)
        self._clock = clock

    def issue(self) -> str:
        """Make a pass that is good for PASS_LIFETIME."""
        text = f"{int(self._clock()) + PASS_LIFETIME}.{secrets.token_hex(8)}"
        return f"{text}.{self._sign(text)}"

    def is_good(self, text: str) -> bool:
        """Say whether a pass is ours and not too old."""
        content, _, signature = text.rpartition(".")
        expected = self._sign(content)
        if not hmac.compare_digest(expected.encode(), signature.encode("utf-8", "replace")):
            return False
        return int(content.partition(".")[0]) > self._clock()

    def _sign(self, text: str) -> str:
        data = text.encode("utf-8", "replace")
        return hmac.new(self._secret, data, hashlib.sha256).hexdigest()


class Record(NamedTuple):
    """The refusals of one source.

    Attributes:
        since: when the present minute of it began.
        times: refusals in that minute.
    """

    since: float
    times: int


class Refusals:
    """Counts what is refused: how long the next one waits, and when to say so."""

    def __init__(self, say: Callable[[str, str, int], None], clock: Clock = time.monotonic) -> None:
        """Args: `say` gets the source, why, and how many more were refused since the last time."""
        self._say = say
        self._clock = clock
        self._records: dict[str, Record] = {}
        self._cleaned = clock()
        self.waiting = 0

    def count(self, source: str, why: str) -> None:
        """Count one refusal; it is told at most once a minute for each source."""
        now = self._clock()
        if source not in self._records and len(self._records) >= _MOST_SOURCES:
            self._forget(now)
            if len(self._records) >= _MOST_SOURCES:
                source = _OTHERS
        record = self._records.get(source)
        if record is None or now - record.since >= _MINUTE:
            self._records[source] = Record(now, 1)
            self._say(source, why, record.times - 1 if record else 0)
        else:
            self._records[source] = record._replace(times=record.times + 1)

    def delay(self, source: str) -> float | None:
        """Say how many seconds an answer to `source` has to wait; None: too many wait already."""
        if self.waiting >= _MOST_WAITING:
            return None
        record = self._records.get(source) or self._records.get(_OTHERS)
        tries = min(record.times if record else 1, 10)
        return float(min(LONGEST_DELAY, _FIRST_DELAY * 2 ** (tries - 1)))

    def _forget(self, now: float) -> None:
        if now - self._cleaned < _CLEANING:
            return
        self._cleaned = now
        self._records = {
            source: record
            for source, record in self._records.items()
            if now - record.since < _MINUTE
        }


def _digest(key: str) -> bytes:
    return hashlib.sha256(key.encode("utf-8", "surrogateescape")).digest()
