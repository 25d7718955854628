"""`start`, `stop`, `restart`: all tunnels at once."""

import time
from collections.abc import Sequence

from tunnel_tui.cli.context import Context
from tunnel_tui.cli.progress import Progress
from tunnel_tui.cli.registry import FULL, QUIET
from tunnel_tui.cli.watching import confirm
from tunnel_tui.cli.work import carry_out
from tunnel_tui.model import Outcome, TunnelSpec

_NAMED = 5
"""So many tunnels that need a login are named; the others are counted."""


def start(context: Context) -> int:
    """Make what runs be what the file says; with `--full`, stop everything first.

    Raises:
        ConfigError: the file has mistakes; what runs stays as it is.
    """
    from tunnel_tui.supervise.actions.apply import apply_plan, plan_changes

    specs, settings = context.good_config().tunnels, context.settings
    if context.arguments.flag(FULL):
        return _start_afresh(context, specs)
    plan = plan_changes(settings, specs)
    started = (*plan.start, *plan.restart)

    def work(progress: Progress) -> list[Outcome]:
        began = time.monotonic()
        outcomes = apply_plan(settings, plan, progress)
        return confirm(context, started, outcomes, _left(began))

    code = carry_out(context, work)
    _name_logins(context, plan.login)
    return code


def stop(context: Context) -> int:
    """Stop every tunnel, orphans included; empty the state file, delete the logs."""
    from tunnel_tui.supervise.actions.lifecycle import stop_tunnels

    settings = context.settings
    return carry_out(context, lambda progress: stop_tunnels(settings, None, progress))


restart = start


def _start_afresh(context: Context, specs: Sequence[TunnelSpec]) -> int:
    from tunnel_tui.supervise.actions.lifecycle import start_tunnels, stop_tunnels

    settings = context.settings
    startable = [spec for spec in specs if not spec.interactive]

    def work(progress: Progress) -> list[Outcome]:
        stopped = stop_tunnels(settings, None, progress)
        still_there = {outcome.hash for outcome in stopped if not outcome.ok}
        ready = [spec for spec in startable if spec.hash not in still_there]
        began = time.monotonic()
        started = start_tunnels(settings, ready, progress)
        return stopped + confirm(context, ready, started, _left(began))

    code = carry_out(context, work)
    _name_logins(context, [spec for spec in specs if spec.interactive])
    return code


def _left(began: float) -> float:
    """Seconds to go on waiting for what somebody else is starting at this moment."""
    from tunnel_tui.supervise.actions.lifecycle import CONFIRM_TIMEOUT

    return max(0.0, began + CONFIRM_TIMEOUT - time.monotonic())


def _name_logins(context: Context, specs: Sequence[TunnelSpec]) -> None:
    if not specs or context.arguments.flag(QUIET):
        return
    names = ", ".join(spec.name for spec in specs[:_NAMED])
    more = f" and {len(specs) - _NAMED} more" if len(specs) > _NAMED else ""
    verb = "needs" if len(specs) == 1 else "need"
    context.output.info(f"{len(specs)} {verb} a login: {names}{more} (tunnel-tui auth <name>)")
