"""Why a tunnel is not RUNNING: from log lines to words that a person can act on.

The patterns are what ssh(1) and autossh(1) really print (OpenSSH 9.2, autossh 1.4g), collected
from real failures; `tests/process/test_observe_reasons.py` makes each failure again.
"""

import re
from collections.abc import Sequence
from itertools import pairwise

from tunnel_tui.model import Reason, ReasonCode, TunnelSpec
from tunnel_tui.observe.patterns import PATTERNS, Pattern
from tunnel_tui.observe.sanitise import sanitise

_OUR_START = re.compile(r"\d{4}/\d\d/\d\d \S+ tunnel-tui\[\d+\]: starting ")
_SSH_START = "]: starting ssh (count "
_NOISE = re.compile(
    r"^(?:debug\d: |@|Warning: Permanently added|Authenticated to|pledge|  |"
    r"[\w.-]+\.c:\w+\(\):\d+ \([^)]*pid=\d+\): (?:Transferred|Bytes per second|Exit status)|"
    r"\d{4}/\d\d/\d\d \S+ \S+: (?:port set to 0|starting |ssh child pid|"
    r"ssh exited|received signal)|"
    r"\[\d{4}-\d\d-\d\d |Disconnected from|channel \d+: open failed)"
)
_VERBOSE = re.compile(
    r"^(?:debug\d: )?[\w.-]+\.c:\w+\(\):\d+ \([^)]*pid=\d+\): "
    r"(?=send disconnect|Received disconnect)",
    re.MULTILINE,
)
"""What LogVerbose puts in front of an error of the functions that it names (see `probe`)."""
_EXIT_STATUS = re.compile(r"ssh exited (?:prematurely )?with (?:error )?status (\d+)")
_EXIT_SIGNAL = re.compile(r"ssh exited on signal (\d+)")
_TOLD_TO_END = re.compile(r"received signal to exit \((\d+)\)")


def find_reason(
    lines: Sequence[str], spec: TunnelSpec | None = None, *, remote: bool | None = None
) -> Reason | None:
    """Find the last meaningful failure of the last run in the lines of a log.

    Args:
        lines: the end of the log, oldest first, sanitised.
        spec: fills host and port into the advice.
        remote: True for `-R`, which stands only when the server has answered; None: unknown.

    Returns:
        None where the last run has no failure (yet).
    """
    for attempt in reversed(attempts_of(lines)):
        stood = _after_success(attempt, remote)
        reason = _of_attempt(attempt[stood:], spec)
        if reason is not None or stood:
            return reason
    return None


def last_words(lines: Sequence[str]) -> Reason | None:
    """Make an UNKNOWN reason of the last line that says something; None where none does."""
    for line in reversed(_last_run(lines)):
        text = "" if _NOISE.match(line) else _shorten(line)
        if text:
            return Reason(ReasonCode.UNKNOWN, text, "the log tells what happened before", line)
    return None


def succeeded(attempt: Sequence[str], remote: bool | None = None) -> bool:
    """Tell whether the forward stood at some moment of a connection attempt."""
    return _after_success(attempt, remote) > 0


def killed(signame: str | None) -> Reason:
    """Make the reason of a process that is gone without a word in the log."""
    if signame:
        return Reason(
            ReasonCode.KILLED,
            f"killed by {signame}",
            "start it again; if nobody killed it, `dmesg` shows whether memory ran out",
        )
    return Reason(
        ReasonCode.KILLED,
        "process gone without a word",
        "killed, out of memory (see `dmesg`) or the machine restarted; start it again",
    )


def frozen(program: str, pid: int) -> Reason:
    """Make the reason of a tunnel whose process is held still: its listener answers nobody."""
    return Reason(
        ReasonCode.FROZEN,
        f"{program} was frozen (SIGSTOP)",
        f"let it go on: kill -CONT {pid}; or restart the tunnel",
    )


def login_lost(remote_host: str) -> Reason:
    """Make the reason of a tunnel whose login has ended."""
    return Reason(
        ReasonCode.LOGIN_LOST,
        "login ended",
        f"log in to {remote_host} again: the connection was lost, closed there, or ssh was ended",
    )


def orphaned(pid: int, orphan: int) -> Reason:
    """Make the reason of an autossh that was killed while its ssh lives on."""
    return Reason(
        ReasonCode.KILLED,
        f"autossh was killed, its ssh (pid {orphan}) still runs",
        "nothing would reconnect it: start ends that ssh and begins anew, stop or cleanup ends it",
        f"process {pid} is gone",
    )


def stranger(pid: int, command: str) -> Reason:
    """Make the reason of an entry whose pid now belongs to somebody else."""
    return Reason(
        ReasonCode.NOT_OURS,
        f"process gone, its pid {pid} now belongs to {command or 'another program'}",
        "start it again; the other program is left alone",
    )


def partly_bound(line: str, spec: TunnelSpec | None = None) -> Reason:
    """Make the reason of an ssh that got only one of the addresses of its listener."""
    reason = find_reason([line, "Could not request local forwarding."], spec)
    busy = reason or Reason(ReasonCode.LOCAL_PORT_BUSY, "local port in use")
    return busy._replace(
        code=ReasonCode.LOCAL_PORT_BUSY, text=f"{busy.text} (in part)", evidence=line
    )


def begins_run(line: str) -> bool:
    """Tell whether we wrote this line at the start of a tunnel."""
    return _OUR_START.match(line) is not None


def attempts_of(lines: Sequence[str]) -> list[Sequence[str]]:
    """Split the last run of a log into its connection attempts, oldest first."""
    run = _last_run(lines)
    starts = [0, *(n for n, line in enumerate(run) if _SSH_START in line), len(run)]
    return [run[begin:end] for begin, end in pairwise(starts) if end > begin]


def _after_success(attempt: Sequence[str], remote: bool | None) -> int:
    """Return the number of the line after the success line; 0 where there is none."""
    entered = answered = 0
    for number, line in enumerate(attempt, 1):
        if "): Entering interactive session." in line:
            entered = number
        elif "remote forward success for: listen " in line:
            answered = number
        elif "remote forward failure for: listen " in line or ": Address already in use" in line:
            return 0
    return answered or (0 if remote else entered)


def _last_run(lines: Sequence[str]) -> Sequence[str]:
    begin = 0
    for number in range(len(lines) - 1, -1, -1):
        if begins_run(lines[number]):
            begin = number + 1
            break
    return [line.rstrip("\r") for line in lines[begin:]]


def _of_attempt(lines: Sequence[str], spec: TunnelSpec | None) -> Reason | None:
    text = _VERBOSE.sub("", "\n".join(lines))
    best: tuple[Pattern, re.Match[str]] | None = None
    for pattern in PATTERNS:
        match = _last_match(pattern, text)
        if match is None:
            continue
        weight = (pattern.rank, match.start())
        if best is None or weight > (best[0].rank, best[1].start()):
            best = pattern, match
    if best is not None:
        return best[0].reason(best[1], text, spec)
    return _from_autossh(text)


def _last_match(pattern: Pattern, text: str) -> re.Match[str] | None:
    if not any(word in text for word in pattern.words):
        return None
    found = None
    for match in re.finditer(pattern.expression, text, re.MULTILINE):
        found = match
    return found


def _from_autossh(text: str) -> Reason | None:
    """Read what autossh says where ssh itself said nothing."""
    if match := _TOLD_TO_END.search(text):
        return _with_evidence(killed(_signal_name(int(match[1]))), match)
    if match := _EXIT_SIGNAL.search(text):
        name = _signal_name(int(match[1]))
        reason = killed(name)._replace(text=f"ssh was killed by {name}")
        return _with_evidence(reason, match)
    if match := _EXIT_STATUS.search(text):
        words = last_words(text.split("\n"))
        if words is not None:
            return words
        if match[1] == "0":
            reason = killed(None)._replace(text="ssh was ended from outside")
        else:
            reason = Reason(ReasonCode.UNKNOWN, f"ssh ended with status {match[1]}, saying nothing")
        return _with_evidence(reason, match)
    return None


def _with_evidence(reason: Reason, match: re.Match[str]) -> Reason:
    begin = match.string.rfind("\n", 0, match.start()) + 1
    end = match.string.find("\n", match.end())
    line = match.string[begin : end if end >= 0 else None]
    return reason._replace(evidence=sanitise(line, 300))


def _signal_name(number: int) -> str:
    import signal

    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _shorten(line: str) -> str:
    from tunnel_tui.observe.logs import split_line

    text = split_line(line)[2].strip()
    return text if len(text) <= 80 else f"{text[:79]}…"
