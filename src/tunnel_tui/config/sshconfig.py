"""What the ssh configuration says of a host: asked from ssh itself, or read from the files.

`ssh -G` is the truth about one host. Which hosts there are, and which forwards could become
tunnels, ssh does not tell: for that the files are read, as far as ssh_config(5) goes without
conditions.
"""

import os
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from tunnel_tui.errors import ConfigError
from tunnel_tui.model import Direction, DirectionMode, Problem, TunnelSpec, parse_endpoint

MAX_INCLUDES = 16
"""Depth at which ssh itself gives up (readconf.c)."""
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


class ConfiguredForward(NamedTuple):
    """A LocalForward or RemoteForward line that could become a tunnel.

    Attributes:
        host: the alias in whose block it stands.
        keyword: `LocalForward` or `RemoteForward`.
        line: counted from 1, in `file`.
    """

    host: str
    keyword: str
    listener: str
    target: str
    file: str
    line: int

    def values(self, mode: DirectionMode = DirectionMode.DEFAULT) -> dict[str, str]:
        """Put it into the keys of our configuration."""
        here = self.keyword == "LocalForward"
        inward = here != (mode is DirectionMode.SSH_STANDARD)
        return {
            "name": f"{self.host}-{self.listener.rpartition(':')[2].rpartition('/')[2]}",
            "remote_host": self.host,
            "remote_port": self.target if here else self.listener,
            "local_port": self.listener if here else self.target,
            "direction": (Direction.REMOTE_TO_LOCAL if inward else Direction.LOCAL_TO_REMOTE).value,
        }


# --- asking ssh ---------------------------------------------------------------------------------


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
    return _read_settings(_run(["ssh", "-G", *chosen, "--", host], timeout))


def _run(command: list[str], timeout: float) -> str:
    """Run a command that asks nothing, in a session of its own, and return its output."""
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


# --- reading the files --------------------------------------------------------------------------


def host_aliases(config_file: str) -> list[str]:
    """List the Host names of an ssh configuration and of what it includes, without patterns."""
    names: dict[str, None] = {}
    for directive in _directives(config_file):
        if directive.keyword == "host":
            names.update(dict.fromkeys(directive.hosts))
    return list(names)


def configured_forwards(config_file: str) -> list[ConfiguredForward]:
    """List the LocalForward and RemoteForward lines that could become tunnels.

    Those in a block for patterns or conditions, and those for SOCKS, are left out.
    """
    found: list[ConfiguredForward] = []
    for directive in _directives(config_file):
        keyword = _FORWARDS.get(directive.keyword)
        if keyword is None or len(directive.arguments) != 2:
            continue
        listener, target = directive.arguments
        try:
            parse_endpoint(listener)
            parse_endpoint(target)
        except ValueError:
            continue
        found += [
            ConfiguredForward(host, keyword, listener, target, directive.file, directive.line)
            for host in directive.hosts
        ]
    return found


class _Directive(NamedTuple):
    """One line of an ssh configuration; `hosts` are the plain names of the block around it."""

    keyword: str
    arguments: tuple[str, ...]
    hosts: tuple[str, ...]
    file: str
    line: int


def _directives(path: str, hosts: tuple[str, ...] = (), depth: int = 0) -> Iterator[_Directive]:
    """Go through a file and its includes; an include inherits the block that it stands in."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            lines = file.read(1 << 20).splitlines()
    except OSError:
        return
    for number, line in enumerate(lines, 1):
        words = _words(line)
        if not words:
            continue
        keyword, arguments = words[0].lower(), tuple(words[1:])
        if keyword == "include" and depth < MAX_INCLUDES:
            for included in _included(arguments):
                yield from _directives(included, hosts, depth + 1)
            continue
        if keyword == "host":
            hosts = tuple(name for name in arguments if not set("*?!") & set(name))
        elif keyword == "match":
            hosts = ()
        yield _Directive(keyword, arguments, hosts, path, number)


def _words(line: str) -> list[str]:
    """Split `Keyword value "quoted value"` or `Keyword=value` (ssh_config(5))."""
    text = line.strip()
    if not text or text.startswith("#"):
        return []
    end = next((i for i, character in enumerate(text) if character in " \t="), len(text))
    rest = text[end:].lstrip(" \t")
    rest = rest[1:].lstrip(" \t") if rest.startswith("=") else rest
    words, word, quoted, begun = [text[:end]], "", False, False
    for character in rest:
        if character == '"':
            quoted, begun = not quoted, True
        elif character in " \t" and not quoted:
            if begun:
                words.append(word)
            word, begun = "", False
        elif character == "#" and not begun and not quoted:
            break
        else:
            word, begun = word + character, True
    return [*words, word] if begun else words


def _included(patterns: Sequence[str]) -> list[str]:
    """Find the files of an Include; names without a path are looked for in ~/.ssh."""
    from glob import glob

    home = os.path.expanduser("~/.ssh")
    paths = (os.path.join(home, os.path.expanduser(pattern)) for pattern in patterns)
    return [path for pattern in paths for path in sorted(glob(pattern)) if os.path.isfile(path)]
