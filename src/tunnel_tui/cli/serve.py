"""`serve`: the app in a browser, and JSON beside it."""

import os
import sys
from typing import TYPE_CHECKING

from tunnel_tui.cli import codes
from tunnel_tui.cli.context import Context
from tunnel_tui.cli.registry import HOST, PORT, READ_ONLY
from tunnel_tui.errors import TunnelTuiError

if TYPE_CHECKING:
    from tunnel_tui.settings import Settings

_APP = "web-app"
_NEEDED = ("aiohttp", "textual_serve", "prometheus_client")
_PATIENCE = 10.0


def serve(context: Context) -> int:
    """Serve until told to end; tunnels stay.

    Raises:
        TunnelTuiError: the extra `[web]` is not installed, a variable is not understood, the file
            of the key cannot be trusted, or the port is in use.
    """
    from tunnel_tui.web.keyfile import kept_key, key_file
    from tunnel_tui.web.options import forget_secrets, load_options

    _need_extra()
    value, settings = context.arguments.value, context.settings
    read_only = context.arguments.flag(READ_ONLY)
    options = load_options(context.environment, value(HOST), value(PORT))
    options = options._replace(read_only=read_only)
    if not options.keys:
        options = options._replace(keys=(kept_key(settings),), key_file=key_file(settings))
    # Before anything else is started: tunnels live on, and their environment can be read.
    forget_secrets(os.environ)
    from tunnel_tui.supervise.watch.event_log import DescriptorSink, EventLog
    from tunnel_tui.web import serve as server

    command = [*_app_command(settings), *([READ_ONLY.long] if read_only else [])]
    # A log that is kept may be read by others: the link is for a terminal only.
    tell = context.output.write if context.output.watched else None
    server.serve(settings, options, command, EventLog(DescriptorSink(1)), tell)
    return codes.OK


def web_app(context: Context) -> int:
    """Open the app of one browser session: its terminal is a pipe to the server."""
    import threading

    threading.Thread(target=_end_with_server, name="server-watch", daemon=True).start()
    from tunnel_tui.tui.shell.app import run

    return run(context.settings, read_only=context.arguments.flag(READ_ONLY))


def _need_extra() -> None:
    from importlib.util import find_spec

    missing = [name for name in _NEEDED if find_spec(name) is None]
    if missing:
        raise TunnelTuiError(
            "serve needs the extra [web]",
            f"not installed: {', '.join(missing)}",
            "pip install 'tunnel-tui[web]', or pipx inject tunnel-tui textual-serve "
            "prometheus-client",
        )


def _app_command(settings: "Settings") -> list[str]:
    """Say how a session's app is started: this program, in this environment, on these paths."""
    program = "import sys; from tunnel_tui.cli.main import main; sys.exit(main())"
    # -P: the directory that the server was started in is no place to import from.
    command = [sys.executable, "-P", "-c", program]
    command += ["-c", settings.config_file, "-s", settings.ssh_config_dir]
    return [*command, "-f", settings.state_file, _APP]


def _end_with_server() -> None:
    """Leave when the other end of the input is closed, also where nobody reads it any more."""
    import select
    import signal
    import time

    poll = select.poll()
    poll.register(0, 0)  # nothing but the end of it
    poll.poll()
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(_PATIENCE)
    os._exit(codes.FAILED)
