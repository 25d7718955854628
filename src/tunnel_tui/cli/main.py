"""The entry point of `tunnel-tui` and `autossh-cli`: dispatch, and the end of every error.

This module and what it imports are paid for by every command, so they import next to nothing.
"""

import gc
import os
import sys
from collections.abc import Callable, Sequence

from tunnel_tui.cli import codes
from tunnel_tui.cli.arguments import Arguments, UsageError, parse
from tunnel_tui.cli.context import Context
from tunnel_tui.cli.output import Output
from tunnel_tui.errors import TunnelTuiError
from tunnel_tui.settings import STRICT_VARIABLE

DEBUG_VARIABLE = "TUNNEL_TUI_DEBUG"
USER_VARIABLE = "TUNNEL_TUI_USER"


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code.

    Called without `argv` (as the console scripts do) a command that only prints ends the process
    at once: taking the interpreter apart would cost more than many commands do.
    """
    output = Output(sys.stdout, sys.stderr, os.environ)
    arguments: Arguments | None = None
    try:
        if USER_VARIABLE in os.environ and os.geteuid() == 0:
            from tunnel_tui.cli.user import become

            become(os.environ[USER_VARIABLE], os.environ)
        arguments = parse(sys.argv[1:] if argv is None else argv)
        code = _run(arguments, output)
    except BaseException as error:  # every way out passes here, ctrl+c included
        code = _explain(error, output)
    if argv is None and (arguments is None or not arguments.command.resident):
        _leave(code)
    return code


def _run(arguments: Arguments, output: Output) -> int:
    if arguments.named("--help") is not None:
        from tunnel_tui.cli.help import show_help

        return show_help(arguments.name, output)
    if arguments.named("--version") is not None:
        from tunnel_tui import __version__

        output.lines((f"tunnel-tui {__version__}",))
        return codes.OK
    if not arguments.command.resident:
        gc.disable()  # a command is over before collecting garbage pays
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    if arguments.named("--strict") is not None:
        os.environ[STRICT_VARIABLE] = "1"  # also for what this command starts
    context = Context(arguments, os.environ, output)
    code = _load(arguments)(context)
    return codes.PIPE_CLOSED if output.closed and code == codes.OK else code


def _load(arguments: Arguments) -> Callable[[Context], int]:
    command = arguments.command
    name = f"tunnel_tui.cli.{command.module}"
    __import__(name)  # importlib alone costs a millisecond
    function: Callable[[Context], int] = getattr(sys.modules[name], command.function)
    return function


def _explain(error: BaseException, output: Output) -> int:
    """Print an error the way a person can use it; return the exit code."""
    if isinstance(error, SystemExit):
        return error.code if isinstance(error.code, int) else codes.FAILED
    output.erase_progress()
    if isinstance(error, KeyboardInterrupt):
        output.error("interrupted")
        return codes.INTERRUPTED
    if os.environ.get(DEBUG_VARIABLE):
        import traceback

        traceback.print_exception(error)
    if isinstance(error, UsageError):
        output.error(error.message, error.hint)
        return codes.USAGE
    if isinstance(error, TunnelTuiError):
        output.failure(error)
    elif isinstance(error, OSError) and error.strerror:
        where = f"{error.filename}: " if error.filename is not None else ""
        output.error(f"{where}{error.strerror}", _how_to_trace())
    else:
        output.error(f"unexpected: {type(error).__name__}: {error}", _how_to_trace())
    return codes.FAILED


def _how_to_trace() -> str:
    if os.environ.get(DEBUG_VARIABLE):
        return ""
    return f"set {DEBUG_VARIABLE}=1 to see where it happened"


def _leave(code: int) -> None:
    """End the process without taking the interpreter apart."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError, AttributeError):
            pass
    os._exit(code)
