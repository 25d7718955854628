"""Who listens, who is connected, and who stands in the way of a listener."""

import os
import time
from collections.abc import Container, Iterator
from typing import NamedTuple

from tunnel_tui.system import netlink, proc
from tunnel_tui.system.netlink import TcpSocket

__all__ = [
    "Holder",
    "TcpSocket",
    "answers",
    "peer_uid",
    "port_holder",
    "socket_inodes",
    "tcp_sockets",
]

_ESTABLISHED, _LISTEN = 1, 10  # include/net/tcp_states.h
_ANY = ("0.0.0.0", "::")
_COMMAND_LENGTH = 60


class Holder(NamedTuple):
    """Who holds a port. `pid` is None and `command` empty where they may not be seen."""

    pid: int | None
    command: str
    user: str
    address: str


def tcp_sockets(listening: bool, inodes: Container[int] | None = None) -> dict[int, TcpSocket]:
    """List TCP sockets by inode: the listening ones, or the established ones with figures.

    Without netlink the list comes from `/proc/net` and has no figures; where that is closed
    too, it is empty.

    Args:
        listening: which ones.
        inodes: only these; asking for few is faster on a machine with many. None: all.
    """
    state = _LISTEN if listening else _ESTABLISHED
    return {found.inode: found for found in _sockets(state, not listening, inodes)}


def socket_inodes(pid: int) -> frozenset[int]:
    """List the inodes of a process's sockets; empty where they cannot be read."""
    return frozenset(_socket_inodes(pid))


def port_holder(host: str, port: int) -> Holder | None:
    """Say who would make a listener on `host`:`port` fail; None: the port is free.

    Args:
        host: a name or an address; empty or `*` means every address of both families.
        port: TCP.

    Returns:
        The first one found, preferably one whose process can be named. Only listeners count.
    """
    if not 0 < port < 65536:
        return None
    listeners = [item for item in _sockets(_LISTEN, port=port) if item.local[1] == port]
    wanted = _addresses(host) if listeners else set()  # a name may take long to resolve
    found = [item for item in listeners if _conflicts(item, wanted)]
    if not found:
        return None
    for conflicting in found:
        pid = _pid_of(conflicting.inode)
        if pid is not None:
            return _holder(conflicting, pid)
    return _holder(found[0], None)


def peer_uid(peer: tuple[str, int], ours: tuple[str, int]) -> int | None:
    """Say which user of this machine has the other end of an established connection.

    Args:
        peer: address and port of the other end, as getpeername(2) has them.
        ours: those of this end.

    Returns:
        The uid, from the kernel; None: the other end is another machine's, or not to be seen.
    """
    ends = (_plain(peer), _plain(ours))
    found = _sockets(_ESTABLISHED, port=peer[1])
    return next((item.uid for item in found if (item.local, item.remote) == ends), None)


def answers(host: str, port: int, timeout: float) -> bool:
    """Tell whether a TCP connection to `host`:`port` is accepted within `timeout` seconds."""
    import socket

    deadline = time.monotonic() + timeout
    try:
        results = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError, OverflowError):
        return False
    for family, kind, protocol, _, address in results:
        left = deadline - time.monotonic()
        if left <= 0:
            break
        try:
            with socket.socket(family, kind, protocol) as connection:
                connection.settimeout(left)
                connection.connect(address)
                # On loopback a socket can meet itself when it is given the port that it calls.
                if connection.getsockname() != connection.getpeername():
                    return True
        except OSError:
            continue
    return False


def _sockets(
    state: int, info: bool = False, inodes: Container[int] | None = None, port: int = 0
) -> list[TcpSocket]:
    import socket

    found: list[TcpSocket] = []
    for family, file in ((socket.AF_INET, "/proc/net/tcp"), (socket.AF_INET6, "/proc/net/tcp6")):
        try:
            found += netlink.dump(family, 1 << state, info, inodes, port)
        except OSError:
            rows = _from_proc(file, family, state)
            found += [row for row in rows if row.inode and (inodes is None or row.inode in inodes)]
    return found


def _from_proc(file: str, family: int, state: int) -> Iterator[TcpSocket]:
    """Read proc(5) `/proc/net/tcp`: addresses as hexadecimal words in the machine's order."""
    try:
        with open(file, encoding="ascii", errors="replace") as lines:
            next(lines, "")
            for line in lines:
                fields = line.split()
                if len(fields) > 9 and int(fields[3], 16) == state:
                    local, remote = _endpoint(fields[1], family), _endpoint(fields[2], family)
                    uid, inode = int(fields[7]), int(fields[9])
                    yield TcpSocket(inode, state == _LISTEN, local, remote, uid)
    except (OSError, ValueError):
        return


def _plain(end: tuple[str, int]) -> tuple[str, int]:
    """Spell an IPv4 address in IPv6's clothes as IPv4, as the lists do."""
    return end[0].removeprefix("::ffff:").partition("%")[0], end[1]


def _endpoint(text: str, family: int) -> tuple[str, int]:
    import struct

    digits, _, port = text.partition(":")
    words = [int(digits[i : i + 8], 16) for i in range(0, len(digits), 8)]
    return netlink.address(struct.pack(f"={len(words)}I", *words), family), int(port, 16)


def _addresses(host: str) -> set[str]:
    """Resolve a listener's host the way ssh(1) does; unknown names give nothing."""
    import socket

    if host in ("", "*"):
        return set(_ANY)
    try:
        results = socket.getaddrinfo(host.strip("[]"), None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return set()
    return {str(result[4][0]).partition("%")[0] for result in results}


def _conflicts(listener: TcpSocket, wanted: set[str]) -> bool:
    taken = listener.local[0]
    for address in wanted:
        if ":" in address:  # ssh's IPv6 listeners are v6-only: IPv4 ones do not disturb them
            if ":" in taken and (taken in (address, "::") or address == "::"):
                return True
        elif ":" not in taken:
            if taken in (address, "0.0.0.0") or address == "0.0.0.0":
                return True
        elif taken == "::" and not listener.v6only:
            return True
    return False


def _socket_inodes(pid: int) -> Iterator[int]:
    directory = f"/proc/{pid}/fd"
    try:
        names = os.listdir(directory)
    except OSError:
        return
    for name in names:
        try:
            link = os.readlink(f"{directory}/{name}")
        except OSError:
            continue
        if link.startswith("socket:["):
            yield int(link[8:-1])


def _pid_of(inode: int) -> int | None:
    """Find a process that has a socket: the one with the lowest pid, mostly the parent."""
    return next((pid for pid in proc.pids() if inode in _socket_inodes(pid)), None)


def _holder(listener: TcpSocket, pid: int | None) -> Holder:
    host, port = listener.local
    where = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    command = _command(pid) if pid is not None else ""
    return Holder(pid, command, proc.user_name(listener.uid), where)


def _command(pid: int) -> str:
    text = " ".join(proc.command_line(pid))
    if not text:
        stat = proc.read_stat(pid)
        text = stat.comm if stat else ""
    text = "".join(character if character.isprintable() else "?" for character in text)
    return text if len(text) <= _COMMAND_LENGTH else text[: _COMMAND_LENGTH - 1] + "…"
