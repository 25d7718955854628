"""Open the app, on the real tunnels or on the demo's. Only here the CLI meets the app."""

import sys

from tunnel_tui.cli.arguments import UsageError
from tunnel_tui.cli.context import Context
from tunnel_tui.cli.registry import HEADLESS


def app(context: Context) -> int:
    """Open the app.

    Raises:
        UsageError: there is no terminal to open it in.
    """
    settings = context.settings
    _need_terminal(context)
    from tunnel_tui.tui.shell.app import run

    return run(settings)


def demo(context: Context) -> int:
    """Open the app on servers and a configuration that vanish when it ends.

    Raises:
        UsageError: there is no terminal to open it in.
    """
    headless = context.arguments.flag(HEADLESS)
    if not headless:
        _need_terminal(context)
    from tunnel_tui.demo.main import run

    return run(headless)


def _need_terminal(context: Context) -> None:
    for stream, name in ((sys.stdin, "input"), (sys.stdout, "output")):
        if stream is None or not stream.isatty():
            raise UsageError(
                f"the app needs a terminal, and its {name} is none",
                "tunnel-tui status prints the same without one; "
                "in a container: docker exec -it NAME tunnel-tui",
            )
    terminal = context.environment.get("TERM", "")
    if terminal in ("dumb", ""):
        raise UsageError(
            f"the app needs a terminal that can move its cursor (TERM={terminal})",
            "tunnel-tui status prints the same without one",
        )
