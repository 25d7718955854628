"""The HTTP service behind each forward: a friendly page, and a stream for the visitor."""

import asyncio
from typing import Any

HEAD_LIMIT = 8 * 1024
HEAD_SECONDS = 10.0
CHUNK = b"." * 4096


def friendly_page(name: str, target: str, via: str) -> str:
    """Write what `curl` on a tunnel's listener shows."""
    return (
        f"Hello from {name}!\n\n"
        f"You came through the tunnel by way of {via} and out at {target}.\n"
        "Nothing of this left your machine: it is the demo of tunnel-tui.\n"
    )


async def answer(reader: Any, writer: Any, page: str) -> None:
    """Answer one HTTP request with a page, or with n bytes where `/bytes/n` is asked for.

    Args:
        reader: a stream of asyncio or of an SSH channel.
        writer: its other half.
        page: the text of every other path.
    """
    try:
        async with asyncio.timeout(HEAD_SECONDS):
            path = await _read_path(reader)
        length = int(path[7:]) if path.startswith("/bytes/") and path[7:].isdigit() else None
        body = page.encode()
        writer.write(_head(len(body) if length is None else length))
        if length is None:
            writer.write(body)
        else:
            await _stream(writer, length)
        await writer.drain()
        writer.write_eof()
    except (OSError, TimeoutError, EOFError):
        pass
    finally:
        writer.close()


async def _read_path(reader: Any) -> str:
    head = b""
    while b"\r\n\r\n" not in head and b"\n\n" not in head and len(head) < HEAD_LIMIT:
        data = await reader.read(HEAD_LIMIT)
        if not data:
            raise EOFError
        head += data
    words = head.split(b"\r\n", 1)[0].decode("latin-1").split()
    return words[1] if len(words) > 1 else "/"


def _head(length: int) -> bytes:
    return (
        "HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\n"
        f"Content-Length: {length}\r\nConnection: close\r\n\r\n"
    ).encode()


async def _stream(writer: Any, length: int) -> None:
    for start in range(0, length, len(CHUNK)):
        writer.write(CHUNK[: length - start])
        await writer.drain()
