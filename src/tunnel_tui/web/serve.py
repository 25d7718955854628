"""The server: routes behind the door, from the first connection to the last."""

import asyncio
import errno
import logging
import signal
import socket
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import textual_serve
from aiohttp import web
from aiohttp.typedefs import Handler

from tunnel_tui.errors import PortBusyError, TunnelTuiError
from tunnel_tui.settings import Settings
from tunnel_tui.supervise.watch.event_log import EventLog
from tunnel_tui.system.sockets import port_holder
from tunnel_tui.web.access import LOGIN, LOGOUT, AuthMiddleware
from tunnel_tui.web.answers import error_middleware
from tunnel_tui.web.api import Api
from tunnel_tui.web.keys import LINK_LIFETIME, Link, LoginThrottle
from tunnel_tui.web.metrics import Metrics
from tunnel_tui.web.options import Options
from tunnel_tui.web.pages import app_page
from tunnel_tui.web.sessions import Sessions
from tunnel_tui.web.tunnels import Tunnels
from tunnel_tui.web.visitors import Reception, listen

LARGEST_BODY = 64 * 1024
_SHORT_KEY = 16
_SHUTDOWN = 12.0
"""Seconds that requests under way have when the server ends."""


def serve(
    settings: Settings,
    options: Options,
    argv: Sequence[str],
    log: EventLog,
    tell: Callable[[str], None] | None = None,
) -> None:
    """Serve until INT or TERM. Tunnels stay, sessions end.

    Args:
        settings: where things are.
        options: address, keys, limits.
        argv: what starts the app of one session.
        log: gets one line for each event.
        tell: shows text to the person at the terminal, and to nobody else; None: there is none.

    Raises:
        PortBusyError: somebody else has the port.
        TunnelTuiError: the address cannot be used.
    """
    assert options.keys  # nothing is served without
    for name in ("aiohttp", "textual-serve", "asyncio"):  # they would print what was typed
        logging.getLogger(name).propagate = False
        logging.getLogger(name).addHandler(logging.NullHandler())
    listener = _listen(options)
    options = options._replace(port=listener.getsockname()[1])
    link = Link() if options.key_file and tell else None
    app = make_app(settings, options, argv, log, link)
    asyncio.run(_run(app, listener, log, lambda: _announce(options, log, link, tell)))


async def _run(
    app: web.Application, listener: socket.socket, log: EventLog, announce: Callable[[], None]
) -> None:
    end = asyncio.Event()
    loop = asyncio.get_running_loop()
    for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(signum, end.set)
    troubles = LoginThrottle(
        lambda what, _, more: log.warning("trouble", detail=what, more_before=more or "")
    )
    loop.set_exception_handler(lambda _, context: troubles.count(_kind(context), ""))
    runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=_SHUTDOWN)
    await runner.setup()
    assert runner.server is not None
    reception = Reception(listener, runner.server, lambda what: troubles.count(what, ""))
    reception.open()
    announce()
    await end.wait()
    log.info("ending")
    reception.close()
    await runner.cleanup()
    log.info("ended")


def _kind(context: dict[str, Any]) -> str:
    """Name what went wrong in the event loop; its text may hold what somebody typed."""
    error = context.get("exception")
    return type(error).__name__ if error is not None else "event loop"


def make_app(
    settings: Settings,
    options: Options,
    argv: Sequence[str],
    log: EventLog,
    link: Link | None = None,
) -> web.Application:
    """Put everything together; nothing listens yet."""
    door = AuthMiddleware(options, log, link)
    sessions = Sessions(argv, options, log)
    tunnels = Tunnels(settings)
    api = Api(tunnels, Metrics(tunnels, lambda: sessions.count))
    app = web.Application(
        middlewares=[error_middleware(log), door.middleware()], client_max_size=LARGEST_BODY
    )
    app.on_response_prepare.append(door.add_headers)
    app.on_shutdown.append(sessions.close)
    app.add_routes(
        [
            web.get("/", _page()),
            web.get(LOGIN, _to_page),
            web.post(LOGOUT, _logout(door, sessions)),
            web.get("/ws", sessions.handle),
            web.static("/static", Path(textual_serve.__file__).parent / "static"),
            *api.routes(),
        ]
    )
    return app


def _page() -> Handler:
    title = f"tunnel-tui · {socket.gethostname()}"

    async def handle(request: web.Request) -> web.Response:
        text = request.query.get("fontsize", "")
        size = int(text[:3]) if text.isascii() and text.isdigit() else 16
        return app_page(title, min(max(size, 6), 72))

    return handle


async def _to_page(_request: web.Request) -> web.Response:
    return web.Response(status=303, headers={"Location": "./"})


def _logout(door: AuthMiddleware, sessions: Sessions) -> Handler:
    async def handle(request: web.Request) -> web.Response:
        used = door.log_out(request)
        if used:
            await sessions.end(used)
        response = await _to_page(request)
        door.forget_cookie(response)
        return response

    return handle


def _listen(options: Options) -> socket.socket:
    host, port = options.host.strip("[]"), options.port
    try:
        [(family, kind, protocol, _, address), *_] = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
    except OSError as error:
        raise TunnelTuiError(f"cannot listen at {host}", str(error.strerror)) from error
    try:
        return listen(family, kind, protocol, address)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise _busy(host, port) from error
        raise TunnelTuiError(
            f"cannot listen at {host} port {port}", str(error.strerror), "choose another: --port"
        ) from error


def _busy(host: str, port: int) -> PortBusyError:
    holder = port_holder(host, port)
    who = f"{holder.command or 'a process'} of {holder.user} holds it" if holder else ""
    if holder and holder.pid:
        who += f" (pid {holder.pid})"
    return PortBusyError(f"port {port} is in use", who, "choose another: --port")


def _announce(
    options: Options, log: EventLog, link: Link | None, tell: Callable[[str], None] | None
) -> None:
    url = options.base_url + "/" if options.base_url else f"http://{_spell(options)}/"
    log.info("serving", url=url, address=options.host, port=options.port)
    if options.key_file:
        log.info("key", file=options.key_file)
    elif any(len(key) < _SHORT_KEY for key in options.keys):
        log.warning("short-key", detail="a key can be guessed", advice="openssl rand -hex 32")
    if not options.local and not options.base_url.startswith("https:"):
        log.warning(
            "no-tls",
            detail="keys and passwords cross the network as they are",
            advice="put a proxy with TLS before it and set WS_BASE_URL",
        )
    if link and tell:
        minutes = LINK_LIFETIME // 60
        tell(
            f"\nOpen this link; it works once, within {minutes} minutes:\n"
            f"    {url}?token={link.token}\n"
            f"Later the page asks for the key, which is in {options.key_file}\n\n"
        )


def _spell(options: Options) -> str:
    """Say where a browser finds us: nobody connects to `0.0.0.0`."""
    host = options.host.strip("[]")
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    return f"[{host}]:{options.port}" if ":" in host else f"{host}:{options.port}"
