"""Say what became of what was asked for, and turn it into an exit code."""

from collections.abc import Sequence

from tunnel_tui.cli import codes
from tunnel_tui.cli.context import Context
from tunnel_tui.cli.output import safe
from tunnel_tui.cli.registry import JSON, QUIET
from tunnel_tui.errors import TunnelTuiError
from tunnel_tui.model import Outcome, TunnelSpec

_SILENT_VERBS = frozenset({"kept", "skipped"})
"""Told only in the summary: nothing happened to these."""


def failed(spec: TunnelSpec, error: TunnelTuiError) -> Outcome:
    """Make an outcome of an error."""
    message = f"{error.title}: {error.detail}" if error.detail else error.title
    return Outcome(spec.hash, spec.name, False, "failed", message, error.advice)


def report(context: Context, outcomes: Sequence[Outcome], *, several: bool = True) -> int:
    """Print the outcomes; return 0, or 3 (1 for a single tunnel) if any failed."""
    arguments = context.arguments
    bad = print_outcomes(context, outcomes)
    if several and not arguments.flag(QUIET) and not arguments.flag(JSON):
        context.output.info(summary(outcomes))
    if not bad:
        return codes.OK
    return codes.PARTIAL if several else codes.FAILED


def print_outcomes(context: Context, outcomes: Sequence[Outcome]) -> int:
    """Print what was done to stdout and what failed to stderr; return how many failed."""
    output, arguments = context.output, context.arguments
    if arguments.flag(JSON):
        output.json([outcome._asdict() for outcome in outcomes])
    elif not arguments.flag(QUIET):
        told = [o for o in outcomes if o.ok and (o.verb not in _SILENT_VERBS or _explains(o))]
        output.lines(map(_line, told))
    bad = [outcome for outcome in outcomes if not outcome.ok]
    for outcome in bad:
        subject = f"{outcome.name}: " if outcome.name else ""
        message = outcome.message or outcome.verb
        # The title of an error may begin with the name already.
        output.error(subject + message.removeprefix(subject), outcome.advice)
    return len(bad)


def _explains(outcome: Outcome) -> bool:
    """Say whether it is told why something was kept that might have been changed."""
    return outcome.verb == "kept" and bool(outcome.message)


def summary(outcomes: Sequence[Outcome]) -> str:
    """Count the outcomes by verb: `2 started, 9 kept, 1 failed`."""
    counts: dict[str, int] = {}
    for outcome in outcomes:
        verb = outcome.verb if outcome.ok else "failed"
        counts[verb] = counts.get(verb, 0) + 1
    return ", ".join(f"{count} {verb}" for verb, count in counts.items()) or "nothing to do"


def _line(outcome: Outcome) -> str:
    name = f" {outcome.name}" if outcome.name else ""
    known = f" ({outcome.hash})" if outcome.hash else ""
    more = f": {outcome.message}" if outcome.message else ""
    return safe(f"{outcome.verb}{name}{known}{more}")
