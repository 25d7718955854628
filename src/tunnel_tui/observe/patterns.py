"""The table of failures: what ssh prints, what it means, what to do about it."""

import re
from typing import NamedTuple

from tunnel_tui.model import Reason, ReasonCode, TunnelSpec

Code = ReasonCode


class Pattern(NamedTuple):
    """One failure.

    Attributes:
        code: the reason.
        words: one of them is in every text that the expression matches (a cheap first look).
        expression: multi-line; its named groups fill `text` and `advice`.
        text: what happened, with {group}.
        advice: what to do, with {group}, and {host}, {listener}, {target} of the tunnel.
        rank: the more telling wins where one failure matches several patterns.
    """

    code: ReasonCode
    words: tuple[str, ...]
    expression: str
    text: str
    advice: str
    rank: int = 5

    def reason(self, match: re.Match[str], attempt: str, spec: TunnelSpec | None) -> Reason:
        """Fill the words from a match in the log text of one attempt."""
        values = _values(match, attempt, spec)
        begin = match.string.rfind("\n", 0, match.start()) + 1
        end = match.string.find("\n", match.end())
        line = match.string[begin : end if end >= 0 else None].split("\n")[0]
        return Reason(
            self.code, _fill(self.text, values), _fill(self.advice, values), line.strip()[:300]
        )


_REMOVE_KEY = re.compile(r"^\s*(ssh-keygen -f .+)$", re.MULTILINE)
_FINGERPRINT = re.compile(r"^(SHA256:\S+?)\.?$", re.MULTILINE)
_OFFENDING = re.compile(r"^Offending \S+ key in (?P<file>.+):(?P<line>\d+)", re.MULTILINE)
_LOAD_KEY = re.compile(r'^Load key "(?P<file>[^"]+)"', re.MULTILINE)


def _values(match: re.Match[str], attempt: str, spec: TunnelSpec | None) -> dict[str, str]:
    values = {"host": "the host", "listener": "the listener", "target": "the target"}
    if spec is not None:
        values["host"] = spec.remote_host
    if offending := _OFFENDING.search(attempt):
        values["known"] = f"line {offending['line']} of {offending['file']}"
    else:
        values["known"] = "known_hosts"
    if remove := _REMOVE_KEY.search(attempt):
        values["remove"] = remove[1].strip()
    else:
        values["remove"] = f"ssh-keygen -R {_bare(values['host'])}"
    fingerprint = _FINGERPRINT.search(attempt)
    values["fingerprint"] = f" (it now shows {fingerprint[1]})" if fingerprint else ""
    values.update({name: value for name, value in match.groupdict().items() if value is not None})
    return values


def _bare(host: str) -> str:
    return host.rpartition("@")[2]


def _fill(template: str, values: dict[str, str]) -> str:
    # Not str.format: values come from a log and may contain braces.
    return re.sub(r"\{(\w+)\}", lambda found: values.get(found[1], ""), template)


_CONNECT = r"^ssh: connect to host (?P<to>\S+) port (?P<port>\d+): "

PATTERNS: tuple[Pattern, ...] = (
    # --- host keys
    Pattern(
        Code.HOST_KEY_CHANGED,
        ("IDENTIFICATION HAS CHANGED", "has changed and you have requested"),
        r"^Host key for (?P<name>\S+) has changed|REMOTE HOST IDENTIFICATION HAS CHANGED",
        "host key changed",
        "reinstalled or an attack: compare with its owner{fingerprint}; "
        "then remove {known}: {remove}",
        9,
    ),
    Pattern(
        Code.HOST_KEY_CHANGED,
        ("REVOKED HOST KEY",),
        r"REVOKED HOST KEY",
        "host key revoked",
        "this key was withdrawn ({known}): do not connect before the owner explains it",
        9,
    ),
    Pattern(
        Code.HOST_KEY_UNKNOWN,
        ("host key is known for", "Host key verification failed"),
        r"^No \S+ host key is known for (?P<name>\S+) and|^Host key verification failed",
        "host key unknown",
        "connect once by hand and compare the fingerprint: ssh {host}",
        8,
    ),
    # --- authentication
    Pattern(
        Code.KEY_FILE,
        ("UNPROTECTED PRIVATE KEY", "bad permissions"),
        r"^Permissions 0?(?P<mode>\d+) for '(?P<file>.+)' are too open"
        r"|^Load key \"(?P<key>[^\"]+)\": bad permissions",
        "key file readable by others",
        "ssh ignores such a key: chmod 600 {file}{key}",
        8,
    ),
    Pattern(
        Code.KEY_FILE,
        ("Load key", "Identity file", "no such identity"),
        # Only where the login was refused: else it went on with another key.
        r"(?:^Load key \"(?P<file>[^\"]+)\": (?P<why>.+)$"
        r"|^Warning: Identity file (?P<missing>.+) not accessible: (?P<because>[^.\n]+)"
        r"|^no such identity: (?P<none>.+?): (?P<gone>.+)$)"
        r"(?=[\s\S]*Permission denied \()",
        "key file unusable: {why}{because}{gone}",
        "check IdentityFile for {host}: {file}{missing}{none} "
        "(a key with a passphrase needs ssh-agent or interactive: true)",
        8,
    ),
    Pattern(
        Code.KEY_FILE,
        ("signing failed",),
        r"^sign_and_send_pubkey: signing failed for (?P<kind>\S+) \"?(?P<file>[^\"\n]*?)\"?"
        r"(?: from agent)?: (?P<why>.+)$",
        "the key could not sign: {why}",
        "unlock the key or touch the token, or load it: ssh-add {file}",
        8,
    ),
    Pattern(
        Code.TOO_MANY_FAILURES,
        ("Too many authentication failures",),
        r"Too many authentication failures",
        "too many keys were tried",
        "name the one right key for {host} in ssh_config: IdentityFile … and IdentitiesOnly yes",
        8,
    ),
    Pattern(
        Code.PERMISSION_DENIED,
        ("Permission denied (",),
        r"^(?P<who>\S+): Permission denied \((?P<methods>[^)]*"
        r"(?:password|keyboard-interactive)[^)]*)\)",
        "permission denied ({methods})",
        "install the key: ssh-copy-id {who}; if the host asks for a password or code, "
        "set interactive: true",
        7,
    ),
    Pattern(
        Code.PERMISSION_DENIED,
        ("Permission denied (",),
        r"^(?P<who>\S+): Permission denied \((?P<methods>[^)]*)\)",
        "permission denied ({methods})",
        "the host does not take this key, or not for this user: try `ssh -v {who}`, put the "
        "public key into its authorized_keys",
        7,
    ),
    # --- the way there
    Pattern(
        Code.UNRESOLVED,
        ("Could not resolve hostname",),
        r"^(?:ssh: )?Could not resolve hostname (?P<name>\S+?): (?P<why>.+)$",
        "could not resolve {name}",
        "check the name and DNS: getent hosts {name}",
    ),
    Pattern(
        Code.REFUSED,
        ("Connection refused",),
        _CONNECT + r"Connection refused",
        "connection refused by {to} port {port}",
        "nothing listens there: is sshd running, is the port right? nc -vz {to} {port}",
    ),
    Pattern(
        Code.UNREACHABLE,
        ("connect to host",),
        _CONNECT + r"(?P<why>Network is unreachable|No route to host|Host is down|"
        r"Permission denied|Operation not permitted|Network is down|Cannot assign requested "
        r"address|Invalid argument)",
        "{to} is unreachable: {why}",
        "check network, VPN and firewall: ip route get {to}",
    ),
    Pattern(
        # A firewall that answers with a reset, and whatever else connect(2) may say.
        Code.UNREACHABLE,
        ("connect to host",),
        _CONNECT + r"(?P<why>.+)$",
        "cannot connect to {to} port {port}: {why}",
        "check network, VPN and firewall: nc -vz {to} {port}",
        4,
    ),
    Pattern(
        Code.TIMED_OUT,
        ("timed out",),
        _CONNECT + r"(?:Connection|Operation) timed out"
        r"|^Connection timed out during banner exchange"
        r"|^Connection to (?P<to2>\S+) port (?P<port2>\d+) timed out",
        "no answer from {to}{to2} port {port}{port2}",
        "host down, firewall, or a server that is stuck: nc -vz {to}{to2} {port}{port2}",
    ),
    Pattern(
        Code.CONNECTION_LOST,
        ("not responding",),
        r"^Timeout, server (?P<to>\S+) not responding",
        "connection lost: {to} stopped answering",
        "network, VPN or host went away: ping {to}; it reconnects by itself when it is back",
    ),
    Pattern(
        Code.CONNECTION_LOST,
        ("closed by", "reset by", "Broken pipe", "Connection aborted"),
        r"^Connection to (?P<to>\S+) closed by remote host"
        r"|^(?:Read from remote host|(?:client_loop: )?send disconnect|packet_write_wait|"
        r"Write failed)(?: (?P<peer>\S+))?: ?.*(?:reset by peer|Broken pipe|closed|aborted)"
        r"|^Connection (?:closed|reset) by (?P<by>(?!UNKNOWN)\S+) port \d+",
        "connection closed by the server",
        "its sshd or machine restarted, or something between cuts idle connections",
        4,
    ),
    Pattern(
        Code.CONNECTION_LOST,
        ("exchange_identification", "Not allowed at this time", "banner exchange"),
        r"^kex_exchange_identification: (?:read: )?(?P<why>.+)$|^Not allowed at this time"
        r"|^banner exchange: Connection to (?!UNKNOWN)\S+ port \d+: (?P<cut>.+)$",
        "the server hung up before its greeting",
        "too many logins at once (MaxStartups), a ban (fail2ban), or no sshd on that port",
        5,
    ),
    Pattern(
        Code.CONNECTION_LOST,
        ("Received disconnect",),
        r"^Received disconnect from (?P<to>\S+) port \d+:\d+: (?P<why>.+)$",
        "the server said goodbye: {why}",
        "ask the owner of {to}, or look into its sshd log",
    ),
    Pattern(
        Code.JUMP_FAILED,
        ("UNKNOWN port 65535",),
        r"(?:^(?P<cause>(?!kex_).*)\n)?(?:^kex_exchange_identification: .*\n)?"
        r"^(?:banner exchange: )?(?:Connection|Disconnected) (?:(?:closed|reset) by |from |to )?"
        r"UNKNOWN port 65535",
        "the jump host or proxy command failed",
        "try it alone: ssh -v {host}; it said: {cause}",
        6,  # a lasting reason of the jump host itself tells more, a passing one less
    ),
    Pattern(
        Code.JUMP_FAILED,
        ("stdio forwarding failed",),
        r"(?:^channel 0: open failed: (?P<why>.+)\n)?^stdio forwarding failed",
        "the jump host cannot reach {host}",
        "name and port as seen from the jump host: {why}",
        8,
    ),
    # --- forwards
    Pattern(
        # Ours: ssh itself would go on without, and not know the host.
        Code.BAD_CONFIGURATION,
        ("]: not started: the ssh conf",),
        r"tunnel-tui\[\d+\]: not started: the ssh configuration may not be read: (?P<why>.+)$",
        "{why}",
        "run as its owner (in a container: PUID), or give this user a copy of what ssh needs",
        9,
    ),
    Pattern(
        # Ours: looked for before ssh was asked to listen.
        Code.LOCAL_PORT_BUSY,
        ("]: not started: ",),
        r"tunnel-tui\[\d+\]: not started: (?!the ssh conf)"
        r"(?P<what>[^:\n]+): (?:\S+ is )?(?P<who>.+)$",
        "{what}, {who}",
        "stop that process, or change local_port",
        9,
    ),
    Pattern(
        Code.LOCAL_PORT_BUSY,
        ("Address already in use",),
        r"^bind \[(?P<address>[^\]]+)\]:(?P<port>\d+): Address already in use",
        "local port {port} is in use on {address}",
        "see who holds it: ss -ltnp 'sport = :{port}'; end that or choose another local_port",
        8,
    ),
    Pattern(
        Code.LOCAL_PORT_BUSY,
        ("cannot bind to path",),
        r"^unix_listener: cannot bind to path (?P<path>.+?): (?P<why>.+)$",
        "cannot listen on {path}: {why}",
        "remove a left-over socket, or check that the directory exists and is ours",
        8,
    ),
    Pattern(
        Code.BAD_CONFIGURATION,
        ("Cannot assign requested address",),
        r"^bind \[(?P<address>[^\]]+)\]:(?P<port>\d+): Cannot assign requested address",
        "{address} is not an address of this machine",
        "listen on localhost, 0.0.0.0 or an address that `ip addr` shows",
        8,
    ),
    Pattern(
        Code.BAD_CONFIGURATION,
        ("Permission denied", "Privileged ports"),
        r"^bind \[(?P<address>[^\]]+)\]:(?P<port>\d+): Permission denied"
        r"|^Privileged ports can only be forwarded by root",
        "port {port} needs root",
        "choose a local_port above 1023",
        8,
    ),
    Pattern(
        Code.LOCAL_PORT_BUSY,
        ("cannot listen to port",),
        r"cannot listen to port: (?P<port>\d+)",
        "cannot listen on local port {port}",
        "see who holds it: ss -ltnp 'sport = :{port}'; end that or choose another local_port",
        7,
    ),
    Pattern(
        Code.FORWARDING_REFUSED,
        ("Remote: ", "forwarding is"),
        # The server's own remark, or its banner where the forward was refused after it.
        r"Remote: (?P<why>Server has disabled port forwarding|(?i:port forwarding (?:is )?"
        r"(?:refused|disabled|denied|prohibited|not (?:allowed|permitted))))"
        r"|^.*(?i:port forwarding is (?:disabled|denied|not (?:allowed|permitted)))"
        r"(?=[\s\S]*remote port forwarding failed)",
        "the server forbids this forward",
        "its owner must allow it: AllowTcpForwarding, PermitListen in sshd_config, or "
        "authorized_keys",
        9,
    ),
    Pattern(
        Code.FORWARDING_REFUSED,
        ("administratively prohibited",),
        r"open failed: administratively prohibited",
        "the server forbids this forward",
        "its owner must allow it: AllowTcpForwarding, PermitOpen in sshd_config, or "
        "authorized_keys",
        8,
    ),
    Pattern(
        Code.REMOTE_PORT_BUSY,
        ("remote port forwarding failed", "remote forward failure"),
        r"remote port forwarding failed for listen (?:port|path) (?P<port>\S+)"
        r"|remote forward failure for: listen (?P<port2>\S+?),",
        "remote port {port}{port2} is taken",
        "an old connection may hold it still; on {host}: ss -ltnp 'sport = :{port}' "
        "(or its sshd forbids forwarding)",
        8,
    ),
    # --- configuration
    Pattern(
        Code.BAD_CONFIGURATION,
        ("Bad configuration option", "invalid time value", "line ", "terminating,"),
        r"^(?P<where>\S+?):?,? line (?P<line>\d+): (?P<why>(?:Bad configuration option|"
        r"invalid|unsupported|Bad|missing|Missing|no argument|keyword|garbage|extra).*)$"
        r"|^(?P<file>\S+): terminating, (?P<bad>\d+ bad configuration options)",
        "ssh does not understand an option: {why}{bad}",
        "check ssh_options of the tunnel and {where}{file}: ssh -G {host}",
        7,
    ),
    Pattern(
        Code.BAD_CONFIGURATION,
        ("forwarding specification", "Bad port", "Bad owner or permissions", "Can't open user"),
        r"^(?P<why>Bad (?:local|remote) forwarding specification .*|Bad port .*|"
        r"Bad owner or permissions on .*|Can't open user config file .*)$",
        "{why}",
        "correct the tunnel or the ssh configuration: ssh -G {host}",
        7,
    ),
    Pattern(
        Code.BAD_CONFIGURATION,
        ("Unable to negotiate", "no matching"),
        r"^Unable to negotiate with (?P<to>\S+) port \d+: (?P<why>no matching [^.]+?) found\."
        r"(?: Their offer: (?P<offer>.+))?$",
        "no common algorithm: {why}",
        "allow one of {offer} for {host} in ssh_config, or update its sshd",
        7,
    ),
    Pattern(
        Code.BAD_CONFIGURATION,
        ("No such file or directory", "not found"),
        r"^.*(?:ssh|autossh): (?:No such file or directory|not found|command not found)$",
        "ssh or autossh is not installed",
        "install the openssh client and autossh",
        3,
    ),
)
