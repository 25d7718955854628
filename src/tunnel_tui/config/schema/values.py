"""What a single value may be: hosts, endpoints, ssh options, plain text.

Each check returns None for a good value, else what is wrong and what is allowed.
"""

import re
from typing import NamedTuple

from tunnel_tui.model import parse_endpoint
from tunnel_tui.settings import is_strict

ENDPOINT_ALLOWED = "a port from 1 to 65535, host:port, [v6]:port or a socket path"
HOST_ALLOWED = "user@host or a Host of the ssh configuration"
OPTION_ALLOWED = "Keyword=value as in ssh_config(5)"
SUBSTITUTE = "\ufdd0"
"""Stands for a byte that YAML itself forbids (a noncharacter of Unicode: nobody writes it)."""

MAX_SOCKET_PATH = 107
"""unix(7): `sun_path` holds 108 bytes, the last of them zero."""

_ORDINARY_HOST = re.compile(r"(?:[A-Za-z0-9_][A-Za-z0-9_.-]*@)?[A-Za-z0-9_][A-Za-z0-9_.-]*")
_ORDINARY_ENDPOINT = re.compile(
    r"(?:[0-9]{1,3}\.[0-9.]+:|[A-Za-z_][A-Za-z0-9_.-]*:)?([1-9][0-9]{0,4})"
)
_TELLING = ("expected ", "from 1 to 65535", "[address]:port")
"""A message with one of these says already what is allowed."""
_SEPARATORS = "\u2028\u2029" + SUBSTITUTE
_SHELL_CHARACTERS = frozenset("'`\";&<>|(){}")
_RESERVED_OPTIONS = {
    "batchmode": "a background tunnel must never ask",
    "clearallforwardings": "it would take the forward away",
    "controlmaster": "the tunnel would live on untracked",
    "controlpath": "the tunnel would live on untracked",
    "controlpersist": "the tunnel would live on untracked",
    "dynamicforward": "only the forward of the tunnel itself can be watched",
    "exitonforwardfailure": "a tunnel without its forward must end",
    "forkafterauthentication": "the tunnel would live on untracked",
    "ignoreunknown": "it would replace the one in the ssh configuration",
    "localforward": "make it a tunnel of its own",
    "loglevel": "the log tells whether the forward stands",
    "logverbose": "the log tells whether the forward stands",
    "remotecommand": "a tunnel runs no command",
    "remoteforward": "make it a tunnel of its own",
    "requesttty": "a tunnel has no terminal",
    "sessiontype": "a tunnel has no session",
    "setenv": "it marks the process as ours",
    "stdinnull": "a tunnel has no input",
}

_STRICT_OPTIONS = frozenset(
    [
        "addressfamily",
        "bindaddress",
        "ciphers",
        "compression",
        "connectionattempts",
        "connecttimeout",
        "gatewayports",
        "hostkeyalgorithms",
        "hostkeyalias",
        "hostname",
        "identitiesonly",
        "identityfile",
        "ipqos",
        "kexalgorithms",
        "kbdinteractiveauthentication",
        "macs",
        "numberofpasswordprompts",
        "passwordauthentication",
        "port",
        "preferredauthentications",
        "proxyjump",
        "pubkeyacceptedalgorithms",
        "pubkeyauthentication",
        "rekeylimit",
        "serveralivecountmax",
        "serveraliveinterval",
        "tcpkeepalive",
        "user",
        "verifyhostkeydns",
    ]
)
"""ssh_config(5): these run no program, load no library, write no file, forward nothing else."""
_STRICT_VALUE = re.compile(r"[\w.,:@%/~+*^=\[\] -]*", re.ASCII)
"""ssh hands parts of ProxyJump, User and HostName to a shell."""


class Mistake(NamedTuple):
    """What is wrong with a value and what is allowed instead."""

    message: str
    allowed: str = ""


def check_text(text: str) -> Mistake | None:
    """Refuse control characters and line separators: they break state file, logs and screens."""
    if text.isprintable():
        return None
    for character in text:
        if character < " " or "\x7f" <= character <= "\x9f" or character in _SEPARATORS:
            return Mistake(
                f"contains a control character ({_name_of(character)})",
                "printable text on one line",
            )
    return None


def _name_of(character: str) -> str:
    names = {"\t": "a tab", "\n": "a line break", "\r": "a carriage return", "\x1b": "escape"}
    return names.get(character, f"U+{ord(character):04X}")


def check_host(text: str) -> Mistake | None:
    """Say why `text` cannot be a destination of ssh(1); None where it can."""
    if _ORDINARY_HOST.fullmatch(text):
        return None
    if text.startswith("-"):
        return Mistake("begins with '-': ssh would take it for an option", HOST_ALLOWED)
    if any(character.isspace() for character in text):
        return Mistake("contains white space", HOST_ALLOWED)
    if "://" in text:
        return Mistake("is a URL", f"{HOST_ALLOWED}; a port goes into ssh_options: ['Port=…']")
    user, separator, host = text.rpartition("@")
    if not host or (separator and not user):
        return Mistake("has an empty user or host", HOST_ALLOWED)
    if host.startswith("-"):
        return Mistake("the host begins with '-'", HOST_ALLOWED)
    # ssh itself refuses these since 9.6, because they reach shells through %h and %r
    bad = _SHELL_CHARACTERS.intersection(text) or frozenset("$\\").intersection(host)
    if bad or user.endswith("\\"):
        found = min(bad, default="\\")
        return Mistake(f"contains {found!r}, which ssh refuses in host names", HOST_ALLOWED)
    return _check_colons(host)


def _check_colons(host: str) -> Mistake | None:
    if ":" not in host:
        return None
    address = host.partition("%")[0]
    if host.count(":") > 1 and all(c in "0123456789abcdefABCDEF:." for c in address):
        return None
    if host.startswith("[") and host.endswith("]"):
        return Mistake("an IPv6 address stands without brackets here", HOST_ALLOWED)
    return Mistake(
        "names a port",
        f"{HOST_ALLOWED}; give the port there, or as ssh_options: ['Port=…']",
    )


def check_endpoint(text: str) -> Mistake | None:
    """Say why `text` cannot be one end of a forward; None where it can."""
    if len(text) > 300:
        return Mistake("is too long", ENDPOINT_ALLOWED)
    ordinary = _ORDINARY_ENDPOINT.fullmatch(text)
    if ordinary and int(ordinary[1]) <= 65535:
        return None
    try:
        endpoint = parse_endpoint(text)
    except ValueError as error:
        message = str(error)
        told = any(words in message for words in _TELLING)
        return Mistake(message, "" if told else ENDPOINT_ALLOWED)
    if endpoint.path:
        if is_strict():  # ssh removes what is there before it listens
            return Mistake("is a socket path, which strict mode refuses", "a port, or host:port")
        if len(endpoint.path.encode("utf-8", "replace")) > MAX_SOCKET_PATH:
            return Mistake(f"a socket path has at most {MAX_SOCKET_PATH} bytes", ENDPOINT_ALLOWED)
        if ":" in endpoint.path:
            return Mistake("a socket path cannot contain ':'", ENDPOINT_ALLOWED)
    elif endpoint.host.isdigit():
        return Mistake("the host is a bare number", ENDPOINT_ALLOWED)
    return None


def check_option(text: str) -> Mistake | None:
    """Say why `text` cannot be given to ssh with `-o`; None where it can."""
    if text.startswith("-"):
        return Mistake("begins with '-'", f"{OPTION_ALLOWED}, without -o")
    keyword, _, value = text.replace("=", " ", 1).strip().partition(" ")
    if not (keyword.isascii() and keyword.isalnum()) or not value.strip(" ="):
        return Mistake("is not an ssh option with a value", OPTION_ALLOWED)
    why = _RESERVED_OPTIONS.get(keyword.lower())
    if why:
        return Mistake(f"{keyword} cannot be set for a tunnel: {why}", OPTION_ALLOWED)
    if not is_strict():
        return None
    if keyword.lower() not in _STRICT_OPTIONS:
        return Mistake(
            f"{keyword} is refused in strict mode: it is not among what runs and writes nothing",
            "put it into the ssh configuration, which is yours alone",
        )
    if not _STRICT_VALUE.fullmatch(value):
        return Mistake(
            "has a character that strict mode refuses", "letters, digits, .,:@%/~+*^=[]-"
        )
    return None
