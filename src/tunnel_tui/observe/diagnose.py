"""The ladder of one tunnel: process, login, forward, far service, round trip."""

import os

from tunnel_tui.model import UP, Layer, State, TunnelStatus
from tunnel_tui.observe.ssh_sockets import Sockets, find_connection, traffic_of
from tunnel_tui.settings import Settings
from tunnel_tui.ssh.log.phrases import AUTHENTICATED
from tunnel_tui.ssh.log.tunnel_log import open_own_log

PROBE_TIMEOUT = 1.0
"""Seconds that a far service has to answer."""
_TAIL = 32 * 1024
_QUIET = 0.3
"""Seconds after which a connection that was not closed counts as answered."""


def climb(settings: Settings, status: TunnelStatus) -> list[Layer]:
    """Say of each rung whether it holds; a rung that was not asked has `ok` None."""
    running = status.state is State.RUNNING
    layers = [
        _process(status),
        _authenticated(settings, status, running),
        _forward(settings, status, running),
    ]
    if status.spec.check == "tcp":
        layers.append(_service(settings, status, running))
    layers.append(_round_trip(status))
    return layers


def _process(status: TunnelStatus) -> Layer:
    alive = status.state in UP
    parts = [f"pid {status.pid}" if status.pid else "none"]
    if status.ssh_pid and status.ssh_pid != status.pid:
        parts.append(f"ssh {status.ssh_pid}")
    if not alive and status.pid:
        parts.append("gone")
    return Layer("process", alive, ", ".join(parts))


def _authenticated(settings: Settings, status: TunnelStatus, running: bool) -> Layer:
    if status.ssh_pid is None or status.state is State.DEAD:
        return Layer("authenticated", False if status.pid else None)
    data = _end_of_log(settings, status)
    data = data[max(0, data.rfind(b"]: starting ")) :]
    found = AUTHENTICATED.search(data)
    if found is None:
        return Layer("authenticated", True if running else None)
    host, method = (part.decode("utf-8", "replace") for part in found.groups())
    return Layer("authenticated", True, f"{host} by {method}")


def _end_of_log(settings: Settings, status: TunnelStatus) -> bytes:
    fd = open_own_log(settings, status.spec.hash, status.pid or 0)
    if fd is None:
        return b""
    try:
        return os.pread(fd, _TAIL, max(0, os.fstat(fd).st_size - _TAIL))
    except OSError:
        return b""
    finally:
        os.close(fd)


def _forward(settings: Settings, status: TunnelStatus, running: bool) -> Layer:
    forward = status.spec.forward(settings.direction_mode)
    detail = f"{forward.kind.value} {forward.listener} ⇒ {forward.target}"
    if not running:
        return Layer("forward confirmed", False, status.reason.text if status.reason else detail)
    return Layer("forward confirmed", True if status.confirmed else None, detail)


def _service(settings: Settings, status: TunnelStatus, running: bool) -> Layer:
    if not running:
        return Layer("far service", None, "no forward to ask through")
    forward = status.spec.forward(settings.direction_mode)
    # The listener of -R is at the far end; there the target is here.
    end = forward.listener if forward.listens_here else forward.target
    ok, detail = _probe(end.path, end.bind_host, end.port)
    return Layer("far service", ok, detail)


def _probe(path: str, host: str, port: int) -> tuple[bool, str]:
    import socket

    address = {"*": "localhost", "0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    try:
        if path:
            connection = socket.socket(socket.AF_UNIX)
            connection.settimeout(PROBE_TIMEOUT)
            connection.connect(path)
        else:
            connection = socket.create_connection((address, port), PROBE_TIMEOUT)
    except OSError as error:
        return False, error.strerror or str(error)
    with connection:
        # ssh itself accepts every connection; it closes at once where the far end refuses.
        connection.settimeout(_QUIET)
        try:
            data = connection.recv(1)
        except TimeoutError:
            return True, "accepts connections"
        except OSError as error:
            return False, error.strerror or str(error)
    return (True, "answers") if data else (False, "the connection was closed at once")


def _round_trip(status: TunnelStatus) -> Layer:
    traffic = status.traffic
    if traffic is None and status.ssh_pid and status.state is State.RUNNING:
        sockets = Sockets()
        inode = find_connection(status.ssh_pid, sockets)
        traffic = traffic_of(inode, sockets) if inode else None
    if traffic is None:
        return Layer("round trip", None)
    detail = f"{traffic.rtt * 1000:.1f} ms, {traffic.sent:,} B out, {traffic.received:,} B in"
    return Layer("round trip", True, detail)
