"""`status`, `stats`: what is true of every tunnel now."""

from tunnel_tui.cli import codes
from tunnel_tui.cli.context import Context
from tunnel_tui.cli.formats import reason_lines, status_line, status_record
from tunnel_tui.cli.output import Output
from tunnel_tui.cli.registry import JSON, LONG
from tunnel_tui.model import State, TunnelStatus


def observe(context: Context) -> list[TunnelStatus]:
    """Look at every tunnel once; what is wrong with the files goes to stderr."""
    from tunnel_tui.observe.observer import Observer

    observer = Observer(context.settings)
    statuses = observer.observe(context.config.tunnels)
    context.warn_if_broken()
    context.warn_of_state_file(observer.state)
    return statuses


def managed(status: TunnelStatus) -> bool:
    """Say whether a tunnel was started: the state file or a process of ours knows it."""
    return status.pid is not None or status.state not in (State.STOPPED, State.INTERACTIVE)


def status(context: Context) -> int:
    """Print the state of every tunnel, in the format that scripts parse.

    Programs that read the format take every line below the headings for a tunnel. So reasons,
    and the heading of the tunnels that were not started, are only for a person who watches.
    """
    output, statuses = context.output, observe(context)
    if context.arguments.flag(JSON):
        mode = context.settings.direction_mode
        output.json([status_record(each, mode) for each in statuses])
        return codes.OK
    long = output.watched or context.arguments.flag(LONG)
    started = [each for each in statuses if managed(each)]
    others = [each for each in statuses if not managed(each)]
    lines = [output.paint("Tunnel Status", "heading")]
    lines.append("Managed tunnels:" if started else "No managed tunnels found.")
    lines += _block(started, output, long)
    if others and long:
        lines.append("Not started:")
    output.lines(lines + _block(others, output, long))
    return codes.OK


def _block(statuses: list[TunnelStatus], output: Output, long: bool) -> list[str]:
    lines = []
    for each in statuses:
        lines.append(status_line(each, output))
        if long:
            lines += [output.paint(line, "dim") for line in reason_lines(each)]
    return lines


def stats(context: Context) -> int:
    """Print how many tunnels are in which state.

    The first three figures count the state file's tunnels, as the shell scripts do: `Stopped`
    are those whose process is gone.
    """
    output, statuses = context.output, observe(context)
    started = [each.state for each in statuses if managed(each)]
    others = [each.state for each in statuses if not managed(each)]
    running = started.count(State.RUNNING)
    starting = started.count(State.STARTING)
    figures = {
        "Total": len(started),
        "Running": running,
        "Stopped": len(started) - running - starting,
        "Starting": starting,
        "Configured": sum(each.configured for each in statuses),
        "Not started": others.count(State.STOPPED),
        "Need a login": others.count(State.INTERACTIVE),
    }
    if context.arguments.flag(JSON):
        output.json({label.lower().replace(" ", "_"): count for label, count in figures.items()})
        return codes.OK
    lines = [output.paint("Tunnel Statistics:", "heading")]
    output.lines(lines + [f"  {label}: {count}" for label, count in figures.items()])
    return codes.OK
