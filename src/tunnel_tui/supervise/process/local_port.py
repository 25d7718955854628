"""Can ssh listen there? Tried the way ssh does it, before ssh is started."""

import errno
import os
import stat as stat_bits
import time
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

from tunnel_tui.errors import (
    FileRefusedError,
    PortBusyError,
)
from tunnel_tui.model import Endpoint, Forward, TunnelEntry, TunnelSpec
from tunnel_tui.observe import identity
from tunnel_tui.system import proc, sockets


def can_bind(host: str, port: int) -> bool:
    """Try every address that ssh would bind for a listener; False: one of them is in use.

    A name that does not resolve and a port that needs privileges count as free: ssh says better
    what is wrong with them.
    """
    import socket

    for family, address in _addresses(host, int(time.monotonic())):
        try:
            with socket.socket(family, socket.SOCK_STREAM) as probe:
                # As ssh does (channel_setup_fwd_listener_tcpip): what lingers does not disturb.
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                if family == socket.AF_INET6:
                    probe.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                probe.bind((address[0], port, *address[2:]))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                return False
    return True


@lru_cache(maxsize=64)
def _addresses(host: str, _second: int) -> tuple[tuple[int, tuple[Any, ...]], ...]:
    """Look up the families and addresses of a bind host; the answer is good for a second."""
    import socket

    wild = host in ("", "*")
    flags = socket.AI_PASSIVE if wild else 0
    try:
        found = socket.getaddrinfo(None if wild else host, 0, type=socket.SOCK_STREAM, flags=flags)
    except (OSError, UnicodeError):
        return ()
    return tuple((int(family), address) for family, _, _, _, address in found)


def check_socket(spec: TunnelSpec, listener: Endpoint) -> None:
    """See that nobody answers at a socket path, and that nothing else would be unlinked there.

    Raises:
        PortBusyError: another process answers there.
        FileRefusedError: something that is not a socket is there.
    """
    import socket

    path = listener.path
    try:
        mode = os.lstat(path).st_mode
    except OSError:
        return
    if not stat_bits.S_ISSOCK(mode):
        # ssh is told to unlink a stale socket first: it must not meet anything else there.
        raise FileRefusedError(
            f"{spec.name}: cannot listen at {path}", "it exists and is not a socket", "remove it"
        )
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        client.settimeout(1.0)
        try:
            client.connect(path)
        except OSError:
            return
    raise PortBusyError(
        f"{spec.name}: the socket {path} is in use",
        "another process answers there",
        "stop that process, or change the path",
    )


def check_listener(
    spec: TunnelSpec, forward: Forward, entries: Callable[[], Sequence[TunnelEntry]]
) -> None:
    """See that ssh can listen where the tunnel wants to; `entries` tell which tunnel is there.

    Raises:
        PortBusyError: another process listens there; the detail names it.
        FileRefusedError: the socket path is taken by something that is not a socket.
    """
    if forward.listener.path:
        check_socket(spec, forward.listener)
        return
    host, port = forward.listener.bind_host, forward.listener.port
    if can_bind(host, port):
        return
    holder = sockets.port_holder(host, port)
    if holder is None:  # gone this moment, or it does not listen yet: ssh will say
        return
    ours = _tunnel_of(holder.pid, port, entries()) if holder.pid else None
    if ours is not None:
        raise PortBusyError(
            f"{spec.name}: local port {port} is in use",
            f"{holder.address} is held by your tunnel {ours.name} (pid {holder.pid})",
            "change local_port of one of them",
        )
    who = (
        f"pid {holder.pid} ({holder.command})" if holder.pid else "a process not visible from here"
    )
    raise PortBusyError(
        f"{spec.name}: local port {port} is in use",
        f"{holder.address} is held by {who} of user {holder.user}",
        "stop that process, or change local_port",
    )


def _tunnel_of(pid: int, port: int, entries: Sequence[TunnelEntry]) -> TunnelEntry | None:
    """Find the tunnel whose ssh (or login) is process `pid`."""
    if not proc.runs_for(pid, proc.trusted_users()):
        return None
    tag = identity.tag_of(proc.command_line(pid))
    found = [entry for entry in entries if entry.hash == tag or entry.pid == pid]
    # Several tunnels may ride on one login: the port tells which.
    exact = (e for e in found if str(port) in (_port(e.local_port), _port(e.remote_port)))
    return next(exact, found[0] if found else None)


def _port(endpoint: str) -> str:
    return endpoint.rpartition(":")[2]
