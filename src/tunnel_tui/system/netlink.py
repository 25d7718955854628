"""TCP sockets straight from the kernel: one sock_diag(7) dump per address family."""

import struct
from typing import NamedTuple

_NETLINK_SOCK_DIAG = 4
_SOCK_DIAG_BY_FAMILY = 20
_NLMSG_ERROR, _NLMSG_DONE = 2, 3
_NLM_F_REQUEST_DUMP = 0x301
_IPPROTO_TCP = 6
_ATTRIBUTE_INFO, _ATTRIBUTE_V6ONLY = 2, 11
_HEADER = struct.Struct("=IHHII")
_REQUEST = struct.Struct("=BBBxI48x")
# struct inet_diag_msg: family, state, 2 timers; ports; addresses; interface, cookie, 3 queues; ids
_MESSAGE = struct.Struct("=BB2x")
_PORTS = struct.Struct(">HH")
_IDS = struct.Struct("=II")
_ATTRIBUTE = struct.Struct("=HH")
_MESSAGE_SIZE = 72
_RTT = struct.Struct("=I")
_BYTES = struct.Struct("=QQ")
_RTT_AT, _BYTES_AT = 68, 120  # struct tcp_info: tcpi_rtt (µs); tcpi_bytes_acked, _received
_BUFFER = 1 << 18
_TIMEOUT = 2.0


class DiagSocket(NamedTuple):
    """One line of a dump. `v6only` is None where the kernel did not say."""

    inode: int
    uid: int
    state: int
    local: tuple[str, int]
    remote: tuple[str, int]
    v6only: bool | None
    rtt: float
    acked: int
    received: int


def dump(family: int, states: int, info: bool) -> list[DiagSocket]:
    """List the TCP sockets of one address family in this network namespace.

    Args:
        family: AF_INET or AF_INET6.
        states: bits, 1 << state as in the kernel's `tcp_states.h`.
        info: also ask for round trip time and byte counts.

    Raises:
        OSError: netlink is not available, or the kernel refuses.
    """
    import socket

    request = _REQUEST.pack(family, _IPPROTO_TCP, 1 << (_ATTRIBUTE_INFO - 1) if info else 0, states)
    header = _HEADER.pack(
        _HEADER.size + len(request), _SOCK_DIAG_BY_FAMILY, _NLM_F_REQUEST_DUMP, 1, 0
    )
    if not hasattr(socket, "AF_NETLINK"):
        raise OSError("no netlink on this system")
    found: list[DiagSocket] = []
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _NETLINK_SOCK_DIAG) as connection:
        connection.settimeout(_TIMEOUT)
        connection.sendto(header + request, (0, 0))
        while _parse(connection.recv(_BUFFER), family, found):
            pass
    return found


def _parse(data: bytes, family: int, found: list[DiagSocket]) -> bool:
    """Add the sockets of one datagram; False when the dump is complete."""
    if not data:
        raise OSError("the kernel closed the netlink connection")
    start = 0
    while start + _HEADER.size <= len(data):
        length, kind, _, _, _ = _HEADER.unpack_from(data, start)
        body = start + _HEADER.size
        if kind == _NLMSG_DONE:
            return False
        if kind == _NLMSG_ERROR:
            import os

            number = -struct.unpack_from("=i", data, body)[0]
            raise OSError(number, os.strerror(number))
        if length < _HEADER.size:
            raise OSError("malformed netlink message")
        if kind == _SOCK_DIAG_BY_FAMILY and length >= _HEADER.size + _MESSAGE_SIZE:
            found.append(_socket(data, body, start + length, family))
        start += (length + 3) & ~3
    return True


def _socket(data: bytes, start: int, end: int, family: int) -> DiagSocket:
    _, state = _MESSAGE.unpack_from(data, start)
    local_port, remote_port = _PORTS.unpack_from(data, start + 4)
    uid, inode = _IDS.unpack_from(data, start + 64)
    rtt, acked, received = 0.0, 0, 0
    v6only: bool | None = None
    at = start + _MESSAGE_SIZE
    while at + _ATTRIBUTE.size <= end:
        length, kind = _ATTRIBUTE.unpack_from(data, at)
        if length < _ATTRIBUTE.size:
            break
        value, size = at + _ATTRIBUTE.size, length - _ATTRIBUTE.size
        if kind == _ATTRIBUTE_V6ONLY and size:
            v6only = bool(data[value])
        elif kind == _ATTRIBUTE_INFO and size >= _RTT_AT + _RTT.size:
            rtt = _RTT.unpack_from(data, value + _RTT_AT)[0] / 1e6
            if size >= _BYTES_AT + _BYTES.size:
                acked, received = _BYTES.unpack_from(data, value + _BYTES_AT)
        at += (length + 3) & ~3
    local = (address(data[start + 8 : start + 24], family), local_port)
    remote = (address(data[start + 24 : start + 40], family), remote_port)
    return DiagSocket(inode, uid, state, local, remote, v6only, rtt, acked, received)


def address(raw: bytes, family: int) -> str:
    """Spell a raw address of 4 or 16 bytes; an IPv4 one in IPv6's clothes as IPv4."""
    import socket

    if family == socket.AF_INET:
        return socket.inet_ntop(socket.AF_INET, raw[:4])
    if raw.startswith(b"\0" * 10 + b"\xff\xff"):
        return socket.inet_ntop(socket.AF_INET, raw[12:16])
    return socket.inet_ntop(socket.AF_INET6, raw[:16])
