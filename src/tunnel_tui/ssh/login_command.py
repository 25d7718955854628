"""The ssh command lines of a login: the master itself, and what is asked of it later."""

import os
from collections.abc import Mapping

from tunnel_tui.model import TunnelSpec
from tunnel_tui.settings import Settings
from tunnel_tui.ssh.command import (
    SECRETS,
    Command,
    forward_of,
)
from tunnel_tui.ssh.marks import LOGIN_VARIABLE, STATE_VARIABLE
from tunnel_tui.ssh.programs import find_ssh, known_hosts

_OPTIONS = (
    "ControlPersist=no",
    # Forwards of the person's own ssh config would ride along unseen and may fail the login.
    "ClearAllForwardings=yes",
    "ServerAliveInterval=14",
    "ServerAliveCountMax=3",
    "ConnectTimeout=20",
    "BatchMode=no",
    "RequestTTY=no",
)


def build_login(settings: Settings, spec: TunnelSpec, environment: Mapping[str, str]) -> Command:
    """Make the command that logs in to the remote host of `spec` and leaves a master behind.

    ssh(1): `-f` goes to the background after authentication, `-M -S` makes it a master, `-N` runs
    no command. It carries no forward: those are attached afterwards, so that a busy port costs
    one tunnel and not the code that a person just typed. Host keys are asked about as the
    person's own configuration says: somebody is there to answer.

    Raises:
        ConfigError: the remote host would be read as an option.
        SpawnError: there is no ssh.
    """
    ssh = find_ssh(spec, environment)
    arguments = ["-f", "-N", "-M", "-S", settings.login_socket(spec.remote_host), "-e", "none"]
    options = [*_OPTIONS, *spec.ssh_options, f"UserKnownHostsFile={known_hosts(settings)}"]
    for option in options:
        arguments += ("-o", option)
    arguments += (*_config(settings), "--", spec.remote_host)
    surroundings = {key: value for key, value in environment.items() if key not in SECRETS}
    # A graphical askpass would hide the prompt from the person at this terminal (ssh(1)).
    surroundings["SSH_ASKPASS_REQUIRE"] = "never"
    surroundings[LOGIN_VARIABLE] = spec.remote_host
    surroundings[STATE_VARIABLE] = settings.state_file
    return Command((ssh, *arguments), surroundings, reconnects=False)


def build_request(
    settings: Settings,
    spec: TunnelSpec,
    socket: str,
    request: str,
    environment: Mapping[str, str],
) -> tuple[str, ...]:
    """Make the command that asks a master to do something (ssh(1), `-O`).

    Args:
        settings: where things are.
        spec: whose forward it is about.
        socket: the master's control socket.
        request: "forward", "cancel" or "exit".
        environment: says where ssh is.

    Raises:
        ConfigError: an endpoint is malformed. SpawnError: there is no ssh.
    """
    arguments = [find_ssh(spec, environment), "-S", socket, "-O", request, "-o", "BatchMode=yes"]
    # Otherwise ssh would ask for the forwards of the person's configuration as well.
    arguments += ("-F", "/dev/null")
    if request != "exit":
        forward = forward_of(settings, spec)
        arguments += (forward.kind.value, forward.argument)
    return (*arguments, "--", spec.remote_host)


def _config(settings: Settings) -> tuple[str, ...]:
    if os.path.exists(settings.ssh_config_file):
        return ("-F", settings.ssh_config_file)
    return ()
