"""Keys and passes: what opens the door, and what wrong tries cost. Knows no HTTP."""

import hashlib
import hmac
import secrets
import time
from collections.abc import Callable, Iterable
from typing import NamedTuple

PASS_LIFETIME = 12 * 3600
"""Seconds that a browser stays logged in."""
LINK_LIFETIME = 10 * 60
"""Seconds that the link of the start can be used."""
LONGEST_DELAY = 1.0
_FIRST_DELAY = 0.05
_MOST_WAITING = 64
_MOST_SOURCES = 1000
_MOST_PASSES = 1000
_MINUTE = 60.0
_CLEANING = 1.0
_OTHERS = "(others)"

Clock = Callable[[], float]


class Keys:
    """The keys, kept as digests: all are of one length, and no key lies about in memory."""

    def __init__(self, keys: Iterable[str]) -> None:
        self._digests = [_digest(key) for key in keys]

    def open_for(self, key: str) -> bool:
        """Compare with every key, in a time that says nothing about any of them."""
        digest, found = _digest(key), False
        for known in self._digests:
            found |= hmac.compare_digest(known, digest)
        return found


class SessionTokens:
    """What browsers are given for a key. Known here only: the server's end ends them all."""

    def __init__(self, clock: Clock = time.monotonic) -> None:
        self._clock = clock
        self._ends: dict[bytes, float] = {}

    def issue(self) -> str:
        """Make a pass that is good for PASS_LIFETIME."""
        now = self._clock()
        self._ends = {digest: end for digest, end in self._ends.items() if end > now}
        if len(self._ends) >= _MOST_PASSES:
            del self._ends[next(iter(self._ends))]
        text = secrets.token_urlsafe(32)
        self._ends[_digest(text)] = now + PASS_LIFETIME
        return text

    def is_good(self, text: str) -> bool:
        """Say whether a pass is ours, not too old and not taken back."""
        # Of the digest, the time of a look-up may say what it likes.
        return self._ends.get(_digest(text), 0.0) > self._clock()

    def take_back(self, text: str) -> None:
        """End a pass."""
        self._ends.pop(_digest(text), None)


class Link:
    """The token of the link that is printed at the start: it opens once, and soon or never."""

    def __init__(self, clock: Clock = time.monotonic) -> None:
        self.token = secrets.token_urlsafe(32)
        self._digest = _digest(self.token)
        self._clock = clock
        self._end = clock() + LINK_LIFETIME

    def fits(self, token: str) -> bool:
        """Say whether this is the token, and not too late."""
        right = hmac.compare_digest(self._digest, _digest(token))
        return right and self._clock() < self._end

    def use_up(self) -> None:
        """Let nobody in by it any more."""
        self._end = 0.0


class Record(NamedTuple):
    """The refusals of one source.

    Attributes:
        since: when the present minute of it began.
        times: refusals in that minute.
    """

    since: float
    times: int


class LoginThrottle:
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
