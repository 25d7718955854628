"""The table of failures: what ssh prints, what it means, what to do about it.

Every expression is tried on one line of at most `LINE` characters, so that the worst that a server
can send costs a fraction of a millisecond. What a line says of others goes into the text of a
reason, as a quotation; a command in an advice is made of the tunnel's own configuration and of
what was found on this machine (`advice`), never of a word of the log.
"""

import re
from functools import lru_cache
from typing import NamedTuple

from tunnel_tui.model import ReasonCode

Code = ReasonCode
LINE = 1024
"""Characters of a line that are read: ssh's own messages are no longer (log.c, MSGBUFSIZ)."""


class Pattern(NamedTuple):
    """One failure.

    Attributes:
        code: the reason.
        words: one of them is in every line that the expression matches (a cheap first look).
        expression: its named groups fill `text`.
        text: what happened, with {group}.
        advice: what to do; {host}, {port} and the like come from `advice.Advice`.
        rank: the more telling wins where one failure matches several patterns.
        needs: words that another line of the same attempt must have.
        unlogged: ssh prints it past its log, on its standard error, where others write too:
            "always" looked for there as well, or "unconnected": only while ssh has logged
            nothing, so that no server can have said it.
    """

    code: ReasonCode
    words: tuple[str, ...]
    expression: str
    text: str
    advice: str
    rank: int = 5
    needs: str = ""
    unlogged: str = ""


@lru_cache(maxsize=128)
def compiled(expression: str) -> re.Pattern[str]:
    """Compile an expression when it is first needed: commands that only read need few of them."""
    return re.compile(expression)


_HOST = r"[\w.:%\[\]-]{1,255}"
_CONNECT = rf"^ssh: connect to host (?P<to>{_HOST}) port (?P<port>\d{{1,5}}): "
_TRY = "try it by hand: ssh -v {host}"

PATTERNS: tuple[Pattern, ...] = (
    # --- host keys
    Pattern(
        Code.HOST_KEY_CHANGED,
        ("IDENTIFICATION HAS CHANGED", "has changed and you have requested"),
        rf"^Host key for (?P<name>{_HOST}) has changed|REMOTE HOST IDENTIFICATION HAS CHANGED",
        "host key changed",
        "reinstalled or an attack: compare with its owner{fingerprint}; then {remove}",
        9,
    ),
    Pattern(
        Code.HOST_KEY_CHANGED,
        ("REVOKED HOST KEY",),
        r"REVOKED HOST KEY",
        "host key revoked",
        "this key was withdrawn: do not connect before the owner explains it",
        9,
    ),
    Pattern(
        Code.HOST_KEY_UNKNOWN,
        ("host key is known for", "Host key verification failed"),
        rf"^No \S{{1,64}} host key is known for (?P<name>{_HOST}) and"
        r"|^Host key verification failed",
        "host key unknown",
        "connect once by hand and compare the fingerprint: ssh {host}",
        8,
    ),
    # --- authentication
    Pattern(
        Code.KEY_FILE,
        ("UNPROTECTED PRIVATE KEY", "bad permissions", "are too open"),
        r"^Permissions 0?\d{1,6} for '(?P<file>[^']+)' are too open"
        r"|^Load key \"(?P<key>[^\"]+)\": bad permissions",
        "key file readable by others: {file}{key}",
        "ssh ignores such a key: {chmod}",
        8,
    ),
    Pattern(
        Code.KEY_FILE,
        ("Load key", "Identity file", "no such identity"),
        r"^Load key \"(?P<file>[^\"]+)\": (?P<why>.+)$"
        r"|^Warning: Identity file (?P<missing>.+) not accessible: (?P<because>[^.]+)"
        r"|^no such identity: (?P<none>.+?): (?P<gone>.+)$",
        "key file unusable: {file}{missing}{none}: {why}{because}{gone}",
        "check IdentityFile for {host} (a key with a passphrase needs ssh-agent or "
        "interactive: true)",
        8,
        needs="Permission denied (",  # only where the login was refused: else another key did
    ),
    Pattern(
        Code.KEY_FILE,
        ("signing failed",),
        r"^sign_and_send_pubkey: signing failed for \S{1,64} \"?(?P<file>[^\"]*?)\"?"
        r"(?: from agent)?: (?P<why>.+)$",
        "the key could not sign: {why}",
        "unlock the key or touch the token, or load it into the agent with ssh-add",
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
        r"^\S{1,300}: Permission denied \((?=[^)]{0,300}(?:password|keyboard-interactive))"
        r"(?P<methods>[\w,@.-]{0,300})\)",
        "permission denied ({methods})",
        "install the key: ssh-copy-id {host}; if the host asks for a password or code, "
        "set interactive: true",
        7,
    ),
    Pattern(
        Code.PERMISSION_DENIED,
        ("Permission denied (",),
        r"^\S{1,300}: Permission denied \((?P<methods>[\w,@.-]{0,300})",
        "permission denied ({methods})",
        "the host does not take this key, or not for this user: try `ssh -v {host}`, put the "
        "public key into its authorized_keys",
        7,
    ),
    # --- the way there
    Pattern(
        Code.UNRESOLVED,
        ("Could not resolve hostname",),
        rf"^(?:ssh: )?Could not resolve hostname (?P<name>{_HOST}): .+$",
        "could not resolve {name}",
        "check the name, DNS and VPN; which name ssh looks up: ssh -G {host}",
    ),
    Pattern(
        Code.REFUSED,
        ("Connection refused",),
        _CONNECT + r"Connection refused",
        "connection refused by {to} port {port}",
        "nothing listens there: is sshd running, is the port right? ssh -v {host}",
    ),
    Pattern(
        Code.UNREACHABLE,
        ("connect to host",),
        _CONNECT + r"(?P<why>Network is unreachable|No route to host|Host is down|"
        r"Permission denied|Operation not permitted|Network is down|Cannot assign requested "
        r"address|Invalid argument)",
        "{to} is unreachable: {why}",
        "check network, VPN and firewall: ssh -v {host}",
    ),
    Pattern(
        # A firewall that answers with a reset, and whatever else connect(2) may say.
        Code.UNREACHABLE,
        ("connect to host",),
        _CONNECT + r"(?P<why>.+)$",
        "cannot connect to {to} port {port}: {why}",
        "check network, VPN and firewall: ssh -v {host}",
        4,
    ),
    Pattern(
        Code.TIMED_OUT,
        ("timed out",),
        _CONNECT + r"(?:Connection|Operation) timed out"
        r"|^Connection timed out during banner exchange"
        rf"|^Connection to (?P<to2>{_HOST}) port (?P<port2>\d{{1,5}}) timed out",
        "no answer from {to}{to2} port {port}{port2}",
        "host down, firewall, or a server that is stuck: ssh -v {host}",
    ),
    Pattern(
        Code.CONNECTION_LOST,
        ("not responding",),
        rf"^Timeout, server (?P<to>{_HOST}) not responding",
        "connection lost: {to} stopped answering",
        "network, VPN or host went away; it reconnects by itself when it is back",
    ),
    Pattern(
        Code.CONNECTION_LOST,
        ("closed by", "reset by", "Broken pipe", "Connection aborted"),
        rf"^Connection to {_HOST} closed by remote host"
        rf"|^(?:Read from remote host|(?:client_loop: )?send disconnect|packet_write_wait|"
        rf"Write failed)(?: {_HOST})?: ?.{{0,300}}(?:reset by peer|Broken pipe|closed|aborted)"
        rf"|^Connection (?:closed|reset) by (?!UNKNOWN){_HOST} port \d+",
        "connection closed by the server",
        "its sshd or machine restarted, or something between cuts idle connections",
        4,
        unlogged="always",
    ),
    Pattern(
        Code.CONNECTION_LOST,
        ("exchange_identification", "Not allowed at this time", "banner exchange"),
        r"^kex_exchange_identification: |^Not allowed at this time"
        rf"|^banner exchange: Connection to (?!UNKNOWN){_HOST} port \d+: ",
        "the server hung up before its greeting",
        "too many logins at once (MaxStartups), a ban (fail2ban), or no sshd on that port",
        5,
    ),
    Pattern(
        Code.CONNECTION_LOST,
        ("Received disconnect",),
        rf"^Received disconnect from {_HOST} port \d+:\d+: (?P<why>.+)$",
        "the server said goodbye: “{why}”",
        "ask the owner of {host}, or look into its sshd log",
    ),
    Pattern(
        Code.JUMP_FAILED,
        ("UNKNOWN port 65535",),
        r"^(?:banner exchange: )?(?:Connection|Disconnected) (?:(?:closed|reset) by |from |to )?"
        r"UNKNOWN port 65535",
        "the jump host or proxy command failed",
        _TRY,
        6,  # a lasting reason of the jump host itself tells more, a passing one less
    ),
    Pattern(
        Code.JUMP_FAILED,
        ("stdio forwarding failed",),
        r"^stdio forwarding failed",
        "the jump host cannot reach the host",
        "name and port as seen from the jump host: ssh -v {host}",
        8,
    ),
    # --- forwards
    Pattern(
        # Ours: ssh itself would go on without, and not know the host.
        Code.BAD_CONFIGURATION,
        ("]: not started: the ssh conf",),
        r"^\S+ \S+ tunnel-tui\[\d+\]: not started: the ssh configuration may not be read: "
        r"(?P<why>.+)$",
        "{why}",
        "run as its owner (in a container: PUID), or give this user a copy of what ssh needs",
        9,
    ),
    Pattern(
        # Ours: looked for before ssh was asked to listen.
        Code.LOCAL_PORT_BUSY,
        ("]: not started: ",),
        r"^\S+ \S+ tunnel-tui\[\d+\]: not started: (?!the ssh conf)"
        r"(?P<what>[^:]+): (?:\S+ is )?(?P<who>.+)$",
        "{what}, {who}",
        "stop that process, or change local_port",
        9,
    ),
    Pattern(
        Code.LOCAL_PORT_BUSY,
        ("Address already in use",),
        r"^bind \[(?P<address>[^\]\n]+)\]:(?P<port>\d+): Address already in use",
        "local port {port} is in use on {address}",
        "see who holds it{listening}; end that or choose another local_port",
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
        r"^bind \[(?P<address>[^\]\n]+)\]:(?P<port>\d+): Cannot assign requested address",
        "{address} is not an address of this machine",
        "listen on localhost, 0.0.0.0 or an address that `ip addr` shows",
        8,
    ),
    Pattern(
        Code.BAD_CONFIGURATION,
        ("Permission denied", "Privileged ports"),
        r"^bind \[(?P<address>[^\]\n]+)\]:(?P<port>\d+): Permission denied"
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
        "see who holds it{listening}; end that or choose another local_port",
        7,
    ),
    Pattern(
        Code.FORWARDING_REFUSED,
        ("Remote: ",),
        # The server's own remark, where it was asked for a remote forward.
        r"Remote: (?:Server has disabled port forwarding|(?i:port forwarding (?:is )?"
        r"(?:refused|disabled|denied|prohibited|not (?:allowed|permitted))))",
        "the server forbids this forward",
        "its owner must allow it: AllowTcpForwarding, PermitListen in sshd_config, or "
        "authorized_keys",
        9,
        needs="remote port forwarding failed",
    ),
    Pattern(
        Code.FORWARDING_REFUSED,
        ("administratively prohibited",),
        r"^channel \d+: open failed: administratively prohibited",
        "the server forbids this forward",
        "its owner must allow it: AllowTcpForwarding, PermitOpen in sshd_config, or "
        "authorized_keys",
        8,
    ),
    Pattern(
        Code.REMOTE_PORT_BUSY,
        ("remote port forwarding failed", "remote forward failure"),
        r"remote port forwarding failed for listen (?:port|path) (?P<port>\S{1,300})"
        r"|remote forward failure for: listen (?P<port2>[^\s,]{1,300}),",
        "remote port {port}{port2} is taken",
        "an old connection may hold it still; ask {host} who listens there (or its sshd forbids "
        "forwarding)",
        8,
    ),
    # --- configuration
    Pattern(
        Code.BAD_CONFIGURATION,
        ("Bad configuration option", "invalid time value", "line ", "terminating,"),
        r"^(?P<where>\S+?):?,? line (?P<line>\d+): (?P<why>(?:Bad configuration option|"
        r"invalid|unsupported|Bad|missing|Missing|no argument|keyword|garbage|extra).*)$"
        r"|^(?P<file>\S+): terminating, (?P<bad>\d+ bad configuration options)",
        "ssh does not understand an option: {why}{bad} ({where}{file})",
        "check ssh_options of the tunnel and the ssh configuration: ssh -G {host}",
        7,
        unlogged="unconnected",
    ),
    Pattern(
        Code.BAD_CONFIGURATION,
        ("forwarding specification", "Bad port", "Bad owner or permissions", "Can't open user"),
        r"^(?P<why>Bad (?:local|remote) forwarding specification .*|Bad port .*|"
        r"Bad owner or permissions on .*|Can't open user config file .*)$",
        "{why}",
        "correct the tunnel or the ssh configuration: ssh -G {host}",
        7,
        unlogged="unconnected",
    ),
    Pattern(
        Code.BAD_CONFIGURATION,
        ("Unable to negotiate", "no matching"),
        rf"^Unable to negotiate with {_HOST} port \d+: (?P<why>no matching [^.\n]+?) found\."
        r"(?: Their offer: (?P<offer>[\w,@.+-]+))?",
        "no common algorithm: {why}, it offers {offer}",
        "allow one that it offers for {host} in ssh_config, or update its sshd",
        7,
    ),
    Pattern(
        Code.BAD_CONFIGURATION,
        ("No such file or directory", "not found"),
        r"(?:ssh|autossh): (?:No such file or directory|not found|command not found)$",
        "ssh or autossh is not installed",
        "install the openssh client and autossh",
        3,
        unlogged="unconnected",
    ),
)
