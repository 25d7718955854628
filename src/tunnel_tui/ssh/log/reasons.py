"""Why a tunnel is not RUNNING: from log lines to words that a person can act on.

The patterns are what ssh(1) and autossh(1) really print (OpenSSH 9.2, autossh 1.4g), collected
from real failures; `tests/process/test_reasons.py` makes each failure again.
"""

import re
from collections.abc import Mapping, Sequence
from itertools import pairwise

from tunnel_tui.logs.sanitise import sanitise
from tunnel_tui.model import Reason, ReasonCode, TunnelSpec
from tunnel_tui.ssh.client_config import SshClient
from tunnel_tui.ssh.log import advice
from tunnel_tui.ssh.log.failures import LINE, PATTERNS, Pattern, compiled

MOST_LINES = 1000
"""The last lines of one attempt that are looked at: ssh says far less."""
_STAMPED = re.compile(r"\d{4}/\d\d/\d\d \d\d:\d\d:\d\d [\w-]+\[\d+\]: ")
"""In front of what autossh says, and of what we say."""
_OUR_START = re.compile(r"\d{4}/\d\d/\d\d \S+ tunnel-tui\[\d+\]: starting ")
SSH_START = "]: starting ssh (count "
"""How autossh begins a connection attempt."""
_NOISE = re.compile(
    r"^(?:debug\d: |@|Warning: Permanently added|Authenticated to|pledge|  |"
    r"(?:[\w.-]+\.c:\w+\(\):\d+ \([^)]*pid=\d+\): )?(?:Transferred|Bytes per second|Exit status)|"
    r"\d{4}/\d\d/\d\d \S+ \S+: (?:port set to 0|starting |ssh child pid|"
    r"ssh exited|received signal)|"
    r"\[\d{4}-\d\d-\d\d |Disconnected from|channel \d+: open failed)"
)
_VERBOSE = re.compile(
    r"^(?:debug\d: (?=\S{1,200} \([^)]{0,300}\): Remote: ))?"
    r"[\w.-]{1,64}\.c:\w{1,64}\(\):\d{1,9} \([^)]{0,300}pid=\d{1,9}\): "
)
"""What LogVerbose puts in front of a message of the functions that it names (see `probe`)."""
_QUOTING = re.compile(r"Received disconnect from |\S{1,300}: Permission denied \(")
"""So begin the lines that end in a server's own words."""
_EXIT_STATUS = re.compile(r"ssh exited (?:prematurely )?with (?:error )?status (\d+)")
_EXIT_SIGNAL = re.compile(r"ssh exited on signal (\d+)")
_ENDED = ("ssh exited", "; autossh exiting", "received signal to exit")
"""What autossh says when an attempt is over."""
_TOLD_TO_END = re.compile(r"received signal to exit \((\d+)\)")


def find_reason(
    lines: Sequence[str],
    spec: TunnelSpec | None = None,
    *,
    remote: bool | None = None,
    others: Sequence[str] = (),
    client: SshClient | None = None,
) -> Reason | None:
    """Find the last meaningful failure of the last run in the lines of a log.

    Args:
        lines: the end of the log, oldest first, sanitised.
        spec: fills its host into the advice.
        remote: True for `-R`, which stands only when the server has answered; None: unknown.
        others: the end of what a proxy program or the ssh of a jump host said.
        client: knows the files and hosts that an advice may name; None: it names none.

    Returns:
        None where the last run has no failure (yet).
    """
    for attempt in reversed(attempts_of(lines)):
        stood = _after_success(attempt, remote)
        # What others said belongs to the last attempt that is over.
        over = _is_over(attempt)
        heard = others if over else ()
        reason = _of_attempt(attempt[stood:], spec, heard, client, stood > 0)
        if reason is None and stood and not over and _ssh_ended(attempt[stood:]):
            return connection_lost()  # autossh has not said yet that its ssh is gone
        if reason is not None or stood:
            return reason
        others = () if over else others
    return None


def _ssh_ended(lines: Sequence[str]) -> bool:
    """Tell whether ssh has summed up its traffic, which it does when its connection is over."""
    return any("): Transferred: sent " in line for line in lines)


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


def connection_lost() -> Reason:
    """Make the reason of a tunnel that stood and stands no more, of which nobody says why (yet)."""
    return Reason(
        ReasonCode.CONNECTION_LOST,
        "connection lost",
        "network, VPN or host went away; it reconnects by itself when it is back",
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


def foreign(pid: int, user: str) -> Reason:
    """Make the reason of an entry whose process another user runs: it proves nothing."""
    return Reason(
        ReasonCode.NOT_OURS,
        f"runs as user {user}, not ours",
        f"pid {pid} is left alone: that user can stop it, and root with TUNNEL_TUI_USER",
    )


def removed() -> Reason:
    """Make the reason of a tunnel that ended while somebody took away its line or its log."""
    return Reason(
        ReasonCode.KILLED,
        "process gone, and somebody removed its log or its entry",
        "start it again; see who may write to the state file and the log directory",
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


def ends_attempt(line: str) -> bool:
    """Tell whether autossh says with this line that a connection attempt is over."""
    return any(words in line for words in _ENDED)


def attempts_of(lines: Sequence[str]) -> list[Sequence[str]]:
    """Split the last run of a log into its connection attempts, oldest first."""
    run = _last_run(lines)
    starts = [0, *(n for n, line in enumerate(run) if SSH_START in line), len(run)]
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


def _of_attempt(
    lines: Sequence[str],
    spec: TunnelSpec | None,
    others: Sequence[str],
    client: SshClient | None,
    stood: bool,
) -> Reason | None:
    said = [_VERBOSE.sub("", line[:LINE], count=1) for line in lines[-MOST_LINES:]]
    found = _best_match(said, [line[:LINE] for line in others[-MOST_LINES:]])
    if found is None:
        return _from_autossh("\n".join(said), stood)
    reason = _make(*found, said, spec, client)
    if reason.code is ReasonCode.JUMP_FAILED:
        return of_the_way(reason, others or said)
    return reason


def _is_over(attempt: Sequence[str]) -> bool:
    """Tell whether the ssh of an attempt has ended, as far as autossh was there to say so."""
    if not any(SSH_START in line for line in attempt):
        return True
    return any(ends_attempt(line) for line in attempt)


def _best_match(
    lines: Sequence[str], others: Sequence[str] = ()
) -> tuple[Pattern, re.Match[str]] | None:
    """Find the most telling failure in lines; of equals the last."""
    connected = any(line and not _STAMPED.match(line) for line in lines)
    text = "\n".join(lines)
    best: tuple[tuple[int, int], Pattern, re.Match[str]] | None = None
    for pattern in PATTERNS:
        if pattern.needs not in text:
            continue
        heard = pattern.unlogged == "always" or (pattern.unlogged and not connected)
        where = [*others, *lines] if heard else lines
        for number, line in enumerate(reversed(where)):
            if not any(word in line for word in pattern.words):
                continue
            match = compiled(pattern.expression).search(line)
            if match is not None and not _is_quote(match, pattern):
                weight = (pattern.rank, -number)
                if best is None or weight > best[0]:
                    best = weight, pattern, match
                break
    return None if best is None else best[1:]


def _is_quote(match: re.Match[str], pattern: Pattern) -> bool:
    """Tell whether a match lies within a server's last words; one such remark has a meaning."""
    said_by_server = match.start() > 0 and _QUOTING.match(match.string) is not None
    return said_by_server and pattern.code is not ReasonCode.TOO_MANY_FAILURES


def _make(
    pattern: Pattern,
    match: re.Match[str],
    lines: Sequence[str],
    spec: TunnelSpec | None,
    client: SshClient | None,
) -> Reason:
    quoted = {name: shorten(value or "") for name, value in match.groupdict().items()}
    return Reason(
        pattern.code,
        _fill(pattern.text, quoted),
        _fill(pattern.advice, advice.words(pattern.advice, lines, spec, client)),
        match.string.strip()[:300],
    )


def of_the_way(reason: Reason, others: Sequence[str]) -> Reason:
    """Say what is wrong on the way to a host, as far as the hop or the proxy program tells.

    They are strangers, and the hop's server may have written all of it. So they choose among
    words of ours, and whether a login was refused, which no repetition may burn again; what they
    said last is quoted as evidence.
    """
    said = [_VERBOSE.sub("", line[:LINE], count=1) for line in others]
    said = [line for line in said if line and not any(words in line for words in _OF_OURS)]
    found = _best_match(said)
    code = found[0].code if found else ReasonCode.UNKNOWN
    kind = _WAYS.get(code, "")
    evidence = f"it said: “{shorten(said[-1])}”" if said else reason.evidence
    return reason._replace(
        code=ReasonCode.PERMISSION_DENIED if kind == _DENIED else reason.code,
        text=f"{reason.text}: {kind}" if kind else reason.text,
        evidence=evidence,
    )


_OF_OURS = ("UNKNOWN port 65535", "kex_exchange_identification")
"""What the tunnel's own ssh says when the way to its host is cut: it tells nothing of the cause."""
_DENIED = "permission denied"
_WAYS = {
    ReasonCode.REFUSED: "connection refused",
    ReasonCode.UNRESOLVED: "a name could not be resolved",
    ReasonCode.TIMED_OUT: "no answer",
    ReasonCode.UNREACHABLE: "unreachable",
    ReasonCode.CONNECTION_LOST: "connection closed",
    ReasonCode.JUMP_FAILED: "it cannot reach the host",
    ReasonCode.HOST_KEY_CHANGED: "host key not accepted",
    ReasonCode.HOST_KEY_UNKNOWN: "host key not accepted",
    ReasonCode.PERMISSION_DENIED: _DENIED,
    ReasonCode.TOO_MANY_FAILURES: _DENIED,
    ReasonCode.KEY_FILE: _DENIED,
}


def _fill(template: str, values: Mapping[str, str]) -> str:
    # Not str.format: values may contain braces.
    return re.sub(r"\{(\w+)\}", lambda found: values.get(found[1], ""), template)


def _from_autossh(text: str, stood: bool) -> Reason | None:
    """Read what autossh says where ssh itself said nothing that is known."""
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
        elif stood:
            reason = connection_lost()
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


def shorten(value: str) -> str:
    """Cut what is quoted of others to the length that a line of the screen can take."""
    return value if len(value) <= 80 else f"{value[:79]}…"


def _shorten(line: str) -> str:
    from tunnel_tui.ssh.log.line_class import split_line

    return shorten(split_line(line)[2].strip())
