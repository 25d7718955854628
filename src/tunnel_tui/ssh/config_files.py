"""Which hosts and forwards the files of an ssh configuration name.

ssh does not tell that (`ssh -G` knows one host at a time), so the files are read, as far as
ssh_config(5) goes without conditions: for completion, and for making tunnels of forwards.
"""

import os
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from tunnel_tui.model import Direction, DirectionMode, parse_endpoint

MAX_INCLUDES = 16
"""Depth at which ssh itself gives up (readconf.c)."""
_FORWARDS = {"localforward": "LocalForward", "remoteforward": "RemoteForward"}


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
