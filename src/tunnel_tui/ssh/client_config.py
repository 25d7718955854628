"""What ssh will use for a tunnel: its names, files and hops, as `ssh -G` says.

Advice and dialogs take hosts and paths from here. What stands in a log selects among them, and
never brings one along: a server can write there.
"""

import os
import re
import time
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import NamedTuple

from tunnel_tui.errors import TunnelTuiError
from tunnel_tui.model import TunnelSpec
from tunnel_tui.settings import Settings
from tunnel_tui.ssh.host_settings import ask_ssh
from tunnel_tui.ssh.programs import find_ssh, known_hosts

Options = Mapping[str, tuple[str, ...]]
"""Keyword in lower case → its values, one for each line of `ssh -G`."""

_TIMEOUT = 2.0
_KEPT = 5.0
"""Seconds for which an answer is good, while the configuration file is the same."""
_MOST_HOPS = 8
_HOP = re.compile(
    r"(?:ssh://)?(?:(?P<user>[^@]+)@)?(?P<host>\[[^\]]+\]|[^:\[\]]+)(?::(?P<port>\d+))?/?"
)
_NOTHING: Options = {}


class Host(NamedTuple):
    """A machine whose key ssh checks on the way: the tunnel's own host, or a hop to it.

    Attributes:
        name: as known-hosts files have it: `host`, `[host]:port`, or its HostKeyAlias.
        hop: True for a jump host.
        files: known-hosts files that ssh reads for it, absolute.
    """

    name: str
    hop: bool
    files: tuple[str, ...]


class SshClient:
    """What the person's ssh would use for one tunnel, asked when it is needed."""

    def __init__(self, settings: Settings, spec: TunnelSpec) -> None:
        self._settings = settings
        self._spec = spec

    def hosts(self) -> tuple[Host, ...]:
        """List the tunnel's own host, and the hops to it."""
        return hosts(self._settings, self._spec)

    def identity_files(self) -> tuple[str, ...]:
        """List the key files that ssh tries, absolute."""
        return identity_files(self._settings, self._spec)


def effective_options(settings: Settings, spec: TunnelSpec) -> Options:
    """Ask `ssh -G` what it would use for this tunnel; empty where it cannot be asked."""
    try:
        ssh = find_ssh(spec, os.environ)
    except TunnelTuiError:
        return _NOTHING
    given = (*spec.ssh_options, f"UserKnownHostsFile={known_hosts(settings)}")
    options = tuple(word for option in given for word in ("-o", option))
    return _ask(ssh, settings, (*options, "--", spec.remote_host))


def hosts(settings: Settings, spec: TunnelSpec) -> tuple[Host, ...]:
    """List the tunnel's own host first, then the hops of its ProxyJump; () where ssh is silent."""
    options = effective_options(settings, spec)
    if not options:
        return ()
    own = Host(_key_name(options), False, _known_hosts_files(options))
    # A jump is an ssh of its own: it gets the same file with -F, and none of our other options.
    hops = [
        Host(_key_name(hop), True, _known_hosts_files(hop))
        for hop in _hops(settings, find_ssh(spec, os.environ), options)
    ]
    return (own, *hops)


def host_names(settings: Settings, spec: TunnelSpec) -> tuple[str, ...]:
    """List the names of `hosts`: the tunnel's own first."""
    return tuple(host.name for host in hosts(settings, spec))


def name_askers(settings: Settings, spec: TunnelSpec) -> str:
    """Name who may ask at a prompt of this tunnel's ssh, and gets what is typed there.

    As `bastion (me@10.0.0.5) or its jump host edge`; where ssh is silent, as configured.
    """
    options = effective_options(settings, spec)
    account = f"{_first(options, 'user')}@{_first(options, 'hostname')}"
    named = spec.remote_host
    if options and account != named:
        named += f" ({account})"
    hops = [host.name for host in hosts(settings, spec) if host.hop]
    if hops:
        named += f" or its jump host{'s' * (len(hops) > 1)} {', '.join(hops)}"
    elif _first(options, "proxycommand") not in ("", "none"):
        named += " or its ProxyCommand"
    return named


def known_hosts_files(settings: Settings, spec: TunnelSpec) -> tuple[str, ...]:
    """List the known-hosts files that ssh reads for the tunnel's own host; they may be absent."""
    return _known_hosts_files(effective_options(settings, spec))


def identity_files(settings: Settings, spec: TunnelSpec) -> tuple[str, ...]:
    """List the private keys that ssh tries for the tunnel's own host; they may be absent."""
    options = effective_options(settings, spec)
    paths = (_expand(path, options) for path in options.get("identityfile", ()))
    return tuple(path for path in paths if os.path.isabs(path))


def _ask(ssh: str, settings: Settings, arguments: tuple[str, ...]) -> Options:
    try:
        found = os.stat(settings.ssh_config_file)
    except OSError:
        config: tuple[str, ...] = ()
        stamp = (0, 0)
    else:
        config = ("-F", settings.ssh_config_file)
        stamp = (found.st_mtime_ns, found.st_size)
    return _answer((ssh, "-G", *config, *arguments), stamp, int(time.monotonic() / _KEPT))


@lru_cache(maxsize=64)
def _answer(command: tuple[str, ...], _stamp: tuple[int, int], _period: int) -> Options:
    try:
        output = ask_ssh(list(command), _TIMEOUT)
    except TunnelTuiError:
        return _NOTHING
    found: dict[str, tuple[str, ...]] = {}
    for line in output.splitlines():
        keyword, _, value = line.partition(" ")
        found[keyword] = (*found.get(keyword, ()), value)
    return found


def _first(options: Options, keyword: str) -> str:
    return options.get(keyword, ("",))[0]


def _key_name(options: Options) -> str:
    """Name the host as ssh looks it up (sshd(8), SSH_KNOWN_HOSTS FILE FORMAT)."""
    if alias := _first(options, "hostkeyalias"):
        return alias
    host, port = _first(options, "hostname").lower(), _first(options, "port")
    return host if port in ("", "22") else f"[{host}]:{port}"


def _hops(settings: Settings, ssh: str, options: Options) -> Iterator[Options]:
    """Walk the jumps of a ProxyJump; a jump may have one of its own in the configuration."""
    waiting = [jump for jump in _first(options, "proxyjump").split(",") if jump]
    seen: set[str] = set()
    while waiting and len(seen) < _MOST_HOPS:
        jump = waiting.pop(0)
        match = _HOP.fullmatch(jump)
        if jump in seen or jump == "none" or match is None or match["host"].startswith("-"):
            continue
        seen.add(jump)
        user, port = match["user"], match["port"]
        words = (*(("-l", user) if user else ()), *(("-p", port) if port else ()))
        found = _ask(ssh, settings, (*words, "--", match["host"].strip("[]")))
        if found:
            waiting += [word for word in _first(found, "proxyjump").split(",") if word]
            yield found


def _known_hosts_files(options: Options) -> tuple[str, ...]:
    """Take the files apart: `ssh -G` joins them by spaces, which a path may have itself."""
    files: dict[str, None] = {}
    for keyword in ("userknownhostsfile", "globalknownhostsfile"):
        words = _first(options, keyword).split(" ")
        for begin in range(len(words)):
            for end in range(len(words), begin, -1):
                path = _expand(" ".join(words[begin:end]), options)
                if os.path.isabs(path) and (end == begin + 1 or os.path.exists(path)):
                    files[path] = None
    return tuple(files)


def _expand(path: str, options: Options) -> str:
    """Replace `~` and the tokens of ssh_config(5) that OpenSSH leaves in what it prints."""
    home = os.path.expanduser("~")
    tokens = {
        "%": "%",
        "d": home,
        "h": _first(options, "hostname"),
        "n": _first(options, "host"),
        "p": _first(options, "port"),
        "r": _first(options, "user"),
        "i": str(os.getuid()),
    }
    path = re.sub("%(.)", lambda found: tokens.get(found[1], found[0]), path)
    return os.path.expanduser(path)
