"""The programs that run a tunnel, and the known-hosts files that they are given."""

import os
import time
from collections.abc import Mapping
from functools import lru_cache

from tunnel_tui.errors import ConfigError, SpawnError
from tunnel_tui.model import TunnelSpec
from tunnel_tui.settings import Settings
from tunnel_tui.system.spawn import find_program


def find_ssh(spec: TunnelSpec, environment: Mapping[str, str]) -> str:
    """Return the path of the ssh that may be given this spec's remote host.

    Raises:
        ConfigError: the remote host would be read as an option.
        SpawnError: there is no ssh.
    """
    if spec.remote_host.startswith("-") or not spec.remote_host:
        raise ConfigError(
            "remote_host would be read as an option of ssh",
            repr(spec.remote_host),
            "a remote_host is user@host or a host of the ssh config",
        )
    ssh = find("ssh", environment)
    if ssh is None:
        raise SpawnError("ssh is not installed", "", "install openssh-client")
    return ssh


def find(name: str, environment: Mapping[str, str]) -> str | None:
    """Find a program; the answer is good for a few seconds, that is for all of one batch."""
    return _find_at(name, environment.get("PATH", os.defpath), int(time.monotonic() / 5))


@lru_cache(maxsize=8)
def _find_at(name: str, path: str, _period: int) -> str | None:
    return find_program(name, {"PATH": path})


def known_hosts(settings: Settings) -> str:
    """Ours first, because ssh writes new keys to the first; the person's own are read too."""
    theirs = f"{settings.ssh_config_dir}/known_hosts", os.path.expanduser("~/.ssh/known_hosts")
    files = (settings.known_hosts_file, *theirs)
    return " ".join(_quoted(file) for file in dict.fromkeys(files))


def _quoted(path: str) -> str:
    """Protect a path from the tokens and the word splitting of ssh_config(5)."""
    path = path.replace("%", "%%")
    return f'"{path}"' if any(character.isspace() for character in path) else path
