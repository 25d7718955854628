"""`wait`, `health`: for scripts that depend on tunnels."""

from tunnel_tui.cli import codes
from tunnel_tui.cli.arguments import UsageError
from tunnel_tui.cli.context import Context
from tunnel_tui.cli.formats import status_record
from tunnel_tui.cli.output import safe
from tunnel_tui.cli.registry import FOR, JSON, QUIET, TIMEOUT
from tunnel_tui.cli.single import find
from tunnel_tui.cli.status import observe
from tunnel_tui.cli.watching import describe, watch
from tunnel_tui.errors import UnknownTunnelError
from tunnel_tui.model import State, TunnelEntry, TunnelSpec

_DEFAULT_TIMEOUT = 60.0
_NAMED = 5


def wait(context: Context) -> int:
    """Wait until every tunnel that is meant is in the state that is meant.

    Raises:
        TunnelTuiError: no tunnel goes by a name, or the file is broken and no name was given.
        UsageError: the state or the number of seconds is not one.
    """
    wanted, timeout = _wanted(context), _timeout(context)
    specs = _meant(context)
    statuses = watch(context, specs, wanted, timeout)
    late = [status for status in statuses if status.state not in wanted]
    output, arguments = context.output, context.arguments
    words = " or ".join(state.value for state in State if state in wanted)
    if arguments.flag(JSON):
        mode = context.settings.direction_mode
        output.json([status_record(status, mode) for status in statuses])
    elif not late and not arguments.flag(QUIET):
        output.lines((f"{len(statuses)} of {len(statuses)} {words}",))
    for status in late:
        advice = status.reason.advice if status.reason else ""
        output.error(f"{status.spec.name}: {describe(status)}", advice)
    if not late:
        return codes.OK
    output.note(f"{len(late)} of {len(statuses)} not {words} after {timeout:g} s")
    return codes.FAILED if len(late) == len(statuses) else codes.PARTIAL


def health(context: Context) -> int:
    """Print one line: whether every tunnel runs, except those that wait for a login."""
    statuses = observe(context)
    due = [status for status in statuses if status.state is not State.INTERACTIVE]
    running = [status for status in due if status.state is State.RUNNING]
    bad = [status for status in due if status.state is not State.RUNNING]
    valid = context.config.valid
    healthy = valid and not bad
    if context.arguments.flag(JSON):
        context.output.json(
            {
                "healthy": healthy,
                "config_valid": valid,
                "running": len(running),
                "expected": len(due),
                "failing": [
                    {"name": s.spec.name, "hash": s.spec.hash, "why": describe(s)} for s in bad
                ],
            }
        )
        return codes.OK if healthy else codes.FAILED
    parts = [f"{len(running)} of {len(due)} running"]
    parts += [f"{status.spec.name}: {describe(status)}" for status in bad[:_NAMED]]
    if len(bad) > _NAMED:
        parts.append(f"and {len(bad) - _NAMED} more")
    if not valid:
        parts.append("the configuration has mistakes")
    context.output.lines((f"{'healthy' if healthy else 'unhealthy'}: {safe('; '.join(parts))}",))
    return codes.OK if healthy else codes.FAILED


def _wanted(context: Context) -> frozenset[State]:
    text = context.arguments.value(FOR) or "running"
    states = set()
    for word in text.upper().split(","):
        if word not in State.__members__:
            known = ", ".join(state.value.lower() for state in State)
            raise UsageError(f"not a state: {word.lower()}", f"one of {known}")
        states.add(State[word])
    return frozenset(states)


def _timeout(context: Context) -> float:
    text = context.arguments.value(TIMEOUT)
    if text is None:
        return _DEFAULT_TIMEOUT
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds < 1e9:
        raise UsageError(f"not a number of seconds: {text}")
    return seconds


def _meant(context: Context) -> list[TunnelSpec]:
    names = context.arguments.operands
    if not names:
        specs = [spec for spec in context.good_config().tunnels if not spec.interactive]
        if not specs:
            raise UnknownTunnelError("there is no tunnel to wait for", context.config.file)
        return specs
    found = [find(context, name) for name in names]
    specs = [each.spec() if isinstance(each, TunnelEntry) else each for each in found]
    return list({spec.hash: spec for spec in specs}.values())
