"""The help texts, made from the table of commands."""

from tunnel_tui.cli import codes
from tunnel_tui.cli.arguments import UsageError, nearest, usage
from tunnel_tui.cli.context import Context
from tunnel_tui.cli.output import Output, safe
from tunnel_tui.cli.registry import COMMANDS, GLOBAL_OPTIONS, GROUPS, Option

_VARIABLES = (
    ("AUTOSSH_CONFIG_FILE", "configuration file"),
    ("SSH_CONFIG_DIR", "directory of the ssh configuration"),
    ("AUTOSSH_STATE_FILE", "state file (default /tmp/autossh_tunnels.state)"),
    ("AUTOSSH_LOG_DIR", "directory of the logs (default /tmp/autossh-logs)"),
    ("TUNNEL_DIRECTION_MODE", "default or ssh-standard (the directions swapped)"),
    ("AUTOSSH_GATETIME", "passed on to autossh"),
    ("TUNNEL_TUI_USER", "root becomes this user first (containers)"),
    ("TUNNEL_TUI_DEBUG", "1 shows where an unexpected error happened"),
    ("NO_COLOR", "no colours"),
)

_EXIT_CODES = (
    ("0", "done"),
    ("1", "failed"),
    ("2", "wrong use"),
    ("3", "some tunnels failed"),
    ("130", "interrupted"),
)


def help_command(context: Context) -> int:
    """Explain everything, or one command.

    Raises:
        UsageError: there is no such command.
    """
    name = context.arguments.operands[0] if context.arguments.operands else ""
    if name and name not in COMMANDS:
        near = nearest(name, list(COMMANDS))
        raise UsageError(f"unknown command: {name}", f"did you mean {near}?" if near else "")
    return show_help(name, context.output)


def show_help(name: str, output: Output) -> int:
    """Print the help of one command, or of all where `name` is empty."""
    output.lines(_one(name, output) if name else _all(output))
    return codes.OK


def _all(output: Output) -> list[str]:
    lines = [
        "tunnel-tui: see, start, stop and log in to every SSH tunnel of a machine",
        "",
        output.paint("Usage", "heading"),
        "  tunnel-tui                        open the app",
        "  tunnel-tui COMMAND [options]      also installed as autossh-cli",
    ]
    for group, title in GROUPS.items():
        lines += ["", output.paint(title, "heading")]
        for name, command in COMMANDS.items():
            if command.group == group:
                head = " ".join((name, *command.operands))
                lines += _row(head, command.help)
    lines += ["", output.paint("Options (before or after the command)", "heading")]
    lines += _options(GLOBAL_OPTIONS)
    lines += ["", output.paint("Environment", "heading")]
    lines += [line for row in _VARIABLES for line in _row(*row)]
    lines += ["", output.paint("Exit codes", "heading")]
    lines += [f"  {code:<5} {meaning}" for code, meaning in _EXIT_CODES]
    lines += ["", "tunnel-tui COMMAND --help explains one command."]
    return lines


def _one(name: str, output: Output) -> list[str]:
    command = COMMANDS[name]
    lines = [usage(name), "", command.help[:1].upper() + command.help[1:] + "."]
    if command.details:
        lines += ["", *command.details.splitlines()]
    if command.options:
        lines += ["", output.paint("Options", "heading"), *_options(command.options)]
    taken = {option.short for option in command.options if option.short}
    others = [o._replace(short="") if o.short in taken else o for o in GLOBAL_OPTIONS]
    lines += ["", output.paint("Options of every command", "heading"), *_options(others)]
    codes_line = ", ".join(f"{code} {meaning}" for code, meaning in _EXIT_CODES)
    return [*lines, "", f"Exit codes: {codes_line}."]


def _options(options: tuple[Option, ...] | list[Option]) -> list[str]:
    lines = []
    for option in options:
        short = f"{option.short}, " if option.short else "    "
        metavar = f" {option.metavar}" if option.metavar else ""
        lines += _row(f"{short}{option.long}{metavar}", option.help)
    return lines


def _row(head: str, text: str) -> list[str]:
    if len(head) <= 28:
        return [f"  {head:<28} {safe(text)}"]
    return [f"  {head}", f"  {'':<28} {safe(text)}"]
