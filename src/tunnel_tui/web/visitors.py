"""Connections: how many there may be, and how long one may go without showing a key.

Who has shown no key gets a few seconds in all, whatever it does with them: half a header, a body
that never comes, an answer that is never read. Where there are too many, the oldest goes, of the
address that has most: whoever comes with the key asks at once and is not the oldest.
"""

import asyncio
import errno
import math
import resource
import socket
from collections.abc import Callable
from typing import Any

from aiohttp import web

from tunnel_tui.web.answers import refuse

PATIENCE = 10.0
"""Seconds from the connection to the key."""
KEEP_ALIVE = 60.0
"""Seconds that a connection with a key may be idle."""
MOST_STRANGERS = 96
"""Connections that have shown no key: each may cost 100 kB."""
_LARGEST_HEAD = 32 * 1024
_MOST = 1024 * 1024
"""Bytes from a stranger: until it has its answer, what it says beyond a head is not read."""
_RECEIVE_BUFFER = 32 * 1024
"""Bytes for SO_RCVBUF, which the kernel doubles: nobody has more to say to us at a time."""
_AT_ONCE = 32
_REST = 0.05
_EXHAUSTED = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)
_LIMITS: dict[str, Any] = {
    "keepalive_timeout": KEEP_ALIVE,
    "lingering_time": 2.0,
    "max_line_size": 8190,
    "max_field_size": 8190,
    "max_headers": 64,
    "auto_decompress": False,  # what we are sent is short; a bomb is not unpacked
    "access_log": None,
}


class Visitor(web.RequestHandler):
    """One connection. It is a stranger until a request of it has shown a key.

    Attributes:
        source: the address it comes from.
        since: when it came, by the clock of the event loop.
    """

    __slots__ = ("_crowd", "_received", "since", "source", "stranger")

    def __init__(self, crowd: "Crowd", server: web.Server, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(server, loop=loop, **_LIMITS)
        self._crowd = crowd
        self._received = 0
        self.stranger = True
        self.since = loop.time()
        self.source = ""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Come in."""
        super().connection_made(transport)
        peer = transport.get_extra_info("peername")
        self.source = str(peer[0]) if peer else ""
        self._crowd.admit(self)

    def connection_lost(self, exc: BaseException | None) -> None:
        """Be gone."""
        self._crowd.forget(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take what has come, from a stranger no more than a request's head takes."""
        super().data_received(data)
        self._received += len(data)
        if not self.stranger or self.transport is None:
            return
        if self._received > _MOST:  # it was answered, and goes on
            self.drop()
        elif self._received > _LARGEST_HEAD:
            self.transport.pause_reading()

    def trust(self) -> None:
        """Take note that it has shown a key; idempotent."""
        if not self.stranger:
            return
        self.stranger = False
        self._crowd.forget(self)
        if self.transport is not None:
            self.transport.resume_reading()

    def drop(self) -> None:
        """End it now."""
        self._crowd.forget(self)
        if self.transport is not None:
            self.transport.abort()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Answer what is no HTTP; aiohttp would say who it is, and quote the request.

        Raises:
            ConnectionError: an answer has begun, and there is no other; the connection ends.
        """
        del exc, message
        if request.writer.output_size > 0:
            raise ConnectionError("the answer broke off")
        refusal = refuse(status, "this is not understood" if status < 500 else "unexpected")
        refusal.headers["Server"] = "tunnel-tui"
        refusal.force_close()
        return refusal


class Crowd:
    """The strangers among the connections, oldest first."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._of: dict[str, dict[Visitor, None]] = {}
        self.count = 0

    def admit(self, visitor: Visitor) -> None:
        """Let one in; where there are too many, another one has to go."""
        self._of.setdefault(visitor.source, {})[visitor] = None
        self.count += 1
        while self.count > self._most:
            self.thin_out()

    def forget(self, visitor: Visitor) -> None:
        """Take note that one has gone, or is a stranger no more; idempotent."""
        there = self._of.get(visitor.source, {})
        if visitor in there:
            del there[visitor]
            self.count -= 1
            if not there:
                del self._of[visitor.source]

    def thin_out(self) -> None:
        """Drop the oldest one of the address that has most."""
        if self._of:
            most = max(self._of, key=lambda source: len(self._of[source]))
            next(iter(self._of[most])).drop()

    def drop_older(self, moment: float) -> None:
        """Drop all that came before `moment`."""
        late = [one for group in self._of.values() for one in group if one.since < moment]
        for visitor in late:
            visitor.drop()


class Reception:
    """Accepts connections.

    Args:
        listener: listens already, and does not block.
        server: what aiohttp made of the routes.
        complain: called where no more descriptors are to be had, each time.
    """

    def __init__(
        self, listener: socket.socket, server: web.Server, complain: Callable[[str], None]
    ) -> None:
        self._listener = listener
        self._server = server
        self._complain = complain
        self._loop = asyncio.get_running_loop()
        most = most_strangers()
        self._crowd = Crowd(most)
        self._at_once = min(_AT_ONCE, most)  # before any has gone, that many more are there
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._arriving: set[asyncio.Task[None]] = set()

    def open(self) -> None:
        """Begin to accept."""
        self._loop.add_reader(self._listener, self._accept)
        self._sweep()

    def close(self) -> None:
        """Accept nobody any more; who has shown a key stays."""
        self._crowd.drop_older(math.inf)  # no half request delays the end
        for timer in self._timers.values():
            timer.cancel()
        self._loop.remove_reader(self._listener)
        self._listener.close()

    def _sweep(self) -> None:
        self._crowd.drop_older(self._loop.time() - PATIENCE)
        self._timers["sweep"] = self._loop.call_later(1.0, self._sweep)

    def _accept(self) -> None:
        for _ in range(self._at_once):  # then it is the turn of those who are there
            try:
                connection, _ = self._listener.accept()
            except OSError as error:
                if error.errno in _EXHAUSTED:
                    self._rest(error)
                return
            connection.setblocking(False)
            task = self._loop.create_task(self._welcome(connection))
            self._arriving.add(task)
            task.add_done_callback(self._arriving.discard)

    async def _welcome(self, connection: socket.socket) -> None:
        try:
            await self._loop.connect_accepted_socket(
                lambda: Visitor(self._crowd, self._server, self._loop), connection
            )
        except OSError:  # it has gone already
            connection.close()

    def _rest(self, error: OSError) -> None:
        """Wait a little: the kernel would call again at once, and in vain."""
        self._complain(error.strerror or "no more connections")
        self._crowd.thin_out()
        self._loop.remove_reader(self._listener)
        self._timers["rest"] = self._loop.call_later(_REST, self._resume)

    def _resume(self) -> None:
        self._loop.add_reader(self._listener, self._accept)


def listen(family: int, kind: int, protocol: int, address: Any) -> socket.socket:
    """Make a listener that does not block.

    Raises:
        OSError: the address cannot be had.
    """
    listener = socket.socket(family, kind, protocol)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER)
        listener.bind(address)
        listener.listen(4096)  # or net.core.somaxconn, which is less on many systems
        listener.setblocking(False)
    except OSError:
        listener.close()
        raise
    return listener


def most_strangers() -> int:
    """Say how many may be there: a quarter of the descriptors, the rest is for who has a key."""
    allowed = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    if allowed == resource.RLIM_INFINITY:
        return MOST_STRANGERS
    return max(8, min(MOST_STRANGERS, allowed // 4))
