"""Stopping one tunnel, some, or all: in parallel, confirmed, with nothing left behind."""

from collections.abc import Collection, Iterable, Sequence
from contextlib import ExitStack

from tunnel_tui.errors import LockHeldError, TunnelTuiError
from tunnel_tui.model import Outcome, TunnelEntry
from tunnel_tui.observe.identity import foreign_owner
from tunnel_tui.settings import STOP_GRACE, Settings
from tunnel_tui.state.run_record import remove_record
from tunnel_tui.state.state_file import StateFile
from tunnel_tui.supervise.login.control_master import lock_logins
from tunnel_tui.supervise.login.orphaned_masters import settle_logins
from tunnel_tui.supervise.monitor.history_writer import record_stops
from tunnel_tui.supervise.process import stop_requests
from tunnel_tui.supervise.process.outcomes import ProgressCallback, outcome_of
from tunnel_tui.supervise.process.process_tree import ProcessTable, registered
from tunnel_tui.supervise.process.sweep import MANY, sweep
from tunnel_tui.supervise.process.terminate import Ending, end_processes
from tunnel_tui.supervise.process.traces import delete_all_traces, delete_traces
from tunnel_tui.supervise.stop.targets import Target, detach
from tunnel_tui.system import proc

_LOCK_TIMEOUT = 20.0
_AT_ONCE = 100
"""Tunnels that are ended together, at most."""
_DESCRIPTORS = 4
"""What each of them costs meanwhile: its lock, autossh, ssh, and a helper of ssh."""
_SPARE_DESCRIPTORS = 24


def stop_tunnel(
    settings: Settings,
    tunnel_hash: str,
    *,
    name: str = "",
    grace: float = STOP_GRACE,
    keep_logins: Collection[str] = (),
    asked: float | None = None,
) -> Outcome:
    """Stop a tunnel: end its processes, remove its entry, delete its log.

    Args:
        settings: where things are.
        tunnel_hash: the full hash.
        name: for the messages, where no entry knows it.
        grace: seconds between TERM and KILL.
        keep_logins: remote hosts whose login stays even without a tunnel on it.
        asked: when it was asked for (`stop_requests.now`), None: now; later starts are not
            overtaken.

    Raises:
        StateFileError, FileRefusedError, LockHeldError: as they say.
    """
    state = StateFile.of(settings)
    stop_requests.note_stop([tunnel_hash], asked)
    with state.lock_tunnel(tunnel_hash, _LOCK_TIMEOUT):
        target = Target(tunnel_hash, name, _entries(state, tunnel_hash))
        return stop_targets(settings, state, [target], grace, keep_logins)[0]


def stop_tunnels(
    settings: Settings,
    hashes: Iterable[str] | None,
    progress: ProgressCallback | None = None,
    *,
    grace: float = STOP_GRACE,
    keep_logins: Collection[str] = (),
    asked: float | None = None,
) -> list[Outcome]:
    """Stop many tunnels in parallel; None: all, and every process of ours without an entry.

    Stopping all also empties the state file and deletes all logs. What goes wrong with one
    tunnel is in its outcome. The logins of the hosts in `keep_logins` stay.
    `asked` as in `stop_tunnel`.
    """
    state = StateFile.of(settings)
    everything = hashes is None
    wanted = None if hashes is None else list(dict.fromkeys(hashes))
    # Before anything is looked at: what starts after that look is not in it.
    stop_requests.note_stop(wanted, asked)
    if wanted is None:
        wanted = list(dict.fromkeys(_all_hashes(settings, state)))
    outcomes: list[Outcome] = []
    total = len(wanted)

    def tell(several: Iterable[Outcome]) -> None:
        for outcome in several:
            outcomes.append(outcome)
            if progress is not None:
                progress(len(outcomes), total, outcome)

    if total > MANY:
        swept, told = sweep(settings, state, wanted, "not running")
        total -= len(swept) - len(told)
        tell(told)
        wanted = [tunnel_hash for tunnel_hash in wanted if tunnel_hash not in swept]
    step = _at_once()
    for first in range(0, len(wanted), step):
        some = wanted[first : first + step]
        tell(_stop_some(settings, state, some, grace, keep_logins))
    if everything:
        _clear(settings, state)
    return outcomes


def _at_once() -> int:
    """Say how many tunnels can be ended together with the descriptors that we may open."""
    import resource

    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    if limit == resource.RLIM_INFINITY:
        return _AT_ONCE
    return min(_AT_ONCE, max(1, (limit - _SPARE_DESCRIPTORS) // _DESCRIPTORS))


def _all_hashes(settings: Settings, state: StateFile) -> list[str]:
    read = state.read()
    entries = [entry.hash for entry in (*read.entries, *read.duplicates)]
    return [*entries, *ProcessTable(settings).tagged]


def _stop_some(
    settings: Settings,
    state: StateFile,
    hashes: Sequence[str],
    grace: float,
    keep_logins: Collection[str],
) -> list[Outcome]:
    outcomes: dict[str, Outcome] = {}
    with ExitStack() as locks:
        held = []
        # In one order everywhere: two who stop many at once cannot wait for each other.
        for tunnel_hash in sorted(hashes):
            try:
                locks.enter_context(state.lock_tunnel(tunnel_hash, _LOCK_TIMEOUT))
            except (LockHeldError, TunnelTuiError, OSError) as error:
                outcomes[tunnel_hash] = outcome_of(error, tunnel_hash, tunnel_hash[:8])
            else:
                held.append(tunnel_hash)
        read = state.read()
        known: dict[str, list[TunnelEntry]] = {}
        for entry in (*read.duplicates, *read.entries):
            known.setdefault(entry.hash, []).append(entry)
        targets = [Target(key, "", known.get(key, ())) for key in held]
        try:
            done = stop_targets(settings, state, targets, grace, keep_logins)
        except (TunnelTuiError, OSError) as error:
            done = [outcome_of(error, target.hash, target.name) for target in targets]
        outcomes.update((outcome.hash, outcome) for outcome in done)
    return [outcomes[tunnel_hash] for tunnel_hash in hashes]


def stop_targets(
    settings: Settings,
    state: StateFile,
    targets: Sequence[Target],
    grace: float,
    keep_logins: Collection[str] = (),
) -> list[Outcome]:
    """Stop tunnels whose locks the caller holds: see `stop_tunnels`."""
    hosts = {entry.remote_host for target in targets for entry in target.logins()}
    with lock_logins(state, hosts):
        return _stop_locked(settings, state, targets, grace, keep_logins)


def _stop_locked(
    settings: Settings,
    state: StateFile,
    targets: Sequence[Target],
    grace: float,
    keep_logins: Collection[str],
) -> list[Outcome]:
    """End the processes, or take tunnels off their logins, then tidy up after them."""
    census = ProcessTable(settings, {target.hash for target in targets})
    for target in targets:
        target.look(census)
    detach(settings, state, targets, keep_logins)
    ending = end_processes((stat for target in targets for stat in target.family), grace)
    _end_newcomers(settings, targets, ending)
    gone = [t for t in targets if t.failure is None and not _survivors(t, ending)]
    for target in gone:  # before its entry: one without the other would look like a death
        remove_record(settings, target.hash)
    registered_pids = {
        (entry.hash, entry.pid)
        for target in gone
        for entry in target.entries
        if not target.foreign or not foreign_owner(entry)
    }
    if registered_pids:
        state.update(lambda entries: [e for e in entries if (e.hash, e.pid) not in registered_pids])
    for target in gone:
        delete_traces(settings, target.hash, shared=not target.foreign)
    record_stops(settings, [(t.hash, t.name) for t in gone if t.entries or t.family])
    return [_outcome(target, ending) for target in targets]


def _end_newcomers(settings: Settings, targets: Sequence[Target], ending: Ending) -> None:
    """End an ssh that an autossh managed to start while it was being ended."""
    if not any(target.family for target in targets):
        return
    census = ProcessTable(settings, {target.hash for target in targets})
    known = {stat.pid for target in targets for stat in target.family}
    for target in targets:
        new = [stat for stat in census.family(target.hash, ()) if stat.pid not in known]
        if new:
            late = end_processes(new, 0.5)
            target.family += new
            ending.alive |= late.alive
            ending.forbidden |= late.forbidden


def _survivors(target: Target, ending: Ending) -> list[int]:
    return [stat.pid for stat in target.family if stat.pid in ending.alive]


def _outcome(target: Target, ending: Ending) -> Outcome:
    survivors = _survivors(target, ending)
    if survivors:
        pid = survivors[0]
        if pid in ending.forbidden:
            owner = proc.owner(pid)
            message = f"pid {pid} belongs to user {owner[1] if owner else '?'}"
            advice = "stop it as that user or as root"
        else:
            message, advice = f"pid {pid} survived TERM and KILL", "look at it with: ps -l"
        return Outcome(target.hash, target.name, False, "failed", message, advice, pid)
    if target.failure is not None:
        return outcome_of(target.failure, target.hash, target.name)
    if target.detached:
        return Outcome(target.hash, target.name, True, "stopped", "", "", target.detached)
    if target.family:
        pid = target.family[0].pid
        return Outcome(target.hash, target.name, True, "stopped", "", "", pid)
    if target.foreign:
        message = f"it runs as user {target.foreign}, not ours"
        advice = "that user can stop it, and root with TUNNEL_TUI_USER"
        return Outcome(target.hash, target.name, True, "kept", message, advice)
    if target.strangers:
        message = f"pid {target.strangers[0]} is not of this tunnel and was not signalled"
        return Outcome(target.hash, target.name, True, "removed", message)
    message = "its process was gone already" if target.entries else ""
    return Outcome(target.hash, target.name, True, "not running", message)


def _entries(state: StateFile, tunnel_hash: str) -> list[TunnelEntry]:
    read = state.read()
    return [entry for entry in (*read.duplicates, *read.entries) if entry.hash == tunnel_hash]


def _clear(settings: Settings, state: StateFile) -> None:
    """Empty the state file and the log directory, but for what could not be ended."""
    settle_logins(settings, state, ())
    left = state.update(
        lambda entries: [e for e in entries if registered(e, state.path) or foreign_owner(e)],
        keep_malformed=False,
    )
    delete_all_traces(settings, {entry.hash for entry in left})
