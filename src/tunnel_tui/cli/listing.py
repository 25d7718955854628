"""`list`, `parse`, `config`, `hash`: what is written, not what runs."""

from tunnel_tui.cli import codes
from tunnel_tui.cli.arguments import UsageError
from tunnel_tui.cli.context import Context
from tunnel_tui.cli.formats import list_line, parse_line, spec_record
from tunnel_tui.cli.output import safe
from tunnel_tui.cli.registry import JSON
from tunnel_tui.model import Direction, tunnel_hash


def list_tunnels(context: Context) -> int:
    """Print the configured tunnels; mistakes in the file go to stderr and make the code 1."""
    output, specs = context.output, context.config.tunnels
    if context.arguments.flag(JSON):
        mode = context.settings.direction_mode
        output.json([spec_record(spec, mode) for spec in specs])
    else:
        lines = [output.paint("Configured Tunnels", "heading")]
        lines += [list_line(spec, output) for spec in specs]
        output.lines(lines)
    return codes.FAILED if context.report_problems(warnings=False) else codes.OK


def parse(context: Context) -> int:
    """Print the configured tunnels as tab-separated fields."""
    output, specs = context.output, context.config.tunnels
    if context.arguments.flag(JSON):
        mode = context.settings.direction_mode
        output.json([spec_record(spec, mode) for spec in specs])
    else:
        output.heading("Parsed ConfigFile")
        output.lines(parse_line(spec) for spec in specs)
    return codes.FAILED if context.report_problems(warnings=False) else codes.OK


def config(context: Context) -> int:
    """Print the paths in use."""
    output, settings = context.output, context.settings
    if context.arguments.flag(JSON):
        output.json(settings._asdict())
        return codes.OK
    output.heading("Current ConfigFile")
    rows = (
        ("Config File", settings.config_file),
        ("SSH Config Dir", settings.ssh_config_dir),
        ("State File", settings.state_file),
        ("Log Dir", settings.log_dir),
        ("Data Dir", settings.data_dir),
        ("Socket Dir", settings.socket_dir),
        ("Direction Mode", settings.direction_mode.value),
        ("Gate Time", settings.gate_time or "autossh's own"),
    )
    output.lines(f"{label}: {safe(value)}" for label, value in rows)
    return codes.OK


def hash_tunnel(context: Context) -> int:
    """Print the hash of a tunnel given by its fields.

    Raises:
        UsageError: the direction or `interactive` is not one that a file may contain.
    """
    name, host, port, local, direction, *rest = context.arguments.operands
    interactive = rest[0] if rest else "false"
    if direction not in {known.value for known in Direction}:
        raise UsageError(f"not a direction: {direction}", "remote_to_local or local_to_remote")
    if interactive not in {"true", "false"}:
        raise UsageError(f"not true or false: {interactive}")
    digest = tunnel_hash(name, host, port, local, direction, interactive)
    if context.arguments.flag(JSON):
        context.output.json({"hash": digest})
    else:
        context.output.lines((f"MD5 Hash: {digest}",))
    return codes.OK
