"""A tunnel that somebody is ending is not dying: telling a stop from a death."""

from collections.abc import Iterable, Sequence

from tunnel_tui.errors import LockHeldError, TunnelTuiError
from tunnel_tui.model import State, TunnelStatus
from tunnel_tui.observe.statefile import StateFile
from tunnel_tui.supervise.snapshot import STOPPING

_UP = (State.RUNNING, State.STARTING)


def without_false_deaths(
    state: StateFile, before: Iterable[TunnelStatus], now: Sequence[TunnelStatus]
) -> tuple[tuple[TunnelStatus, ...], bool]:
    """Show a tunnel that somebody is just stopping as such: that is no death to report.

    Returns:
        The statuses to show, and whether another look is due soon.
    """
    known = {status.spec.hash: status for status in before}
    unsettled = False
    shown = []
    for status in now:
        past = known.get(status.spec.hash)
        if past and _falls(past, status) and _is_ended(state, past, status):
            unsettled = True
            status = status._replace(state=State.STARTING, detail=STOPPING, reason=None)
        shown.append(status)
    return tuple(shown), unsettled


def _falls(before: TunnelStatus, status: TunnelStatus) -> bool:
    """Say whether a tunnel that was up is on its way down."""
    if before.state not in _UP:
        return False
    without_ssh = status.state is State.STARTING and status.ssh_pid is None
    stood = before.state is State.RUNNING or before.detail == STOPPING
    return status.state is State.DEAD or (stood and without_ssh)


def _is_ended(state: StateFile, before: TunnelStatus, status: TunnelStatus) -> bool:
    """Say whether somebody is ending this tunnel right now, or has just done so."""
    try:
        with state.lock_tunnel(status.spec.hash, 0.0):
            pass
    except LockHeldError:
        return True
    except (TunnelTuiError, OSError):
        return False
    if before.detail == STOPPING and (status.state is not State.DEAD or status.pid is None):
        return False  # it is over, and this is what came of it
    # What was observed may be older than the removal of the entry.
    entries = {(entry.hash, entry.pid) for entry in state.read().entries}
    return (status.spec.hash, status.pid) not in entries
