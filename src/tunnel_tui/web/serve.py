"""The server: routes behind the door, from the first connection to the last."""

import asyncio
import errno
import logging
import signal
import socket
from collections.abc import Sequence
from pathlib import Path

import textual_serve
from aiohttp import web
from aiohttp.typedefs import Handler

from tunnel_tui.errors import PortBusyError, TunnelTuiError
from tunnel_tui.settings import Settings
from tunnel_tui.supervise.watchlog import WatchLog
from tunnel_tui.system.sockets import port_holder
from tunnel_tui.web.access import Door
from tunnel_tui.web.answers import error_middleware
from tunnel_tui.web.api import Api
from tunnel_tui.web.metrics import Metrics
from tunnel_tui.web.options import Options
from tunnel_tui.web.pages import app_page
from tunnel_tui.web.sessions import Sessions
from tunnel_tui.web.tunnels import Tunnels

LARGEST_BODY = 64 * 1024
_SHORT_KEY = 16
_SHUTDOWN = 12.0
"""Seconds that requests under way have when the server ends."""


def serve(settings: Settings, options: Options, argv: Sequence[str], log: WatchLog) -> None:
    """Serve until INT or TERM. Tunnels stay, sessions end.

    Args:
        settings: where things are.
        options: address, keys, limits.
        argv: what starts the app of one session.
        log: gets one line for each event.

    Raises:
        PortBusyError: somebody else has the port.
        TunnelTuiError: the address cannot be used.
    """
    for name in ("aiohttp", "textual-serve"):  # they would print what was typed
        logging.getLogger(name).propagate = False
        logging.getLogger(name).addHandler(logging.NullHandler())
    listener = _listen(options)
    options = options._replace(port=listener.getsockname()[1])
    asyncio.run(_run(settings, options, argv, log, listener))


async def _run(
    settings: Settings,
    options: Options,
    argv: Sequence[str],
    log: WatchLog,
    listener: socket.socket,
) -> None:
    end = asyncio.Event()
    loop = asyncio.get_running_loop()
    for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(signum, end.set)
    runner = web.AppRunner(
        make_app(settings, options, argv, log),
        access_log=None,
        handle_signals=False,
        shutdown_timeout=_SHUTDOWN,
    )
    await runner.setup()
    await web.SockSite(runner, listener).start()
    _announce(options, log)
    await end.wait()
    log.info("ending")
    await runner.cleanup()
    log.info("ended")


def make_app(
    settings: Settings, options: Options, argv: Sequence[str], log: WatchLog
) -> web.Application:
    """Put everything together; nothing listens yet."""
    door = Door(options, log)
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


def _listen(options: Options) -> socket.socket:
    host, port = options.host.strip("[]"), options.port
    try:
        [(family, kind, protocol, _, address), *_] = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
        listener = socket.socket(family, kind, protocol)
    except OSError as error:
        raise TunnelTuiError(f"cannot listen at {host}", str(error.strerror)) from error
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(address)
        listener.listen(128)
    except OSError as error:
        listener.close()
        if error.errno == errno.EADDRINUSE:
            raise _busy(host, port) from error
        raise TunnelTuiError(
            f"cannot listen at {host} port {port}", str(error.strerror), "choose another: --port"
        ) from error
    listener.setblocking(False)
    return listener


def _busy(host: str, port: int) -> PortBusyError:
    holder = port_holder(host, port)
    who = f"{holder.command or 'a process'} of {holder.user} holds it" if holder else ""
    if holder and holder.pid:
        who += f" (pid {holder.pid})"
    return PortBusyError(f"port {port} is in use", who, "choose another: --port")


def _announce(options: Options, log: WatchLog) -> None:
    host = f"[{options.host}]" if ":" in options.host.strip("[]") else options.host
    url = options.base_url or f"http://{host}:{options.port}/"
    log.info("serving", url=url, address=options.host, port=options.port)
    if not options.keys:
        log.warning("no-key", detail="everybody on this machine can use it", advice="set API_KEY")
    elif any(len(key) < _SHORT_KEY for key in options.keys):
        log.warning("short-key", detail="a key can be guessed", advice="openssl rand -hex 32")
    if not options.local and not options.base_url.startswith("https:"):
        log.warning(
            "no-tls",
            detail="keys and passwords cross the network as they are",
            advice="put a proxy with TLS before it and set WS_BASE_URL",
        )
