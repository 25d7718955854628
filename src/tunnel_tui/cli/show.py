"""`show-tunnel`: everything about one tunnel."""

import time

from tunnel_tui.cli import codes
from tunnel_tui.cli.context import Context
from tunnel_tui.cli.formats import duration, status_record
from tunnel_tui.cli.output import safe
from tunnel_tui.cli.registry import JSON
from tunnel_tui.cli.single import find
from tunnel_tui.model import Layer, TunnelEntry, TunnelSpec, TunnelStatus


def show_tunnel(context: Context) -> int:
    """Print the specification, the state with its reason, and the rungs of the ladder.

    Raises:
        TunnelTuiError: no tunnel, or more than one, goes by the name.
    """
    from tunnel_tui.observe.observer import Observer
    from tunnel_tui.ssh.log.tunnel_log import log_path

    output, text = context.output, context.arguments.operands[0]
    tunnel = find(context, text)
    specs = [] if isinstance(tunnel, TunnelEntry) else [tunnel]
    observer = Observer(context.settings)
    [status] = [s for s in observer.observe(specs, traffic=True) if s.spec.hash == tunnel.hash]
    layers = observer.layers(status)
    if context.arguments.flag(JSON):
        record = status_record(status, context.settings.direction_mode)
        record["log"] = log_path(context.settings, tunnel.hash)
        record["layers"] = [layer._asdict() for layer in layers]
        output.json(record)
        return codes.OK
    output.heading(f"Tunnel Details: {text}")
    if not output.watched:
        _print_entry(context, tunnel.hash)
    rows = _rows(context, status)
    output.lines(f"  {label + ':':<13} {safe(value)}" for label, value in rows if value)
    output.lines(_ladder(layers, context))
    return codes.OK


def _print_entry(context: Context, tunnel_hash: str) -> None:
    """Print the state file's line as it is, which is what scripts take apart."""
    from tunnel_tui.state.state_file import StateFile

    for entry in StateFile.of(context.settings).read().entries:
        if entry.hash == tunnel_hash:
            context.output.lines(("\t".join(safe(str(field)) for field in entry),))


def _rows(context: Context, status: TunnelStatus) -> list[tuple[str, str]]:
    from tunnel_tui.ssh.log.tunnel_log import log_path

    spec, reason = status.spec, status.reason
    return [
        ("Name", spec.name),
        ("Hash", spec.hash),
        ("Group", spec.group),
        ("Description", spec.description),
        ("State", _state(status)),
        ("Reason", reason.text if reason else ""),
        ("What to do", reason.advice if reason else ""),
        ("Evidence", reason.evidence if reason else ""),
        *_ends(context, spec),
        ("Remote host", spec.remote_host),
        ("Direction", spec.direction.value),
        ("Interactive", "yes" if spec.interactive else "no"),
        ("Configured", f"line {spec.line}" if status.configured else "no, only started"),
        ("Process", _process(status)),
        ("Reconnects", str(status.reconnects) if status.reconnects else ""),
        *_history(context, spec.hash),
        ("Log", log_path(context.settings, spec.hash)),
        ("By hand", _command(context, spec)),
    ]


def _state(status: TunnelStatus) -> str:
    text = status.state.value
    if status.since is not None:
        since = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(status.since))
        text += f" since {since} ({duration(time.time() - status.since)})"
    if status.detail:
        text += f", {status.detail}"
    return text if status.confirmed else f"{text}, not confirmed"


def _ends(context: Context, spec: TunnelSpec) -> list[tuple[str, str]]:
    try:
        forward = spec.forward(context.settings.direction_mode)
    except ValueError as error:
        return [("Forward", f"not understood: {error}")]
    here, there = "on this machine", f"at {spec.remote_host}"
    sides = (here, there) if forward.listens_here else (there, here)
    return [
        ("Listener", f"{forward.listener} {sides[0]}"),
        ("Target", f"{forward.target} {sides[1]}"),
    ]


def _process(status: TunnelStatus) -> str:
    if status.pid is None:
        return ""
    same = status.ssh_pid in (None, status.pid)
    return f"{status.pid}" if same else f"{status.pid}, ssh {status.ssh_pid}"


def _history(context: Context, tunnel_hash: str) -> list[tuple[str, str]]:
    from tunnel_tui.state.history import History

    past = History(context.settings.history_file).summary(tunnel_hash, time.time())
    rows = []
    if past.uptime is not None:
        rows.append(("Last 24 h", f"up {past.uptime:.1%}, {past.reconnects} reconnects"))
    if (failure := past.last_failure) is not None:
        when = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(failure.time))
        rows.append(("Last failure", f"{when} {failure.text or failure.reason}"))
    return rows


def _command(context: Context, spec: TunnelSpec) -> str:
    from tunnel_tui.ssh.command import build_command, shell_line

    try:
        return shell_line(build_command(context.settings, spec, context.environment))
    except ValueError:
        return ""


def _ladder(layers: list[Layer], context: Context) -> list[str]:
    words = {True: ("ok", "good"), False: ("no", "bad"), None: ("not asked", "dim")}
    lines = ["  Checks:"] if layers else []
    for layer in layers:
        word, style = words[layer.ok]
        painted = context.output.paint(word, style) + " " * (10 - len(word))
        lines.append(f"    {layer.name:<20} {painted} {safe(layer.detail)}".rstrip())
    return lines
