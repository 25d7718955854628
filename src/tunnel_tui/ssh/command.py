"""From a spec to the command line that runs it, and back: is this process still what we want?"""

import os
import time
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple

from tunnel_tui.errors import ConfigError, SpawnError
from tunnel_tui.model import Endpoint, Forward, TunnelEntry, TunnelSpec
from tunnel_tui.settings import Settings
from tunnel_tui.ssh import features
from tunnel_tui.ssh.marks import OWN_LOG, STATE_VARIABLE, TAG, TAG_OPTION
from tunnel_tui.ssh.programs import find, find_ssh, known_hosts
from tunnel_tui.system import proc

POLL = "30"
"""Seconds; autossh(1) AUTOSSH_POLL bounds its backoff between connection attempts."""

_FIRM = (
    "ExitOnForwardFailure=yes",
    "BatchMode=yes",
    "ControlMaster=no",
    "ControlPath=none",
    "LogLevel=VERBOSE",
)
"""What our reading of the tunnel rests on; ssh(1) takes the first value of an option."""
_TUNABLE = (
    "ConnectTimeout=10",
    "ServerAliveInterval=14",
    "ServerAliveCountMax=3",
    "StrictHostKeyChecking=accept-new",
)
"""Given after the person's own `ssh_options`, which therefore win.

ssh gives up when the question after the last allowed one is due: after (3 + 1) · 14 s of silence,
so that a dead connection is noticed within a minute.
"""
_REPORTING = ("LogLevel=", "LogVerbose=")
_QUIET = ("BatchMode=", "ControlMaster=", "ControlPath=", "LogLevel=", "LogVerbose=", "SetEnv=")
"""Of no use to a person who runs the command by hand."""
_FOREIGN = ("AUTOSSH_PORT", "AUTOSSH_PIDFILE", "AUTOSSH_DEBUG", "AUTOSSH_MESSAGE")
"""autossh(1) variables of the caller that would make tunnels collide."""
SECRETS = ("API_KEY",)
"""Variables that no tunnel inherits: `docker exec` brings them to whatever it runs."""
_KEPT_BACK = (*_FOREIGN, *SECRETS)


class Command(NamedTuple):
    """What to execute.

    Attributes:
        argv: the program as an absolute path, and its arguments.
        environment: all of it.
        reconnects: False where autossh is missing and plain ssh runs: it will not come back.
    """

    argv: tuple[str, ...]
    environment: dict[str, str]
    reconnects: bool


def build_command(settings: Settings, spec: TunnelSpec, environment: Mapping[str, str]) -> Command:
    """Make the command line and the environment of a tunnel.

    Raises:
        ConfigError: the remote host would be read as an option, or an endpoint is malformed.
        SpawnError: there is no ssh.
    """
    ssh = find_ssh(spec, environment)
    autossh = find("autossh", environment)
    arguments = _ssh_arguments(settings, spec, ssh)
    argv = (autossh, "-M", "0", *arguments) if autossh else (ssh, *arguments)
    return Command(argv, _environment(settings, spec, environment, ssh), autossh is not None)


def forward_of(settings: Settings, spec: TunnelSpec) -> Forward:
    """Say what listens where, with socket paths on this machine made absolute.

    Raises:
        ConfigError: an endpoint is malformed.
    """
    try:
        forward = spec.forward(settings.direction_mode)
    except ValueError as error:
        raise ConfigError(f"{spec.name}: an endpoint is malformed", str(error)) from None
    if forward.listens_here:
        return forward._replace(listener=_absolute(settings, forward.listener))
    return forward._replace(target=_absolute(settings, forward.target))


def same_command(settings: Settings, spec: TunnelSpec, entry: TunnelEntry) -> bool:
    """Say whether the entry's process runs the command line that we would start now.

    A process of the shell scripts counts as the same when it carries the same forward to the
    same host: their options differ from ours, and that is no reason to drop connections.
    """
    running = proc.command_line(entry.pid)
    if not running:
        return False
    try:
        wanted = build_command(settings, spec, os.environ).argv
    except (ConfigError, SpawnError):
        return False
    if "ExitOnForwardFailure=yes" in running:
        same = without_reporting(running[1:]) == without_reporting(wanted[1:])
        return same and _program(running) == _program(wanted)
    # Scripts always wrote host:port, so the spec's own spelling is the one to look for.
    forward = forward_of(settings, spec)
    return (
        running[-1] == spec.remote_host
        and forward.kind.value in running
        and forward.argument in running
    )


def without_reporting(words: Sequence[str]) -> list[str]:
    """Leave away how ssh was told to report: a version that asks otherwise restarts nothing."""
    kept: list[str] = []
    following = iter(words)
    for word in following:
        if word == "-E":
            next(following, "")
        elif word == "-o":
            value = next(following, "")
            if not value.startswith(_REPORTING):
                kept += (word, value)
        else:
            kept.append(word)
    return kept


def shell_line(command: Command) -> str:
    """Spell the tunnel as a plain ssh command that a person can paste into a shell."""
    from shlex import join

    arguments = list(command.argv[1:])
    if arguments[:2] == ["-M", "0"]:
        del arguments[:2]
    kept: list[str] = []
    position = 0
    while position < len(arguments):
        width = 2 if arguments[position] in ("-o", "-E") else 1
        words = arguments[position : position + width]
        if not (words[0] == "-E" or (width == 2 and words[-1].startswith(_QUIET))):
            kept += words
        position += width
    return join(["ssh", *kept])


def _ssh_arguments(settings: Settings, spec: TunnelSpec, ssh: str) -> tuple[str, ...]:
    forward = forward_of(settings, spec)
    fixed = _fixed(settings, ssh, os.path.expanduser("~"), int(time.monotonic()))
    own = [f"{TAG_OPTION}{spec.hash}", *fixed.verbose]
    if forward.listens_here and forward.listener.path:
        # A socket that a killed ssh left behind would keep the next one from listening.
        own.append("StreamLocalBindUnlink=yes")
    where = (forward.kind.value, forward.argument, "--", spec.remote_host)
    return (*fixed.first, *_options(own + list(spec.ssh_options)), *fixed.last, *where)


class _Fixed(NamedTuple):
    """Arguments that are the same for all tunnels of one second."""

    first: tuple[str, ...]
    verbose: tuple[str, ...]
    last: tuple[str, ...]


@lru_cache(maxsize=8)
def _fixed(settings: Settings, ssh: str, _home: str, _second: int) -> _Fixed:
    knows = features.knows_log_verbose(settings, ssh)
    last = _options([*_TUNABLE, f"UserKnownHostsFile={known_hosts(settings)}"])
    if os.path.exists(settings.ssh_config_file):
        last += ("-F", settings.ssh_config_file)
    verbose = (f"LogVerbose={features.LOG_VERBOSE}",) if knows else ()
    return _Fixed(("-N", "-T", "-E", OWN_LOG, *_options(_FIRM)), verbose, last)


def _options(values: Iterable[str]) -> tuple[str, ...]:
    return tuple(word for value in values for word in ("-o", value))


def _environment(
    settings: Settings, spec: TunnelSpec, environment: Mapping[str, str], ssh: str
) -> dict[str, str]:
    result = dict(environment)
    for name in _KEPT_BACK:
        result.pop(name, None)
    result.setdefault("AUTOSSH_PATH", ssh)
    result[TAG] = spec.hash
    result[STATE_VARIABLE] = settings.state_file
    result["AUTOSSH_POLL"] = POLL
    result["AUTOSSH_LOGFILE"] = OWN_LOG
    result["AUTOSSH_LOGLEVEL"] = "6"
    if settings.gate_time is None:
        result.pop("AUTOSSH_GATETIME", None)
    else:
        result["AUTOSSH_GATETIME"] = settings.gate_time
    return result


def _absolute(settings: Settings, endpoint: Endpoint) -> Endpoint:
    """Make a relative socket path independent of where the command was typed."""
    if not endpoint.path:
        return endpoint
    path = os.path.expanduser(endpoint.path)
    return endpoint._replace(path=os.path.join(os.path.dirname(settings.config_file), path))


def _program(argv: tuple[str, ...]) -> str:
    return os.path.basename(argv[0])
