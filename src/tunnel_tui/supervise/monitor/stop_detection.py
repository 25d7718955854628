"""A tunnel that somebody is ending is not dying: telling a stop from a death."""

from collections.abc import Collection, Iterable, Sequence

from tunnel_tui.errors import LockHeldError, TunnelTuiError
from tunnel_tui.model import UP, State, TunnelStatus
from tunnel_tui.settings import Settings
from tunnel_tui.state.run_record import read_record
from tunnel_tui.state.state_file import StateFile
from tunnel_tui.supervise.monitor.snapshot import STOPPING


def without_false_deaths(
    settings: Settings, before: Iterable[TunnelStatus], now: Sequence[TunnelStatus]
) -> tuple[tuple[TunnelStatus, ...], bool]:
    """Show a tunnel that somebody is just stopping as such: that is no death to report.

    Who stops one of ours forgets first that it was started; a line of the state file that is
    gone says so only of what the shell scripts have started.

    Returns:
        The statuses to show, and whether another look is due soon.
    """
    known = {status.spec.hash: status for status in before}
    state = StateFile.of(settings)
    entries: set[tuple[str, int]] | None = None
    unsettled = False
    shown = []
    for status in now:
        past = known.get(status.spec.hash)
        if past and _falls(past, status):
            held = _is_held(state, status.spec.hash)
            ours = read_record(settings, status.spec.hash) is not None
            if entries is None and not held and not ours:  # read after the lock, and once
                entries = {(entry.hash, entry.pid) for entry in state.read().entries}
            gone = held is False and not ours and _is_removed(entries or (), past, status)
            if held or gone:
                unsettled = True
                status = status._replace(state=State.STARTING, detail=STOPPING, reason=None)
        shown.append(status)
    return tuple(shown), unsettled


def _falls(before: TunnelStatus, status: TunnelStatus) -> bool:
    """Say whether a tunnel that was up is on its way down."""
    if before.state not in UP:
        return False
    without_ssh = status.state is State.STARTING and status.ssh_pid is None
    stood = before.state is State.RUNNING or before.detail == STOPPING
    return status.state is State.DEAD or (stood and without_ssh)


def _is_held(state: StateFile, tunnel_hash: str) -> bool | None:
    """Say whether somebody is starting or ending this tunnel right now; None: nobody can say."""
    try:
        with state.lock_tunnel(tunnel_hash, 0.0):
            return False
    except LockHeldError:
        return True
    except (TunnelTuiError, OSError):
        return None


def _is_removed(
    entries: Collection[tuple[str, int]], before: TunnelStatus, status: TunnelStatus
) -> bool:
    """Say whether somebody has just ended it: what was observed may be older than that."""
    if before.detail == STOPPING and (status.state is not State.DEAD or status.pid is None):
        return False  # it is over, and this is what came of it
    return (status.spec.hash, status.pid) not in entries
