"""The sockets of an ssh: is its listener there, does its connection stand, how fast is it?"""

import os
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

from tunnel_tui.model import Forward, Traffic
from tunnel_tui.system.proc import descendants, hides_descriptors, trusted_users

if TYPE_CHECKING:
    from tunnel_tui.system.sockets import TcpSocket


class Sockets:
    """The machine's TCP sockets at one moment, dumped at most once each.

    Args:
        known: inodes of connections found earlier, which are looked up without the others.
    """

    def __init__(self, known: frozenset[int] = frozenset()) -> None:
        self._known = known
        self._few: Mapping[int, TcpSocket] | None = None
        self._listening: Mapping[int, TcpSocket] | None = None
        self._connected: Mapping[int, TcpSocket] | None = None
        self._paths: dict[int, str] | None = None

    @property
    def listening(self) -> "Mapping[int, TcpSocket]":
        """All listeners by inode."""
        if self._listening is None:
            from tunnel_tui.system.sockets import tcp_sockets

            self._listening = tcp_sockets(True)
        return self._listening

    @property
    def connected(self) -> "Mapping[int, TcpSocket]":
        """All connections by inode, with what the kernel knows of them."""
        if self._connected is None:
            from tunnel_tui.system.sockets import tcp_sockets

            self._connected = tcp_sockets(False)
        return self._connected

    def listens(self, inode: int, forward: Forward) -> bool:
        """Tell whether a socket listens where a forward begins."""
        if forward.listener.path:
            return self.is_at(inode, forward.listener.path)
        found = self.listening.get(inode)
        return found is not None and found.local[1] == forward.listener.port

    def is_at(self, inode: int, path: str) -> bool:
        """Tell whether a Unix socket was bound to a path (proc(5), net/unix)."""
        if self._paths is None:
            self._paths = dict(_unix_sockets())
        # ssh binds a temporary name and renames it: the kernel still shows that name.
        return self._paths.get(inode, "").startswith(os.path.expanduser(path))

    def connection(self, inode: int) -> "TcpSocket | None":
        """Look one connection up."""
        if self._connected is None and inode in self._known:
            if self._few is None:
                from tunnel_tui.system.sockets import tcp_sockets

                self._few = tcp_sockets(False, self._known)
            return self._few.get(inode)
        return self.connected.get(inode)


def socket_descriptors(pid: int) -> tuple[int, ...]:
    """List the socket inodes of a process in the order of its descriptors (proc(5), fd).

    Empty where /proc/<pid>/fd may not be read (another user's process).
    """
    try:
        numbers = sorted(int(name) for name in os.listdir(f"/proc/{pid}/fd"))
    except OSError:
        return ()
    inodes = []
    for number in numbers:
        try:
            link = os.readlink(f"/proc/{pid}/fd/{number}")
        except OSError:
            continue
        if link.startswith("socket:["):
            inodes.append(int(link[8:-1]))
    return tuple(inodes)


def find_listener(pid: int, forward: Forward, sockets: Sockets) -> int:
    """Find the inode of a socket with which ssh `pid` itself listens where `-L` begins; 0: none.

    ssh listens only once it is logged in, so this proves the login as well. Where its
    descriptors may not be read, a listener of ours or root's on that port is taken for it.
    """
    inodes: Iterable[int] = socket_descriptors(pid)
    if forward.listener.path:
        return next((inode for inode in inodes if sockets.is_at(inode, forward.listener.path)), 0)
    if not inodes and hides_descriptors(pid):
        users = trusted_users()
        inodes = [inode for inode, found in sockets.listening.items() if found.uid in users]
    return next((inode for inode in inodes if sockets.listens(inode, forward)), 0)


def find_connection(pid: int, sockets: Sockets) -> int | None:
    """Find the inode of the connection that carries ssh `pid`; None: none, or not readable.

    Where ssh was given a jump host or a proxy command, the connection belongs to a descendant.
    ssh connects before anything else, so its connection is the lowest of its TCP descriptors;
    the later ones are connections that it forwards.
    """
    for process in (*reversed(descendants(pid)), pid):
        for inode in socket_descriptors(process):
            found = sockets.connected.get(inode)
            if found is not None and not found.listening:
                return inode
    return None


def traffic_of(inode: int, sockets: Sockets) -> Traffic | None:
    """Say what the kernel counted on a connection; None where it is gone."""
    found = sockets.connection(inode)
    return None if found is None else Traffic(found.rtt, found.acked, found.received)


def _unix_sockets() -> Iterator[tuple[int, str]]:
    try:
        with open("/proc/net/unix", encoding="utf-8", errors="surrogateescape") as table:
            for line in table:
                fields = line.rstrip("\n").split(None, 7)
                if len(fields) == 8 and fields[6].isdigit():
                    yield int(fields[6]), fields[7]
    except OSError:
        return
