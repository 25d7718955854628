"""What came of one thing that was asked for, in the same words everywhere."""

from collections.abc import Callable, Iterable

from tunnel_tui.errors import (
    TunnelTuiError,
)
from tunnel_tui.model import Outcome, TunnelEntry, TunnelSpec
from tunnel_tui.state.state_file import StateFile
from tunnel_tui.supervise.process.process_tree import registered

ProgressCallback = Callable[[int, int, Outcome], None]
"""Gets: how many are done, how many there are, the outcome of the last one."""

LOCK_TIMEOUT = 30.0
"""Seconds to wait for another start or stop of the same tunnel."""


def overtaken(spec: TunnelSpec) -> Outcome:
    """Say that a start came to nothing because of a later stop."""
    return Outcome(spec.hash, spec.name, True, "skipped", "it was stopped meanwhile")


def is_running(
    spec: TunnelSpec, entries: Iterable[TunnelEntry], state: StateFile
) -> Outcome | None:
    """Say at once, without any lock, that the tunnel runs already; None: it does not."""
    for entry in entries:
        if entry.hash == spec.hash and registered(entry, state.path):
            return Outcome(spec.hash, spec.name, True, "already running", "", "", entry.pid)
    return None


def outcome_of(error: TunnelTuiError | OSError, tunnel_hash: str, name: str) -> Outcome:
    """Put an error that concerns one tunnel into the list of outcomes."""
    if isinstance(error, TunnelTuiError):
        message = f"{error.title}: {error.detail}" if error.detail else error.title
        return Outcome(tunnel_hash, name, False, "failed", message, error.advice)
    place = f"{error.filename}: " if error.filename else ""
    message = f"{place}{error.strerror or error}"
    return Outcome(tunnel_hash, name, False, "failed", message)


def skipped(spec: TunnelSpec, why: str) -> Outcome:
    """Say that nobody tried, and how a person can where only a person can."""
    advice = f"tunnel-tui auth {spec.hash[:8]}" if spec.interactive else ""
    return Outcome(spec.hash, spec.name, True, "skipped", why, advice)
