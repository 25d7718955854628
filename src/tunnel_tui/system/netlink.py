"""TCP sockets straight from the kernel: one sock_diag(7) dump per address family."""

import struct
import sys
from collections.abc import Container
from typing import NamedTuple

_NETLINK_SOCK_DIAG = 4
_SOCK_DIAG_BY_FAMILY = 20
_NLMSG_ERROR, _NLMSG_DONE = 2, 3
_NLM_F_REQUEST_DUMP = 0x301
_IPPROTO_TCP = 6
_ATTRIBUTE_INFO, _ATTRIBUTE_V6ONLY = 2, 11
_HEADER = struct.Struct("=IHHII")
# struct inet_diag_req_v2: family, protocol, extensions, states, local port in network order, …
_REQUEST = struct.Struct("=BBBxI2s46x")
# struct inet_diag_msg: family, state, two timers, ports and addresses in network order …
_ADDRESSES = struct.Struct(">BBxxHH16s16s")
# … interface, cookie, three queues; then uid and inode in the machine's
_IDS, _IDS_AT = struct.Struct("=II"), 64
_MESSAGE_SIZE = 72
_ATTRIBUTE = struct.Struct("=HH")
# struct tcp_info: tcpi_rtt in µs; tcpi_bytes_acked and tcpi_bytes_received
_RTT, _RTT_AT = struct.Struct("=I"), 68
_BYTES, _BYTES_AT = struct.Struct("=QQ"), 120
_BUFFER = 1 << 18
_TIMEOUT = 2.0
_LISTEN = 10
_MAPPED = b"\0" * 10 + b"\xff\xff"


class TcpSocket(NamedTuple):
    """One TCP socket of this network namespace.

    Attributes:
        inode: as in the links of `/proc/<pid>/fd`.
        uid: of its owner.
        rtt: smoothed round trip time in seconds; 0.0 where unknown.
        acked: bytes that the other end has confirmed.
        received: bytes that came from the other end.
        v6only: of an IPv6 listener: leaves IPv4 alone. None where the kernel did not say.
    """

    inode: int
    listening: bool
    local: tuple[str, int]
    remote: tuple[str, int]
    uid: int
    rtt: float = 0.0
    acked: int = 0
    received: int = 0
    v6only: bool | None = None


def dump(
    family: int,
    states: int,
    info: bool = False,
    inodes: Container[int] | None = None,
    port: int = 0,
) -> list[TcpSocket]:
    """List the TCP sockets of one address family in this network namespace.

    Args:
        family: AF_INET or AF_INET6.
        states: bits, 1 << state as in the kernel's `tcp_states.h`.
        info: also ask for round trip time and byte counts.
        inodes: the sockets that matter; None: all.
        port: only sockets with this local port, chosen by the kernel; 0: all.

    Raises:
        OSError: netlink is not available, or the kernel refuses.
    """
    import socket

    extensions = 1 << (_ATTRIBUTE_INFO - 1) if info else 0
    request = _REQUEST.pack(family, _IPPROTO_TCP, extensions, states, port.to_bytes(2, "big"))
    header = _HEADER.pack(
        _HEADER.size + len(request), _SOCK_DIAG_BY_FAMILY, _NLM_F_REQUEST_DUMP, 1, 0
    )
    if not hasattr(socket, "AF_NETLINK"):
        raise OSError("no netlink on this system")
    found: list[TcpSocket] = []
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _NETLINK_SOCK_DIAG) as connection:
        connection.settimeout(_TIMEOUT)
        connection.sendto(header + request, (0, 0))
        names = _Names(family)
        while _parse(connection.recv(_BUFFER), names, inodes, found):
            pass
    return found


def _parse(
    data: bytes, names: "_Names", inodes: Container[int] | None, found: list[TcpSocket]
) -> bool:
    """Add the sockets of one datagram; False when the dump is complete."""
    if not data:
        raise OSError("the kernel closed the netlink connection")
    start = 0
    while start + _HEADER.size <= len(data):
        length, kind, _, _, _ = _HEADER.unpack_from(data, start)
        body = start + _HEADER.size
        if kind == _NLMSG_DONE:
            return False
        if not _HEADER.size <= length <= len(data) - start:
            raise OSError("malformed netlink message")
        if kind == _NLMSG_ERROR:
            raise _error(data[body : body + 4])
        if kind == _SOCK_DIAG_BY_FAMILY and length >= _HEADER.size + _MESSAGE_SIZE:
            inode = _IDS.unpack_from(data, body + _IDS_AT)[1]
            if inode and (inodes is None or inode in inodes):
                found.append(_socket(data, body, start + length, names))
        start += (length + 3) & ~3
    return True


def _error(raw: bytes) -> OSError:
    import os

    number = -int.from_bytes(raw, sys.byteorder, signed=True)
    return OSError(number, os.strerror(number))


def _socket(data: bytes, start: int, end: int, names: "_Names") -> TcpSocket:
    _, state, local_port, remote_port, local, remote = _ADDRESSES.unpack_from(data, start)
    uid, inode = _IDS.unpack_from(data, start + _IDS_AT)
    rtt, acked, received = 0.0, 0, 0
    v6only: bool | None = None
    at = start + _MESSAGE_SIZE
    while at + _ATTRIBUTE.size <= end:
        length, kind = _ATTRIBUTE.unpack_from(data, at)
        if length < _ATTRIBUTE.size:
            break
        value, size = at + _ATTRIBUTE.size, length - _ATTRIBUTE.size
        if kind == _ATTRIBUTE_INFO and size >= _RTT_AT + _RTT.size:
            rtt = _RTT.unpack_from(data, value + _RTT_AT)[0] / 1e6
            if size >= _BYTES_AT + _BYTES.size:
                acked, received = _BYTES.unpack_from(data, value + _BYTES_AT)
            break
        if kind == _ATTRIBUTE_V6ONLY and size:
            v6only = bool(data[value])
        at += (length + 3) & ~3
    return TcpSocket(
        inode,
        state == _LISTEN,
        (names[local], local_port),
        (names[remote], remote_port),
        uid,
        rtt,
        acked,
        received,
        v6only,
    )


class _Names(dict[bytes, str]):
    """Raw address → text, spelled once in a dump: most sockets share a few addresses."""

    def __init__(self, family: int) -> None:
        super().__init__()
        self.family = family

    def __missing__(self, raw: bytes) -> str:
        self[raw] = text = address(raw, self.family)
        return text


def address(raw: bytes, family: int) -> str:
    """Spell a raw address of 4 or 16 bytes; an IPv4 one in IPv6's clothes as IPv4."""
    import socket

    if family == socket.AF_INET:
        return socket.inet_ntop(socket.AF_INET, raw[:4])
    if raw.startswith(_MAPPED):
        return socket.inet_ntop(socket.AF_INET, raw[12:16])
    return socket.inet_ntop(socket.AF_INET6, raw[:16])
