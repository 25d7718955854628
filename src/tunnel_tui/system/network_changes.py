"""Changes of addresses and routes, as the kernel announces them: rtnetlink(7)."""

import struct

_GROUPS = 0x10 | 0x40 | 0x100 | 0x400
"""RTMGRP_IPV4_IFADDR, RTMGRP_IPV4_ROUTE, RTMGRP_IPV6_IFADDR, RTMGRP_IPV6_ROUTE."""
_HEADER = struct.Struct("=IHHII")
_NEW_ADDRESS, _NEW_ROUTE = 20, 24
_BUFFER = 1 << 16
_READS = 64


class Routes:
    """A socket that turns readable when an address or a route changes.

    Attributes:
        descriptor: to wait on; -1 where the system has no such socket.
    """

    def __init__(self) -> None:
        import socket

        self.descriptor = -1
        self._socket: socket.socket | None = None
        try:
            opened = socket.socket(
                socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.NETLINK_ROUTE
            )
        except (AttributeError, OSError):
            return
        try:
            opened.setblocking(False)
            opened.bind((0, _GROUPS))
        except OSError:
            opened.close()
            return
        self._socket, self.descriptor = opened, opened.fileno()

    def appeared(self) -> bool:
        """Take what was announced; True where an address or a route is new.

        What vanishes makes nothing reachable and does not count.
        """
        found = False
        for _ in range(_READS):
            if self._socket is None:
                break
            try:
                data = self._socket.recv(_BUFFER)
            except BlockingIOError:
                break
            except OSError:  # ENOBUFS: more was announced than the socket could hold
                found = True
                continue
            if not data:
                break
            found = found or _is_news(data)
        return found

    def close(self) -> None:
        """Give the socket back."""
        if self._socket is not None:
            self._socket.close()
        self._socket, self.descriptor = None, -1


def _is_news(data: bytes) -> bool:
    start = 0
    while start + _HEADER.size <= len(data):
        length, kind, _, _, _ = _HEADER.unpack_from(data, start)
        if kind in (_NEW_ADDRESS, _NEW_ROUTE):
            return True
        if length < _HEADER.size:
            break
        start += (length + 3) & ~3
    return False
