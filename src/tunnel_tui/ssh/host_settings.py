"""What ssh would use for a host: `ssh -G` is the truth, whatever files and conditions it has."""

import os
from collections.abc import Sequence
from typing import NamedTuple

from tunnel_tui.errors import ConfigError
from tunnel_tui.model import Problem, TunnelSpec

LOOKUPS_AT_ONCE = 4
_FORWARDS = {"localforward": "LocalForward", "remoteforward": "RemoteForward"}


class HostSettings(NamedTuple):
    """What ssh would use for a host.

    Attributes:
        forwards: its own LocalForward, RemoteForward and DynamicForward, as `ssh -G` prints them.
        clears_forwards: ClearAllForwardings is on, which would take a tunnel's forward away.
    """

    hostname: str
    user: str
    port: int
    proxy_jump: str = ""
    forwards: tuple[str, ...] = ()
    clears_forwards: bool = False


def look_up(host: str, config_file: str | None = None, timeout: float = 5.0) -> HostSettings:
    """Ask `ssh -G` what it would use for `host`.

    Args:
        host: a checked `remote_host`.
        config_file: passed with `-F` if it exists.
        timeout: seconds; a `Match exec` of the person's may take its time.

    Raises:
        ConfigError: ssh is missing, too slow, or refuses its configuration.
    """
    chosen = ["-F", config_file] if config_file and os.path.exists(config_file) else []
    return _read_settings(ask_ssh(["ssh", "-G", *chosen, "--", host], timeout))


def ask_ssh(command: list[str], timeout: float) -> str:
    """Run a command that asks nothing, in a session of its own, and return its output.

    Raises:
        ConfigError: ssh is missing, slower than `timeout` seconds, or refuses.
    """
    import signal
    import subprocess

    try:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
    except OSError as error:
        raise ConfigError("ssh cannot be run", str(error), "install the OpenSSH client") from error
    with process:
        try:
            output, errors = process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)  # also what a `Match exec` left behind
            raise ConfigError(
                "ssh took too long to read its configuration",
                f"{' '.join(command)}: no answer in {timeout:g} s",
                "look for a slow 'Match exec'",
            ) from None
    if process.returncode != 0:
        lines = errors.decode("utf-8", "replace").strip().splitlines()
        raise ConfigError("ssh refuses its configuration", lines[0] if lines else "no message")
    return output.decode("utf-8", "replace")


def _read_settings(output: str) -> HostSettings:
    found: dict[str, str] = {}
    forwards: list[str] = []
    for line in output.splitlines():
        keyword, _, value = line.partition(" ")
        if keyword in ("localforward", "remoteforward"):
            forwards.append(f"{_FORWARDS[keyword]} {value}")
        elif keyword == "dynamicforward" and not value.startswith("/"):
            # ssh 9.2 also prints the socket paths of other forwards under this keyword
            forwards.append(f"DynamicForward {value}")
        else:
            found[keyword] = value
    port = found.get("port", "22")
    return HostSettings(
        found.get("hostname", ""),
        found.get("user", ""),
        int(port) if port.isdigit() else 22,
        found.get("proxyjump", ""),
        tuple(forwards),
        found.get("clearallforwardings") == "yes",
    )


def check_hosts(
    file: str,
    specs: Sequence[TunnelSpec],
    config_file: str | None = None,
    timeout: float = 5.0,
) -> list[Problem]:
    """Warn of each host whose ssh configuration stands in the way of its tunnels.

    Takes about 10 ms for each distinct host; hosts that ssh cannot be asked about are warned of.
    """
    from concurrent.futures import ThreadPoolExecutor

    first: dict[str, TunnelSpec] = {}
    for spec in specs:
        first.setdefault(spec.remote_host, spec)

    def check(spec: TunnelSpec) -> list[Problem]:
        try:
            settings = look_up(spec.remote_host, config_file, timeout)
        except ConfigError as error:
            text = f"{spec.remote_host}: {error}"
            return [Problem(file, spec.line, spec.name, text, fatal=False)]
        return _warnings(file, spec, settings)

    with ThreadPoolExecutor(LOOKUPS_AT_ONCE) as pool:
        return [problem for found in pool.map(check, first.values()) for problem in found]


def _warnings(file: str, spec: TunnelSpec, settings: HostSettings) -> list[Problem]:
    host = spec.remote_host
    problems: list[Problem] = []
    if settings.forwards:
        message = f"{host} has forwards of its own in the ssh configuration"
        advice = "every tunnel to this host would open them too: move them to another Host"
        value = ", ".join(settings.forwards)
        problems.append(Problem(file, spec.line, spec.name, message, value, advice, fatal=False))
    if settings.clears_forwards:
        message = f"{host} has ClearAllForwardings in the ssh configuration"
        advice = "it takes the tunnel's forward away: remove it for this Host"
        problems.append(Problem(file, spec.line, spec.name, message, "", advice, fatal=False))
    return problems
