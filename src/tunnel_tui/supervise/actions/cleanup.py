"""Putting right what crashes, other programs and torn writes left behind; every act is reported."""

import os
from collections.abc import Sequence

from tunnel_tui.errors import LockHeldError
from tunnel_tui.model import AGAIN, Outcome, State, TunnelEntry, TunnelSpec
from tunnel_tui.observe.observer import Observer
from tunnel_tui.settings import Settings
from tunnel_tui.ssh.log.tunnel_log import log_path
from tunnel_tui.state.run_record import read_record
from tunnel_tui.state.state_file import StateFile
from tunnel_tui.supervise.login.orphaned_masters import settle_logins, unlink_stale_sockets
from tunnel_tui.supervise.process.process_tree import ProcessTable, leaders, registered
from tunnel_tui.supervise.process.sweep import MANY, TOLD, sweep
from tunnel_tui.supervise.process.terminate import end_processes
from tunnel_tui.supervise.process.traces import delete_traces
from tunnel_tui.supervise.process.watcher_lock import watcher_state
from tunnel_tui.system import proc
from tunnel_tui.system.proc import ProcessStat

_LOCK_TIMEOUT = 20.0
_GRACE = 2.0


def clean_up(settings: Settings, specs: Sequence[TunnelSpec]) -> list[Outcome]:
    """Remove entries without a process, end orphans, re-adopt lost tunnels, repair the file.

    Live tunnels, configured or not, are left alone.

    Args:
        settings: where things are.
        specs: the configured tunnels: a live process without an entry is registered again only
            if it is one of them, and ended otherwise.

    Raises:
        StateFileError, FileRefusedError: the state file cannot be used at all.
    """
    state = StateFile.of(settings)
    outcomes = _repair(state)
    outcomes += _remove_dead(settings, state, specs)
    outcomes += _settle_tagged(settings, state, specs)
    outcomes += settle_logins(settings, state, specs)
    outcomes += unlink_stale_sockets(settings)
    return outcomes


def _repair(state: StateFile) -> list[Outcome]:
    """Drop lines that are no entries, and all but one entry of each hash."""
    read = state.read()
    if not (read.malformed or read.duplicates) and read.complete:
        return []

    dropped: list[TunnelEntry] = []

    def change(entries: list[TunnelEntry]) -> list[TunnelEntry]:
        # Of several entries the last live one stays, or the last one. By place: lines may be equal.
        best: dict[str, int] = {}
        lives = {entry: registered(entry, state.path) is not None for entry in set(entries)}
        for place, entry in enumerate(entries):
            if lives[entry] or entry.hash not in best or not lives[entries[best[entry.hash]]]:
                best[entry.hash] = place
        kept = set(best.values())
        dropped[:] = [entry for place, entry in enumerate(entries) if place not in kept]
        return [entries[place] for place in sorted(kept)]

    state.update(change, keep_malformed=False)
    lines = [("", "", f"a line that is no entry: {_shown(line)}") for line in read.malformed]
    seconds = [(entry.hash, entry.name, f"a second entry (pid {entry.pid})") for entry in dropped]
    outcomes = [
        Outcome(tunnel_hash, name, True, "removed", message)
        for several in (lines, seconds)
        for tunnel_hash, name, message in several[:TOLD]
    ]
    left = max(0, len(lines) - TOLD) + max(0, len(seconds) - TOLD)
    if left:
        outcomes.append(Outcome("", "", True, "removed", f"{left:,} more lines of these kinds"))
    return outcomes


def _shown(line: str) -> str:
    text = line[:120].encode("utf-8", "replace").decode()
    return repr(text)


def _remove_dead(
    settings: Settings, state: StateFile, specs: Sequence[TunnelSpec]
) -> list[Outcome]:
    """Remove what has no process: first all lines at once, then what each has left behind.

    The lines of a start under way are others: those that go have the pid of a dead process.
    """
    dead = [entry for entry in state.read().entries if not registered(entry, state.path)]
    revived = _revived(settings, specs) if dead else set()
    outcomes = [
        Outcome(entry.hash, entry.name, True, "kept", "the watcher tries it again")
        for entry in dead
        if entry.hash in revived
    ]
    dead = [entry for entry in dead if entry.hash not in revived]
    if len(dead) > MANY:
        swept, told = sweep(settings, state, [entry.hash for entry in dead], "removed")
        outcomes += told
        dead = [entry for entry in dead if entry.hash not in swept]
    if not dead:
        return outcomes
    census = ProcessTable(settings)
    lines = {(entry.hash, entry.pid) for entry in dead}
    state.update(lambda entries: [e for e in entries if (e.hash, e.pid) not in lines])
    for entry in dead:
        try:
            with state.lock_tunnel(entry.hash, _LOCK_TIMEOUT):
                if state.entries_of(entry.hash):  # started again while we waited
                    continue
                outcomes.append(_bury(settings, entry, census))
        except LockHeldError as error:
            outcomes.append(Outcome(entry.hash, entry.name, False, "failed", str(error)))
    return outcomes


def _revived(settings: Settings, specs: Sequence[TunnelSpec]) -> set[str]:
    """Name (by hash) the dead tunnels that a watcher is about to start again.

    It does so only while they have an entry: without one, somebody has stopped them.
    """
    if not watcher_state(settings).running:
        return set()
    return {
        status.spec.hash
        for status in Observer(settings).observe(specs)
        if status.configured
        and not status.spec.interactive
        and status.state is State.DEAD
        and status.reason is not None
        and status.reason.code in AGAIN
        and _was_ours(settings, status.spec.hash)
    }


def _was_ours(settings: Settings, tunnel_hash: str) -> bool:
    """Say whether a dead tunnel was started and not stopped, by what nobody else can have made."""
    if read_record(settings, tunnel_hash) is not None:
        return True
    try:
        return os.lstat(log_path(settings, tunnel_hash)).st_uid in proc.trusted_users()
    except OSError:
        return False


def _bury(settings: Settings, entry: TunnelEntry, census: ProcessTable) -> Outcome:
    """End what is left of a dead tunnel, delete its log, and say what was done."""
    message = f"pid {entry.pid} is gone"
    if proc.is_alive(entry.pid):
        message = f"pid {entry.pid} is not of this tunnel; it was not signalled"
    # A live leader without an entry is a tunnel to adopt, not a remnant to end.
    if not leaders(census.tagged.get(entry.hash, ())):
        family = census.family(entry.hash, [entry])
        if family:
            ending = end_processes(family, _GRACE)
            pids = ", ".join(str(stat.pid) for stat in family if stat.pid not in ending.alive)
            message += f"; ended what it left behind (pid {pids})"
        delete_traces(settings, entry.hash)
    return Outcome(entry.hash, entry.name, True, "removed", message, "", entry.pid)


def _settle_tagged(
    settings: Settings, state: StateFile, specs: Sequence[TunnelSpec]
) -> list[Outcome]:
    """Register live tunnels that have no entry; end those that nobody wants, and orphans."""
    wanted = {spec.hash: spec for spec in specs}
    outcomes = []
    entries: dict[str, list[TunnelEntry]] = {}
    for entry in state.read().entries:
        entries.setdefault(entry.hash, []).append(entry)
    census = ProcessTable(settings)
    for tunnel_hash in census.tagged:
        # One look for all that are as they should be; under its lock each other one gets its own.
        live = _live(entries.get(tunnel_hash, ()), state)
        if live and not _doomed(census, tunnel_hash, live):
            continue
        try:
            with state.lock_tunnel(tunnel_hash, _LOCK_TIMEOUT):
                outcome = _settle(settings, state, tunnel_hash, wanted.get(tunnel_hash))
        except LockHeldError as error:
            outcome = Outcome(tunnel_hash, tunnel_hash[:8], False, "failed", str(error))
        if outcome is not None:
            outcomes.append(outcome)
    return outcomes


def _live(entries: Sequence[TunnelEntry], state: StateFile) -> set[int]:
    return {stat.pid for entry in entries if (stat := registered(entry, state.path))}


def _doomed(census: ProcessTable, tunnel_hash: str, kept: set[int]) -> list[ProcessStat]:
    """List a tunnel's processes that are neither among those kept nor descend from them."""
    keep = kept | {pid for leader in kept for pid in proc.descendants(leader)}
    return [stat for stat in census.family(tunnel_hash, ()) if stat.pid not in keep]


def _settle(
    settings: Settings, state: StateFile, tunnel_hash: str, spec: TunnelSpec | None
) -> Outcome | None:
    census = ProcessTable(settings)
    tagged = census.tagged.get(tunnel_hash, [])
    entries = state.entries_of(tunnel_hash)
    live = _live(entries, state)
    if not tagged:
        return None
    name = spec.name if spec else (entries[0].name if entries else tunnel_hash[:8])
    running = leaders(tagged)
    kept = set(live)
    if not live and spec is not None and running:
        pid = running[0].stat.pid
        state.put(TunnelEntry.of(spec, pid))
        kept.add(pid)
    doomed = _doomed(census, tunnel_hash, kept)
    if doomed:
        end_processes(doomed, _GRACE)
    if kept and not live:
        pid = next(iter(kept))
        message = "it ran without an entry in the state file"
        return Outcome(tunnel_hash, name, True, "re-adopted", message, "", pid)
    if not doomed:
        return None
    if not kept and not entries:  # what a watcher starts again keeps its log
        delete_traces(settings, tunnel_hash)
    pids = ", ".join(str(stat.pid) for stat in doomed)
    return Outcome(tunnel_hash, name, True, "removed", f"ended a process left behind (pid {pids})")
