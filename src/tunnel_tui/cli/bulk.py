"""`start`, `stop`, `restart`: all tunnels at once."""

from collections.abc import Callable, Sequence

from tunnel_tui.cli import codes
from tunnel_tui.cli.context import Context
from tunnel_tui.cli.progress import Progress
from tunnel_tui.cli.registry import FULL, QUIET
from tunnel_tui.cli.report import print_outcomes, report, summary
from tunnel_tui.cli.watching import confirm
from tunnel_tui.model import Outcome, TunnelEntry, TunnelSpec

_NAMED = 5
"""So many tunnels that need a login are named; the others are counted."""


def start(context: Context) -> int:
    """Make what runs be what the file says; with `--full`, stop everything first.

    Raises:
        ConfigError: the file has mistakes; what runs stays as it is.
    """
    from tunnel_tui.supervise.apply import apply_plan, plan_changes

    specs, settings = context.good_config().tunnels, context.settings
    if context.arguments.flag(FULL):
        return _start_afresh(context, specs)
    plan = plan_changes(settings, specs)
    started = (*plan.start, *plan.restart)

    def work(progress: Progress) -> list[Outcome]:
        return confirm(context, started, apply_plan(settings, plan, progress), 0.0)

    code = _work(context, work)
    _name_logins(context, plan.login)
    return code


def stop(context: Context) -> int:
    """Stop every tunnel, orphans included; empty the state file, delete the logs."""
    from tunnel_tui.supervise.lifecycle import stop_tunnels

    settings = context.settings
    return _work(context, lambda progress: stop_tunnels(settings, None, progress))


restart = start


def _start_afresh(context: Context, specs: Sequence[TunnelSpec]) -> int:
    from tunnel_tui.supervise.lifecycle import start_tunnels, stop_tunnels

    settings = context.settings
    startable = [spec for spec in specs if not spec.interactive]

    def work(progress: Progress) -> list[Outcome]:
        stopped = stop_tunnels(settings, None, progress)
        still_there = {outcome.hash for outcome in stopped if not outcome.ok}
        ready = [spec for spec in startable if spec.hash not in still_there]
        started = start_tunnels(settings, ready, progress)
        return stopped + confirm(context, ready, started, 0.0)

    code = _work(context, work)
    _name_logins(context, [spec for spec in specs if spec.interactive])
    return code


def _work(context: Context, work: Callable[[Progress], list[Outcome]]) -> int:
    """Do the work with a bar; after ctrl+c say what was done until then."""
    progress = Progress(context.output)
    before = _registered(context)
    try:
        outcomes = work(progress)
    except KeyboardInterrupt:
        progress.finish()
        failures = [outcome for outcome in progress.outcomes if not outcome.ok]
        done = _difference(before, _registered(context))
        print_outcomes(context, done + failures)
        said = summary(done + failures) if done or failures else "nothing was done"
        context.output.error(f"interrupted: {said}; the rest is as it was")
        return codes.INTERRUPTED
    finally:
        progress.finish()
    return report(context, outcomes)


def _registered(context: Context) -> dict[str, TunnelEntry]:
    from tunnel_tui.observe.statefile import StateFile

    return {entry.hash: entry for entry in StateFile(context.settings.state_file).read().entries}


def _difference(before: dict[str, TunnelEntry], after: dict[str, TunnelEntry]) -> list[Outcome]:
    """Say what was stopped and started between two looks at the state file."""
    stopped = [
        Outcome(entry.hash, entry.name, True, "stopped")
        for entry in before.values()
        if entry.hash not in after
    ]
    return stopped + [
        Outcome(entry.hash, entry.name, True, "started", "", "", entry.pid)
        for entry in after.values()
        if entry.hash not in before or before[entry.hash].pid != entry.pid
    ]


def _name_logins(context: Context, specs: Sequence[TunnelSpec]) -> None:
    if not specs or context.arguments.flag(QUIET):
        return
    names = ", ".join(spec.name for spec in specs[:_NAMED])
    more = f" and {len(specs) - _NAMED} more" if len(specs) > _NAMED else ""
    verb = "needs" if len(specs) == 1 else "need"
    context.output.info(f"{len(specs)} {verb} a login: {names}{more} (tunnel-tui auth <name>)")
