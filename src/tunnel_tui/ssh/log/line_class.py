"""What a person sees of a tunnel's log; the rooms behind it are `tail`, `follow`, `cap`."""

import re
from enum import StrEnum

from tunnel_tui.logs.follow import LogFollower, LogUpdate
from tunnel_tui.logs.rotate import cap_log
from tunnel_tui.logs.sanitise import decode, sanitise
from tunnel_tui.logs.tail import read_tail, tail_lines

__all__ = [
    "LineClass",
    "LogFollower",
    "LogUpdate",
    "cap_log",
    "classify",
    "decode",
    "is_noise",
    "read_tail",
    "sanitise",
    "split_line",
    "strip_debug",
    "tail_lines",
]


class LineClass(StrEnum):
    """What a line of a log means to a person."""

    PLAIN = "plain"
    SUCCESS = "success"
    WARNING = "warning"
    FAILURE = "failure"
    MARKER = "marker"
    DIM = "dim"


_STAMPED = re.compile(r"\d{4}/\d\d/\d\d (\d\d:\d\d:\d\d) ([\w.-]+)\[\d+\]: ?(.*)", re.DOTALL)
_SCRIPT = re.compile(r"\[\d{4}-\d\d-\d\d (\d\d:\d\d:\d\d)\] \[\w+\] \[\w+\] ?(.*)", re.DOTALL)
_DEBUG = re.compile(r"(?:debug\d: )?[\w.-]+\.c:\w+\(\):\d+ \([^)]*pid=\d+\): (.*)", re.DOTALL)

_MARKERS = ("starting ssh (count", "tunnel-tui[", "[AUTOSSH] Starting", "[INTERACTIVE] Starting")
_SUCCESSES = (
    "Entering interactive session.",
    "remote forward success for:",
    "Authentication successful.",
)
_FAILURES = (
    "Permission denied",
    "REMOTE HOST IDENTIFICATION HAS CHANGED",
    "REVOKED HOST KEY",
    "Host key verification failed",
    "Could not resolve",
    "connect to host",
    "Connection refused",
    "Connection timed out",
    "timed out",
    "Connection closed by",
    "closed by remote host",
    "Connection reset by",
    "not responding",
    "Broken pipe",
    "Too many authentication failures",
    "Received disconnect",
    "Address already in use",
    "cannot listen to port",
    "cannot bind",
    "Cannot assign requested address",
    "Could not request local forwarding",
    "remote port forwarding failed",
    "remote forward failure",
    "administratively prohibited",
    "disabled port forwarding",
    "port forwarding refused",
    "Bad configuration option",
    "Bad local forwarding",
    "Bad remote forwarding",
    "UNPROTECTED PRIVATE KEY",
    "bad permissions",
    "Unable to negotiate",
    "ssh exited",
    "exited prematurely",
    "Network is unreachable",
    "No route to host",
    "Host key for",
)
_WARNINGS = (
    "WARNING",
    "Warning:",
    "open failed",
    "failed.",
    "error",
    "Offending",
    "remove with",
    "ssh-keygen -f",
    "@@@@",
    "Error",
    "received signal",
)
_HARMLESS = ("open failed: connect failed",)
"""The far service refused one connection; the tunnel stands."""
_DIM = (
    "pledge:",
    "Transferred: sent",
    "Bytes per second",
    "Exit status",
    "monitoring disabled",
    "ssh child pid is",
    "key options:",
    "Received SSH2_MSG_IGNORE",
)


_NOISE = ("Received SSH2_MSG_IGNORE", "pledge: network", "pledge: fork")


def is_noise(line: str) -> bool:
    """Say whether a line tells nobody anything: ssh's padding, and how it confines itself."""
    return line.rstrip().endswith(_NOISE)


def strip_debug(line: str) -> str:
    """Leave of a debug line of ssh only the message."""
    match = _DEBUG.match(line)
    return match[1] if match else line


def classify(line: str) -> LineClass:
    """Say what a line means: a start, success, failure, a warning, or noise."""
    for words, meaning in (
        (_HARMLESS, LineClass.WARNING),
        (_FAILURES, LineClass.FAILURE),
        (_SUCCESSES, LineClass.SUCCESS),
        (_MARKERS, LineClass.MARKER),
        (_DIM, LineClass.DIM),
        (_WARNINGS, LineClass.WARNING),
    ):
        if any(word in line for word in words):
            return meaning
    return LineClass.PLAIN


def split_line(line: str) -> tuple[str, str, str]:
    """Split a line into (time, source, text); the time is "" where the line has none.

    The source is the program that wrote it: "autossh", "tunnel-tui", "script" (the shell
    scripts) or "ssh". Of ssh's debug lines only the message is kept.
    """
    if match := _STAMPED.match(line):
        return match[1], match[2], match[3]
    if match := _SCRIPT.match(line):
        return match[1], "script", match[2]
    if match := _DEBUG.match(line):
        return "", "ssh", match[1]
    return "", "ssh", line
