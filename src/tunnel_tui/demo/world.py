"""The demo's directory: configuration, ssh configuration, keys, and settings that point there."""

import os
import shutil
import socket
import tempfile
from collections.abc import Collection, Mapping
from typing import NamedTuple

from tunnel_tui.demo.cast import HOSTS, TUNNELS, Behaviour, DemoTunnel
from tunnel_tui.model import Direction
from tunnel_tui.settings import Settings

PREFIX = "tunnel-tui-demo-"
SHORT = 40
"""Longest temporary directory (characters) in which control sockets still fit."""
PORTS_TRIED = 500


class Place(NamedTuple):
    """One tunnel of the demo with the ports that were free: endpoints as the configuration has."""

    tunnel: DemoTunnel
    remote_port: str
    local_port: str

    @property
    def listener_port(self) -> int:
        """The TCP port to connect to."""
        inward = self.tunnel.direction is Direction.REMOTE_TO_LOCAL
        return int((self.local_port if inward else self.remote_port).rpartition(":")[2])


def make_root(path: str | None = None) -> str:
    """Make the demo's directory, mode 0700, where control sockets fit.

    Raises:
        FileExistsError: the path that was asked for is there already.
    """
    if path is not None:
        os.mkdir(path, 0o700)
        return path
    parent = tempfile.gettempdir()
    return tempfile.mkdtemp(prefix=PREFIX, dir=parent if len(parent) <= SHORT else "/tmp")


def demo_settings(root: str) -> Settings:
    """Point every path into the demo's directory."""
    return Settings(
        config_file=os.path.join(root, "config.yaml"),
        ssh_config_dir=os.path.join(root, "ssh"),
        state_file=os.path.join(root, "tunnels.state"),
        log_dir=os.path.join(root, "logs"),
        data_dir=os.path.join(root, "state", "tunnel-tui"),
        socket_dir=os.path.join(root, "sockets"),
    )


def environment_of(settings: Settings) -> dict[str, str]:
    """Say by which variables another terminal reaches the demo's tunnels."""
    return {
        "AUTOSSH_CONFIG_FILE": settings.config_file,
        "SSH_CONFIG_DIR": settings.ssh_config_dir,
        "AUTOSSH_STATE_FILE": settings.state_file,
        "AUTOSSH_LOG_DIR": settings.log_dir,
        "XDG_STATE_HOME": os.path.dirname(settings.data_dir),
    }


def is_free(port: int) -> bool:
    """Say whether both loopback addresses have the port free (ssh listens on both)."""
    for family, address in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
        try:
            with socket.socket(family) as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind((address, port))
        except OSError as error:
            if family is socket.AF_INET or error.errno == 98:
                return False
    return True


def free_port(preferred: int, taken: Collection[int]) -> int:
    """Find the first free port from the preferred one upwards.

    Raises:
        OSError: none of the next five hundred is free.
    """
    for port in range(preferred, preferred + PORTS_TRIED):
        if port not in taken and is_free(port):
            return port
    raise OSError(f"no free port between {preferred} and {preferred + PORTS_TRIED}")


def choose_places(page_port: int) -> list[Place]:
    """Choose the ports of every tunnel.

    Args:
        page_port: of the HTTP service on this machine, the target of `local_to_remote`.
    """
    places: list[Place] = []
    taken: set[int] = set()
    for tunnel in TUNNELS:
        port = free_port(tunnel.listener_port, taken)
        taken.add(port)
        if tunnel.direction is Direction.REMOTE_TO_LOCAL:
            places.append(Place(tunnel, tunnel.target, str(port)))
        else:
            places.append(Place(tunnel, str(port), str(page_port)))
    return places


def config_text(places: list[Place]) -> str:
    """Write the demo's configuration the way a person would."""
    lines = ["# The tunnels of the demo. It is thrown away at the end: try things.", "tunnels:"]
    for tunnel, remote_port, local_port in places:
        lines += [
            f"  - name: {tunnel.name}",
            f"    remote_host: {tunnel.host}",
            f'    remote_port: "{remote_port}"',
            f'    local_port: "{local_port}"',
            f"    direction: {tunnel.direction.value}",
            *(["    interactive: true"] if tunnel.interactive else []),
            f"    group: {tunnel.group}",
            f'    description: "{tunnel.description}"',
            "",
        ]
    return "\n".join(lines)


def ssh_config_text(ports: Mapping[str, int], identity: str) -> str:
    """Write the ssh configuration: an alias for every host, and nothing of the person's own."""
    blocks = []
    for host in HOSTS:
        lines = [f"Host {host.alias}"]
        if host.behaviour is Behaviour.NOWHERE:
            lines.append("  HostName printer-gateway.invalid")  # never resolves (RFC 6761)
        else:
            lines += ["  HostName 127.0.0.1", f"  Port {ports[host.alias]}"]
        lines.append(f"  HostKeyAlias {host.alias}")
        if host.behaviour is Behaviour.BASTION:
            lines += ["  User ada", "  PreferredAuthentications keyboard-interactive"]
        blocks.append("\n".join(lines))
    common = ["Host *", "  User demo", f"  IdentityFile {identity}", "  IdentitiesOnly yes"]
    return "\n\n".join([*blocks, "\n".join(common)]) + "\n"


def write_private(path: str, text: str) -> None:
    """Write a file, 0600, making its directory (0700) where it is missing."""
    os.makedirs(os.path.dirname(path), 0o700, exist_ok=True)
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)


def remove_root(root: str) -> None:
    """Take the demo's directory away."""
    shutil.rmtree(root, ignore_errors=True)
