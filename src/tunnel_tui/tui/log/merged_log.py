"""All logs as one: lines of many followers, each led by the name of its tunnel. No thread here."""

import re
from collections.abc import Sequence

from tunnel_tui.logs.follow import LogUpdate
from tunnel_tui.tui.engine.engine import Follower

SEPARATOR = "\x1f"
"""Between name and line; a sanitised line has no control characters of its own."""
LEAST = 40
"""Lines of each log at the opening, however many logs there are."""
_STAMP = re.compile(r"\[?(\d{4})[/-](\d\d)[/-](\d\d) (\d\d:\d\d:\d\d)")


class MergedFollower:
    """Follows several logs. A line without a time of its own belongs to the one above it."""

    def __init__(self, followers: Sequence[tuple[str, Follower]]) -> None:
        self._followers = followers

    def open(self, lines: int) -> list[str]:
        """Go to the end of each and return their last lines in the order of time."""
        share = max(LEAST, lines // max(1, len(self._followers)))
        stamped: list[tuple[str, int, str]] = []
        for name, follower in self._followers:
            stamp = ""
            for line in follower.open(share):
                found = _STAMP.match(line)
                stamp = "".join(found.groups()) if found else stamp
                stamped.append((stamp, len(stamped), f"{name}{SEPARATOR}{line}"))
        return [line for _, _, line in sorted(stamped)][-lines:]

    def poll(self) -> LogUpdate:
        """Return what came since; a log that began anew just goes on."""
        lines: list[str] = []
        more = False
        for name, follower in self._followers:
            update = follower.poll()
            more = more or update.more
            lines += (f"{name}{SEPARATOR}{line}" for line in update.lines)
        return LogUpdate(False, lines, more)

    def close(self) -> None:
        """Let go of the files."""
        for _, follower in self._followers:
            follower.close()
