"""HTTP written by hand: what no well-behaved client would send."""

import socket
from collections.abc import Mapping
from typing import NamedTuple

PATIENCE = 20.0


class Answer(NamedTuple):
    """What came back. `status` 0: the connection was closed without an answer."""

    status: int
    head: str
    body: str

    def header(self, name: str) -> str:
        """One header; "" where there is none."""
        for line in self.head.split("\r\n")[1:]:
            if line.lower().startswith(f"{name.lower()}: "):
                return line.partition(": ")[2]
        return ""


def connect(port: int, host: str = "127.0.0.1", source: str = "") -> socket.socket:
    """Connect to a server of this machine; `source` is the address that one comes from."""
    origin = (source, 0) if source else None
    return socket.create_connection((host, port), timeout=PATIENCE, source_address=origin)


def send(port: int, data: bytes, host: str = "127.0.0.1") -> Answer:
    """Send bytes, read to the end."""
    with connect(port, host) as connection:
        try:
            connection.sendall(data)
        except ConnectionError:
            pass
        return receive(connection)


def receive(connection: socket.socket) -> Answer:
    """Read to the end."""
    data = b""
    try:
        while more := connection.recv(65536):
            data += more
    except ConnectionError:
        pass
    head, _, body = data.decode("utf-8", "replace").partition("\r\n\r\n")
    words = head.split(" ", 2)
    return Answer(int(words[1]) if len(words) > 1 else 0, head, body)


def ask(
    port: int,
    target: str = "/list",
    headers: Mapping[str, str] | None = None,
    *,
    method: str = "GET",
    host: str | None = None,
    body: str = "",
) -> Answer:
    """Make one request; `host` is the Host header, by default the right one."""
    lines = [f"{method} {target} HTTP/1.1"]
    lines.append(f"Host: {f'127.0.0.1:{port}' if host is None else host}")
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    if body:
        lines.append("Content-Type: application/x-www-form-urlencoded")
        lines.append(f"Content-Length: {len(body.encode())}")
    lines += ["Connection: close", "", body]
    return send(port, "\r\n".join(lines).encode("utf-8", "surrogateescape"))
