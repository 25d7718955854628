"""Ask an ssh master whether it answers, over its control socket, without starting an ssh.

`ssh -O check` costs a process of some milliseconds; the same question as two packets costs none.
The packets are those of OpenSSH's PROTOCOL.mux, version 4. Whoever made the socket, or the
directory that it is in, answers what he likes: believed is only what is ours (or root's) in a
place that nobody else can write to, and an answer that comes from such a user (SO_PEERCRED).
"""

import errno
import os
import socket
import stat
import struct

from tunnel_tui.system.proc import trusted_users

_VERSION = 4
_HELLO = 0x00000001
_ALIVE_CHECK = 0x10000004
_ALIVE = 0x80000005
_LONGEST_REPLY = 64 * 1024


def master_pid(path: str, timeout: float = 0.5) -> int | None:
    """Ask the master behind the control socket `path` for its pid.

    Args:
        path: a Unix socket that ssh made with `-S` or ControlPath.
        timeout: seconds that each step may take; a stopped or wedged master does not answer.

    Returns:
        The pid, or None where nothing answers that may be believed.
    """
    if not is_private(path):
        return None
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(timeout)
        try:
            connection.connect(path)
            if _peer(connection) not in trusted_users():
                return None
            _send(connection, struct.pack("!II", _HELLO, _VERSION))
            _send(connection, struct.pack("!II", _ALIVE_CHECK, 1))
            for _ in range(4):
                packet = _receive(connection)
                if len(packet) >= 12 and struct.unpack_from("!I", packet)[0] == _ALIVE:
                    return int(struct.unpack_from("!I", packet, 8)[0])
        except (OSError, struct.error):
            return None
    return None


def is_private(path: str) -> bool:
    """Tell whether a control socket and its directory are ours alone, or root's."""
    try:
        place, found = os.lstat(os.path.dirname(path)), os.lstat(path)
    except OSError:
        return False
    theirs = {place.st_uid, found.st_uid} - trusted_users()
    return stat.S_ISDIR(place.st_mode) and not place.st_mode & 0o022 and not theirs


def _peer(connection: socket.socket) -> int:
    """Ask the kernel whose process made the socket at the other end (unix(7)): a user id."""
    if not hasattr(socket, "SO_PEERCRED"):
        return os.geteuid()  # elsewhere owner and mode of the directory must do
    size = struct.calcsize("iII")
    credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size)
    return int(struct.unpack("iII", credentials)[1])


def is_stale(path: str) -> bool:
    """Tell a socket that nobody serves any more from one whose master is only slow.

    Only ECONNREFUSED proves that no process listens (connect(2)); a full backlog or a stopped
    master must not cost a living login its socket. A file that is no socket refuses as well.
    """
    try:
        if not stat.S_ISSOCK(os.lstat(path).st_mode):
            return False
    except OSError:
        return False
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.setblocking(False)
        try:
            connection.connect(path)
        except OSError as error:
            return error.errno == errno.ECONNREFUSED
    return False


def remove_stale(path: str) -> bool:
    """Unlink the control socket if it is stale; True where something was removed."""
    if not is_stale(path):
        return False
    try:
        os.unlink(path)
    except FileNotFoundError:
        return False
    return True


def _send(connection: socket.socket, body: bytes) -> None:
    connection.sendall(struct.pack("!I", len(body)) + body)


def _receive(connection: socket.socket) -> bytes:
    (length,) = struct.unpack("!I", _receive_exactly(connection, 4))
    if length > _LONGEST_REPLY:
        raise OSError(errno.EMSGSIZE, "the master's reply is too long")
    return _receive_exactly(connection, length)


def _receive_exactly(connection: socket.socket, count: int) -> bytes:
    data = b""
    while len(data) < count:
        part = connection.recv(count - len(data))
        if not part:
            raise OSError(errno.ECONNRESET, "the master closed the connection")
        data += part
    return data
