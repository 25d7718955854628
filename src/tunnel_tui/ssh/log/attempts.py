"""What the end of a log tells of a tunnel that does not stand: why, since when, how often tried."""

import re
import time
from collections.abc import Sequence
from typing import NamedTuple

from tunnel_tui.model import Reason, TunnelSpec
from tunnel_tui.ssh.client_config import SshClient
from tunnel_tui.ssh.log.reasons import (
    SSH_START,
    attempts_of,
    begins_run,
    ends_attempt,
    find_reason,
    succeeded,
)

_STAMP = re.compile(r"(\d{4})/(\d\d)/(\d\d) (\d\d):(\d\d):(\d\d) ")


class AttemptHistory(NamedTuple):
    """The story up to now.

    Attributes:
        reason: the last failure; None where there was none.
        stood: the forward stood once in this run, as far as the lines go back.
        trying: the last attempt has not ended yet.
        attempts: connections begun since then (since the start, if it never stood).
        down_since: epoch seconds when it fell, or when the first attempt began.
        ended: epoch seconds of autossh's last words about an end.
        begun: epoch seconds of our last start of this tunnel; None where the lines lack it.
    """

    reason: Reason | None = None
    stood: bool = False
    trying: bool = True
    attempts: int = 0
    down_since: float | None = None
    ended: float | None = None
    begun: float | None = None


def tell(
    lines: Sequence[str],
    spec: TunnelSpec | None = None,
    *,
    remote: bool | None = None,
    others: Sequence[str] = (),
    client: SshClient | None = None,
) -> AttemptHistory:
    """Read the story from the last lines of a log, oldest first (`find_reason` explains)."""
    attempts = attempts_of(lines)
    last = max((n for n, attempt in enumerate(attempts) if succeeded(attempt, remote)), default=-1)
    since = attempts[last:] if last >= 0 else attempts
    later = sum(any(SSH_START in line for line in part) for part in attempts[last + 1 :])
    ends = [stamp(line) for part in since for line in part if ends_attempt(line)]
    starts = [stamp(line) for part in since for line in part if "]: starting " in line]
    first = ends if last >= 0 else starts
    return AttemptHistory(
        find_reason(lines, spec, remote=remote, others=others, client=client),
        last >= 0,
        _trying(attempts),
        later,
        next((moment for moment in first if moment), None),
        next((moment for moment in reversed(ends) if moment), None),
        next((stamp(line) for line in reversed(lines) if begins_run(line)), None),
    )


def _trying(attempts: Sequence[Sequence[str]]) -> bool:
    last = attempts[-1] if attempts else ()
    return not any(ends_attempt(line) for line in last)


def stamp(line: str) -> float | None:
    """Read the local time that autossh (and we) put in front of a line, as epoch seconds."""
    found = _STAMP.match(line)
    if found is None:
        return None
    year, month, day, hour, minute, second = map(int, found.groups())
    try:
        return time.mktime((year, month, day, hour, minute, second, 0, 0, -1))
    except (ValueError, OverflowError):
        return None
