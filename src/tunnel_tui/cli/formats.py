"""The line formats that scripts parse, and the records that `--json` prints.

Formats (C printf): `list` is `"  %-20s %-12s %s -> %s:%s (%s)"`, `status` the same with `%-10s`:
name, word, local port, remote host, remote port, hash.
"""

from collections.abc import Mapping

from tunnel_tui.cli.output import Output, pad, safe
from tunnel_tui.model import Direction, DirectionMode, Problem, State, TunnelSpec, TunnelStatus

Record = Mapping[str, object]


def list_line(spec: TunnelSpec, output: Output) -> str:
    """Format one line of `list`."""
    word = "INTERACTIVE" if spec.interactive else "NORMAL"
    return _line(spec, word.ljust(12), output.watched)


def status_line(status: TunnelStatus, output: Output) -> str:
    """Format one line of `status`, its word coloured where a person watches."""
    word = status.state.value
    painted = output.paint(word, word) + " " * (10 - len(word))
    return _line(status.spec, painted, output.watched)


def _line(spec: TunnelSpec, word: str, watched: bool) -> str:
    name = safe(spec.name)
    name = pad(name, 20) if watched else name.ljust(20)
    ends = f"{spec.local_port} -> {spec.remote_host}:{spec.remote_port}"
    return f"  {name} {word} {safe(ends)} ({safe(spec.hash)})"


def reason_lines(status: TunnelStatus) -> list[str]:
    """Say why a tunnel is not RUNNING and what to do, indented below its line."""
    lines = []
    if status.detail:
        lines.append(status.detail)
    if status.reason is not None:
        lines.append(status.reason.text)
        if status.reason.advice:
            lines.append(f"→ {status.reason.advice}")
    if status.state is State.RUNNING and not status.confirmed:
        lines.append("not confirmed: started by other means, its log does not say")
    return [f"      {safe(line)}" for line in lines]


def spec_record(spec: TunnelSpec, mode: DirectionMode = DirectionMode.DEFAULT) -> dict[str, object]:
    """Make the JSON object of a configured tunnel."""
    record: dict[str, object] = {
        "name": spec.name,
        "hash": spec.hash,
        "remote_host": spec.remote_host,
        "remote_port": spec.remote_port,
        "local_port": spec.local_port,
        "direction": spec.direction.value,
        "interactive": spec.interactive,
        "group": spec.group,
        "description": spec.description,
    }
    try:
        forward = spec.forward(mode)
    except ValueError:  # an entry of the state file may say anything
        return record
    record["listener"] = str(forward.listener)
    record["listener_side"] = "local" if forward.listens_here else "remote"
    record["target"] = str(forward.target)
    return record


def status_record(status: TunnelStatus, mode: DirectionMode) -> dict[str, object]:
    """Make the JSON object of a tunnel's status: the spec's fields and what is true now."""
    record = spec_record(status.spec, mode)
    reason = status.reason
    record.update(
        state=status.state.value,
        configured=status.configured,
        detail=status.detail,
        reason=reason
        and {
            "code": reason.code.value,
            "text": reason.text,
            "advice": reason.advice,
            "evidence": reason.evidence,
            "transient": reason.transient,
        },
        pid=status.pid,
        ssh_pid=status.ssh_pid,
        since=status.since,
        reconnects=status.reconnects,
        confirmed=status.confirmed if status.state is State.RUNNING else None,
        traffic=status.traffic and status.traffic._asdict(),
    )
    return record


def problem_record(problem: Problem) -> Record:
    """Make the JSON object of one mistake in the configuration."""
    return problem._asdict()


def parse_line(spec: TunnelSpec) -> str:
    """Format one line of `parse`: seven fields, tab separated."""
    interactive = "true" if spec.interactive else "false"
    fields = (
        spec.remote_host,
        spec.remote_port,
        spec.local_port,
        Direction(spec.direction).value,
        spec.name,
        spec.hash,
        interactive,
    )
    return "\t".join(map(safe, fields))


def duration(seconds: float) -> str:
    """Spell a duration in at most two units: `42s`, `3m 5s`, `2h 10m`, `12d 4h`."""
    whole = max(0, int(seconds))
    for size, unit, smaller_size, smaller in (
        (86400, "d", 3600, "h"),
        (3600, "h", 60, "m"),
        (60, "m", 1, "s"),
    ):
        if whole >= size:
            return f"{whole // size}{unit} {whole % size // smaller_size}{smaller}"
    return f"{whole}s"
