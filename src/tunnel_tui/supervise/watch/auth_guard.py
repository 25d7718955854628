"""Refused logins: counted, and stopped before a server takes us for an attacker."""

import signal

from tunnel_tui.model import ReasonCode, State, TunnelSpec, TunnelStatus
from tunnel_tui.settings import Settings
from tunnel_tui.ssh.log.reasons import attempts_of, find_reason, succeeded
from tunnel_tui.ssh.log.tunnel_log import own_lines
from tunnel_tui.state.state_file import StateFile
from tunnel_tui.supervise.process.process_tree import ProcessTable, registered
from tunnel_tui.supervise.process.tunnel_log import note
from tunnel_tui.system import proc, signals, spawn
from tunnel_tui.system.proc import ProcessStat

REFUSED = frozenset(
    {ReasonCode.PERMISSION_DENIED, ReasonCode.TOO_MANY_FAILURES, ReasonCode.KEY_FILE}
)
"""The server was reached and did not let us in."""
SEEN = 2
"""Refusals in a row after which autossh is ended: a third attempt may be on its way by then."""
_LINES = 400
_LOCK_TIMEOUT = 5.0
_END_TIMEOUT = 2.0


def is_refused(status: TunnelStatus) -> bool:
    """Say whether autossh is about to repeat a login that was refused."""
    code = status.reason.code if status.reason else None
    return status.state is State.STARTING and code in REFUSED and status.pid is not None


def count_refusals(settings: Settings, spec: TunnelSpec, pid: int) -> int:
    """Count the logins that were refused since the tunnel was started, or since it stood last.

    `pid` is the live process that tries.
    """
    lines = own_lines(settings, spec.hash, _LINES, pid)
    remote = not spec.forward(settings.direction_mode).listens_here
    count = 0
    for attempt in reversed(attempts_of(lines)):
        if succeeded(attempt, remote):
            break
        reason = find_reason(attempt, spec, remote=remote)
        count += reason is not None and reason.code in REFUSED
    return count


def give_up(settings: Settings, spec: TunnelSpec, count: int) -> bool:
    """End a tunnel's processes and leave its entry and its log, which tell the reason.

    They are killed: what autossh says when it is asked to end would hide the reason.

    Returns:
        False where nothing was left to end.

    Raises:
        LockHeldError, StateFileError, FileRefusedError: as they say.
    """
    state = StateFile.of(settings)
    with state.lock_tunnel(spec.hash, _LOCK_TIMEOUT):
        entries = state.entries_of(spec.hash)
        if not any(registered(entry, state.path) for entry in entries):
            return False
        _kill(ProcessTable(settings, {spec.hash}).family(spec.hash, entries))
        text = f"ended after {count} refused logins; it waits for a person"
        note(settings, spec.hash, text)
    return True


def end_waiting(settings: Settings, spec: TunnelSpec, pid: int) -> bool:
    """End an autossh that sleeps between two attempts, so that a new one tries at once.

    autossh(1) cannot be woken: a signal in its sleep ends it. One that has an ssh is left alone.

    Returns:
        False where it is not asleep (any more) or not the tunnel's.

    Raises:
        LockHeldError, StateFileError, FileRefusedError: as they say.
    """
    state = StateFile.of(settings)
    with state.lock_tunnel(spec.hash, _LOCK_TIMEOUT):
        for entry in state.read().entries:
            if entry.hash != spec.hash or entry.pid != pid:
                continue
            stat = registered(entry, state.path)
            if stat is None or proc.children(pid):
                return False
            _kill([stat])
            return True
    return False


def _kill(family: list[ProcessStat]) -> None:
    # Those that run the tunnel come first in a family: autossh must not replace its ssh.
    for stat in family:
        try:
            signals.send(stat, signal.SIGKILL)
        except PermissionError:
            continue
    signals.wait_gone([stat.pid for stat in family], _END_TIMEOUT)
    spawn.reap()
