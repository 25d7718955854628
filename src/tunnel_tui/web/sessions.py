"""The WebSocket: browser sessions, their limits and their end."""

import asyncio
import json
from collections.abc import Sequence

from aiohttp import WSCloseCode, WSMessage, WSMsgType, web

from tunnel_tui.supervise.watch.event_log import EventLog
from tunnel_tui.web.access import PASS
from tunnel_tui.web.answers import refuse
from tunnel_tui.web.options import Options
from tunnel_tui.web.session import AppSession

_HEARTBEAT = 15.0
_LARGEST_MESSAGE = 1024 * 1024
_LARGEST_SIDE = 1000
_CLOSED = (WSMsgType.CLOSE, WSMsgType.CLOSING, WSMsgType.CLOSED, WSMsgType.ERROR)


class Sessions:
    """All browser sessions of this server.

    Attributes:
        count: how many there are, those that are just ending included.
    """

    def __init__(self, argv: Sequence[str], options: Options, log: EventLog) -> None:
        self._argv = argv
        self._options = options
        self._log = log
        self._sockets: dict[web.WebSocketResponse, str] = {}
        self.count = 0

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Serve one WebSocket; its app lives as long."""
        if request.headers.get("Upgrade", "").lower() != "websocket":
            return refuse(426, "this is a WebSocket", "open / in a browser")
        if self.count >= self._options.connections:
            self._log.warning("session-refused", source=request.remote, detail="too many")
            return refuse(
                503,
                f"{self.count} sessions are open, as many as WS_MAX_CONNECTIONS allows",
                "close one of them",
            )
        self.count += 1
        try:
            return await self._serve(request)
        finally:
            self.count -= 1

    async def end(self, used: str) -> None:
        """End the sessions that were opened with a pass."""
        closing = [
            socket.close(message=b"logged out")
            for socket, pass_of_it in self._sockets.items()
            if pass_of_it == used
        ]
        await asyncio.gather(*closing, return_exceptions=True)

    async def close(self, _app: web.Application) -> None:
        """Ask every session to end: the server stops."""
        closing = [
            socket.close(code=WSCloseCode.GOING_AWAY, message=b"the server ends")
            for socket in self._sockets
        ]
        await asyncio.gather(*closing, return_exceptions=True)

    async def _serve(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse(
            heartbeat=_HEARTBEAT, max_msg_size=_LARGEST_MESSAGE, compress=False, timeout=2.0
        )
        await socket.prepare(request)
        self._sockets[socket] = str(request.get(PASS, ""))

        async def close() -> None:
            await socket.close()

        session = AppSession(
            self._argv,
            write_bytes=socket.send_bytes,
            write_str=socket.send_str,
            close=close,
            log=self._log,
        )
        why = "the server failed"
        try:
            query = request.query
            await session.start(_side(query.get("width"), 80), _side(query.get("height"), 24))
            self._log.info("session-opened", source=request.remote, pid=session.pid)
            why = await self._relay(socket, session)
        finally:
            self._sockets.pop(socket, None)
            # Shielded: also where the server is just ending, the app is seen off.
            await asyncio.shield(self._end(socket, session, why))
        return socket

    async def _end(self, socket: web.WebSocketResponse, session: AppSession, why: str) -> None:
        await asyncio.gather(session.stop(), socket.close(message=why.encode()))
        self._log.info("session-ended", pid=session.pid, detail=why)

    async def _relay(self, socket: web.WebSocketResponse, session: AppSession) -> str:
        """Pass on what is typed; return why that has ended."""
        loop = asyncio.get_running_loop()
        end = loop.time() + self._options.duration
        touched = loop.time()
        while True:
            idle = touched + self._options.idle
            try:
                async with asyncio.timeout_at(min(end, idle)):
                    message = await socket.receive()
            except TimeoutError:
                return "WS_IDLE_TIMEOUT" if idle < end else "WS_MAX_DURATION"
            if message.type in _CLOSED:
                return "closed"
            envelope = _envelope(message)
            if envelope is None:
                await socket.close(code=WSCloseCode.UNSUPPORTED_DATA, message=b"not understood")
                return "not understood"
            kind, data = envelope
            if kind in ("stdin", "resize"):
                touched = loop.time()
            await _act(socket, session, kind, data)


async def _act(socket: web.WebSocketResponse, session: AppSession, kind: str, data: object) -> None:
    try:
        if kind == "stdin":
            await session.send_bytes(str(data).encode("utf-8", "replace"))
        elif kind == "resize" and isinstance(data, dict):
            await session.set_terminal_size(
                _side(data.get("width"), 80), _side(data.get("height"), 24)
            )
        elif kind == "ping":
            await socket.send_json(["pong", str(data)[:64]])
        elif kind == "blur":
            await session.blur()
        elif kind == "focus":
            await session.focus()
    except ConnectionError:
        pass  # the next receive says so


def _envelope(message: WSMessage) -> tuple[str, object] | None:
    """Read `["kind", data]`; None: it is something else."""
    if message.type is not WSMsgType.TEXT:
        return None
    try:
        found = json.loads(message.data)
    except (ValueError, RecursionError):
        return None
    if not isinstance(found, list) or not found or not isinstance(found[0], str):
        return None
    return found[0], found[1] if len(found) > 1 else ""


def _side(value: object, default: int) -> int:
    """Read a number of cells."""
    try:
        return min(max(1, int(str(value))), _LARGEST_SIDE)
    except ValueError:
        return default
