"""Do what changes tunnels: with a progress bar, and an account of it after ctrl+c."""

from collections.abc import Callable

from tunnel_tui.cli import codes
from tunnel_tui.cli.context import Context
from tunnel_tui.cli.progress import Progress
from tunnel_tui.cli.report import print_outcomes, report, summary
from tunnel_tui.model import Outcome, TunnelEntry


def carry_out(
    context: Context, work: Callable[[Progress], list[Outcome]], *, several: bool = True
) -> int:
    """Do the work and report it; after ctrl+c say what was started and stopped until then."""
    progress = Progress(context.output)
    before = _registered(context)
    try:
        outcomes = work(progress)
    except KeyboardInterrupt:
        progress.finish()
        failures = [outcome for outcome in progress.outcomes if not outcome.ok]
        done = _difference(before, _registered(context)) + failures
        print_outcomes(context, done)
        said = summary(done) if done else "nothing was done"
        context.output.error(f"interrupted: {said}; the rest is as it was")
        return codes.INTERRUPTED
    finally:
        progress.finish()
    return report(context, outcomes, several=several)


def _registered(context: Context) -> dict[str, TunnelEntry]:
    from tunnel_tui.state.state_file import StateFile

    return {entry.hash: entry for entry in StateFile.of(context.settings).read().entries}


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
