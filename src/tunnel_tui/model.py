"""The words that every part speaks: specs, endpoints, states, reasons.

Everything here is immutable. Named tuples instead of dataclasses: importing `dataclasses` costs
more than a command that only reads takes for its own work.
"""

from enum import StrEnum
from functools import lru_cache
from typing import NamedTuple

try:
    # hashlib loads OpenSSL first, which a command that only reads would pay for.
    from _md5 import md5 as _md5  # type: ignore[import-not-found]
except ImportError:
    from hashlib import md5 as _md5

DEFAULT_NAME = "unnamed"
LOOPBACK = "localhost"


class Direction(StrEnum):
    """Which way a service is carried, in the words of the configuration file."""

    REMOTE_TO_LOCAL = "remote_to_local"
    LOCAL_TO_REMOTE = "local_to_remote"


class DirectionMode(StrEnum):
    """How a direction becomes a forward: the default, or ssh's own sense of the words."""

    DEFAULT = "default"
    SSH_STANDARD = "ssh-standard"


class ForwardKind(StrEnum):
    """ssh(1): `-L` listens here, `-R` listens at the remote host."""

    LOCAL = "-L"
    REMOTE = "-R"


class Endpoint(NamedTuple):
    """One end of a forward: a TCP port with an optional host, or a Unix socket path.

    `host` is empty where the configuration names only a port; ssh then gets `localhost`.
    `port` is 0 exactly where `path` is not empty.
    """

    host: str
    port: int
    path: str = ""

    @property
    def bind_host(self) -> str:
        """The host that ssh is given (never empty for a port)."""
        return self.host or LOOPBACK

    def as_argument(self) -> str:
        """Spell the endpoint the way ssh(1) takes it in `-L` and `-R`."""
        if self.path:
            return self.path
        host = f"[{self.bind_host}]" if ":" in self.bind_host else self.bind_host
        return f"{host}:{self.port}"

    def __str__(self) -> str:
        return self.as_argument()


@lru_cache(maxsize=4096)
def parse_endpoint(text: str) -> Endpoint:
    """Read `port`, `host:port`, `[v6]:port` or a socket path.

    Raises:
        ValueError: the text is none of these; the message says what is wrong.
    """
    if text.startswith(("/", "./", "~")):
        return Endpoint("", 0, text)
    host, separator, port = text.rpartition(":")
    if separator and not host:
        raise ValueError("the host before ':' is empty")
    if host.startswith("["):
        if not host.endswith("]") or ":" not in host:
            raise ValueError("an IPv6 address is written [address]:port")
        host = host[1:-1]
    elif ":" in host:
        raise ValueError("an IPv6 address is written [address]:port")
    if not (port.isascii() and port.isdigit()):
        raise ValueError("expected a port, host:port, [v6]:port or a socket path")
    number = int(port)
    if not 1 <= number <= 65535:
        raise ValueError("a port is a number from 1 to 65535")
    if host and (not host.isprintable() or host.split() != [host]):
        raise ValueError("the host contains white space or control characters")
    return Endpoint(host, number)


class Forward(NamedTuple):
    """Where connections enter (listener) and where they come out (target)."""

    kind: ForwardKind
    listener: Endpoint
    target: Endpoint

    @property
    def listens_here(self) -> bool:
        """True where the listener is on this machine (`-L`)."""
        return self.kind is ForwardKind.LOCAL

    @property
    def argument(self) -> str:
        """The value of `-L` or `-R`: `[bind_address:]port:host:hostport` (ssh(1))."""
        return f"{self.listener.as_argument()}:{self.target.as_argument()}"


@lru_cache(maxsize=4096)
def _forward(remote_port: str, local_port: str, listens_here: bool) -> Forward:
    remote, local = parse_endpoint(remote_port), parse_endpoint(local_port)
    if listens_here:
        return Forward(ForwardKind.LOCAL, local, remote)
    return Forward(ForwardKind.REMOTE, remote, local)


def digest_of(data: bytes) -> str:
    """Tell one content from another: 32 hexadecimal digits (no protection against malice)."""
    return str(_md5(data, usedforsecurity=False).hexdigest())


def tunnel_hash(
    name: str, remote_host: str, remote_port: str, local_port: str, direction: str, interactive: str
) -> str:
    """Identify a tunnel by the text of its configuration: 32 hexadecimal digits.

    The same digest as the shell scripts compute, over the text as written.
    """
    text = f"{name}|{remote_host}|{remote_port}|{local_port}|{direction}|{interactive}"
    return digest_of(text.encode("utf-8", "surrogateescape"))


def login_id(remote_host: str) -> str:
    """Identify the login that all interactive tunnels of a remote host share: 16 hex digits."""
    return digest_of(remote_host.encode("utf-8", "surrogateescape"))[:16]


class TunnelSpec(NamedTuple):
    """One tunnel as configured. The endpoint texts stay exactly as written."""

    name: str
    remote_host: str
    remote_port: str
    local_port: str
    direction: Direction
    interactive: bool
    hash: str
    group: str = ""
    description: str = ""
    ssh_options: tuple[str, ...] = ()
    check: str = ""
    line: int = 0

    def forward(self, mode: DirectionMode = DirectionMode.DEFAULT) -> Forward:
        """Say which end listens and which is the target.

        Raises:
            ValueError: an endpoint text is malformed (a validated spec never raises).
        """
        inward = self.direction is Direction.REMOTE_TO_LOCAL
        listens_here = inward != (mode is DirectionMode.SSH_STANDARD)
        return _forward(self.remote_port, self.local_port, listens_here)


class TunnelEntry(NamedTuple):
    """One line of the state file; endpoint texts exactly as configured."""

    remote_host: str
    remote_port: str
    local_port: str
    direction: str
    name: str
    hash: str
    pid: int

    @classmethod
    def of(cls, spec: TunnelSpec, pid: int) -> "TunnelEntry":
        """Register `spec` as run by process `pid`."""
        return cls(
            spec.remote_host,
            spec.remote_port,
            spec.local_port,
            spec.direction.value,
            spec.name,
            spec.hash,
            pid,
        )

    def spec(self) -> TunnelSpec:
        """Make a spec of an entry that the configuration no longer (or never) had."""
        inward = self.direction != Direction.LOCAL_TO_REMOTE.value
        return TunnelSpec(
            self.name,
            self.remote_host,
            self.remote_port,
            self.local_port,
            Direction.REMOTE_TO_LOCAL if inward else Direction.LOCAL_TO_REMOTE,
            False,
            self.hash,
        )


class State(StrEnum):
    """The five states of a tunnel. RUNNING means that traffic passes."""

    DEAD = "DEAD"
    STARTING = "STARTING"
    INTERACTIVE = "INTERACTIVE"
    RUNNING = "RUNNING"
    STOPPED = "STOPPED"


UP = frozenset({State.RUNNING, State.STARTING})
"""A process of the tunnel lives."""
STATE_ORDER: dict[State, int] = {state: rank for rank, state in enumerate(State)}
"""Worst first: the order in which a person wants to hear of them."""


class ReasonCode(StrEnum):
    """Why a tunnel is not RUNNING."""

    HOST_KEY_CHANGED = "host-key-changed"
    HOST_KEY_UNKNOWN = "host-key-unknown"
    PERMISSION_DENIED = "permission-denied"
    TOO_MANY_FAILURES = "too-many-failures"
    KEY_FILE = "key-file"
    UNRESOLVED = "unresolved"
    REFUSED = "refused"
    UNREACHABLE = "unreachable"
    TIMED_OUT = "timed-out"
    CONNECTION_LOST = "connection-lost"
    JUMP_FAILED = "jump-failed"
    LOCAL_PORT_BUSY = "local-port-busy"
    REMOTE_PORT_BUSY = "remote-port-busy"
    FORWARDING_REFUSED = "forwarding-refused"
    BAD_CONFIGURATION = "bad-configuration"
    LOGIN_LOST = "login-lost"
    KILLED = "killed"
    FROZEN = "frozen"
    NOT_OURS = "not-ours"
    UNKNOWN = "unknown"


AWAY = frozenset(
    {
        ReasonCode.UNRESOLVED,
        ReasonCode.REFUSED,
        ReasonCode.UNREACHABLE,
        ReasonCode.TIMED_OUT,
        ReasonCode.CONNECTION_LOST,
        ReasonCode.JUMP_FAILED,
    }
)
"""The server was not reached: what one tunnel finds out holds for all that lead there."""
TRANSIENT = AWAY | {ReasonCode.REMOTE_PORT_BUSY, ReasonCode.KILLED}
"""Reasons that may pass by themselves; all others wait for a person."""
AGAIN = TRANSIENT | {ReasonCode.LOCAL_PORT_BUSY, ReasonCode.NOT_OURS}
"""Worth another start. A busy local port is seen here, before anybody is bothered; a process
whose pid belongs to somebody else now is gone (a reboot)."""


class Reason(NamedTuple):
    """Why a tunnel is not RUNNING, in words that a person can act on.

    Attributes:
        code: for programs.
        text: for people, short: "host key changed".
        advice: one line that says what to do.
        evidence: the log line that it was read from, sanitised; may be empty.
    """

    code: ReasonCode
    text: str
    advice: str = ""
    evidence: str = ""

    @property
    def transient(self) -> bool:
        """True where trying again may help without anybody doing anything."""
        return self.code in TRANSIENT


class Traffic(NamedTuple):
    """What the kernel says of the ssh connection (INET_DIAG, `struct tcp_info`).

    Attributes:
        rtt: smoothed round trip time in seconds.
        sent: bytes acknowledged by the far end since the connection began.
        received: bytes received since the connection began.
    """

    rtt: float
    sent: int
    received: int


class Layer(NamedTuple):
    """One rung of the ladder from process to traffic. `ok` is None where nobody asked."""

    name: str
    ok: bool | None
    detail: str = ""


class TunnelStatus(NamedTuple):
    """What is true of one tunnel now.

    Attributes:
        configured: False where only the state file knows the tunnel.
        detail: of STARTING: "connecting", "reconnecting (attempt 3)"; else often empty.
        pid: the registered process (autossh, ssh or the interactive master), alive or not.
        ssh_pid: the ssh that carries the forward.
        since: epoch seconds since when the state holds; None where nobody knows.
        reconnects: how often autossh had to connect again since the start.
        confirmed: False for a RUNNING that rests on circumstance (started by the shell
            scripts: their log has no success line).
    """

    spec: TunnelSpec
    state: State
    configured: bool = True
    detail: str = ""
    reason: Reason | None = None
    pid: int | None = None
    ssh_pid: int | None = None
    since: float | None = None
    reconnects: int = 0
    traffic: Traffic | None = None
    confirmed: bool = True


class Problem(NamedTuple):
    """One mistake in a file: where, what, what is allowed. `line` counts from 1; 0: no line.

    Attributes:
        key: dotted, as `tunnels[3].remote_port`.
        value: the offending text, shortened.
        fatal: False for a warning.
    """

    file: str
    line: int
    key: str
    message: str
    value: str = ""
    allowed: str = ""
    fatal: bool = True

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}" if self.line else self.file
        text = f"{where}: {self.key}: {self.message}" if self.key else f"{where}: {self.message}"
        if self.value:
            text += f" (found {self.value!r})"
        if self.allowed:
            text += f"; {self.allowed}"
        return text


class Outcome(NamedTuple):
    """What became of one thing that was asked for.

    Attributes:
        verb: past tense: "started", "already running", "stopped", "not running", "failed",
            "kept", "skipped", "re-adopted", "removed".
        message: for a person; says why where `ok` is False.
        advice: what to do; may be empty.
    """

    hash: str
    name: str
    ok: bool
    verb: str
    message: str = ""
    advice: str = ""
    pid: int | None = None
