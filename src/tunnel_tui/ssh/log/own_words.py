"""Which lines of a tunnel's log ssh, autossh and we have said, and which a server has made up.

ssh writes some words of a server as they come, line feeds and all: the reason of a disconnect, the
methods that it takes, why it refuses a channel. What follows such a line may be the server's own
invention. It ends at a line that names a process which the server cannot know: autossh's with
its pid, or ssh's with what LogVerbose puts in front (file, function, line and pid).
"""

import re
from collections.abc import Iterable

from tunnel_tui.ssh.log.phrases import ORIGIN

_FROM_SSH = re.compile(ORIGIN)
_FROM_AUTOSSH = re.compile(r"^\d{4}/\d\d/\d\d \d\d:\d\d:\d\d autossh\[(\d{1,9})\]: ")
_BEGINS = re.compile(r"port set to 0|starting ssh \(count 1\)$")
_CHILD = re.compile(r"ssh child pid is (\d{1,9})$")
_FROM_US = re.compile(r"^\d{4}/\d\d/\d\d \d\d:\d\d:\d\d tunnel-tui\[(\d{1,9})\]: ")
_CARRIES = re.compile(
    r"^(?:Received disconnect from |Disconnect|Unable to negotiate with |Bad remote protocol "
    r"|channel \d+: open failed: |Remote: |[^ ]{1,300}: Permission denied \()"
)
"""Messages of ssh with words of the server in them."""


def own_words(
    lines: Iterable[str], leader: int, starter: int = 0, *, whole: bool = True
) -> list[str]:
    """Leave out what a server may have put into a log.

    Args:
        lines: of one run or of several, oldest first.
        leader: the process that was started as the tunnel: autossh, or ssh where there is none;
            0: not known, then any autossh is believed.
        starter: the process of ours that started it; 0: not known.
        whole: the first line is the first of the log; else it may be the rest of anything.
    """
    kept: list[str] = []
    pids = {leader}
    doubtful, begun = not whole, ""
    for line in lines:
        if autossh := _FROM_AUTOSSH.match(line):
            if leader in (0, int(autossh[1])):
                kept += [begun, line] if begun and _BEGINS.search(line) else [line]
                pids.update(int(pid) for pid in _CHILD.findall(line))
                doubtful, begun = False, ""
            elif not doubtful:
                kept.append(line)  # of an earlier run
        elif ssh := _FROM_SSH.match(line):
            if int(ssh["pid"]) in pids or (leader == 0 and not doubtful):
                kept.append(line)
                doubtful = _CARRIES.match(line[ssh.end() :]) is not None
        elif (ours := _FROM_US.match(line)) and starter and int(ours[1]) == starter:
            kept.append(line)
            doubtful = False
        elif not doubtful:
            kept.append(line)
            doubtful = _CARRIES.match(line) is not None
        elif ours:
            begun = line  # if autossh says that it has begun, too
    return kept
