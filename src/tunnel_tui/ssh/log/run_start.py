"""Where in a log a run begins: lines of autossh and of ours, by pids that no server can know."""

from typing import NamedTuple

_AUTOSSH = b"]: starting ssh (count "
_OURS = b"]: starting "


class RunStart(NamedTuple):
    """Whose lines begin a run.

    Attributes:
        leader: the autossh that was started; 0: any.
        starter: the process of ours that started it; 0: any.
    """

    leader: int = 0
    starter: int = 0

    def find(self, data: bytes) -> int:
        """Find the last line that begins a run: the place of the `]` behind the pid; -1: none."""
        autossh = b" autossh[%d" % self.leader if self.leader else b""
        found = _after(data.rfind(autossh + _AUTOSSH), autossh)
        if self.starter:
            ours = b" tunnel-tui[%d" % self.starter
            return max(found, _after(data.rfind(ours + _OURS), ours))
        place = data.rfind(b" tunnel-tui[")
        while place > found:
            bracket = data.find(_OURS, place, place + 32)
            if bracket >= 0:
                return bracket
            place = data.rfind(b" tunnel-tui[", 0, place)
        return found

    def number(self, data: bytes, start: int) -> int:
        """Read N of autossh's "starting ssh (count N)" at a place; 0: the line is not autossh's."""
        if start < 0 or not data.startswith(_AUTOSSH, start):
            return 0
        begin = start + len(_AUTOSSH)
        digits = data[begin : begin + 12].split(b")")[0].split(b" ")[0]
        return int(digits) if digits.isdigit() else 0


ANYBODY = RunStart()
"""Any autossh and any process of ours."""


def _after(place: int, words: bytes) -> int:
    return place + len(words) if place >= 0 else -1
