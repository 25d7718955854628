"""What is true of every tunnel now, read from the kernel and from what ssh itself said."""

from collections.abc import Iterable, Sequence
from typing import Any

from tunnel_tui.model import (
    DirectionMode,
    Forward,
    Layer,
    Reason,
    State,
    Traffic,
    TunnelEntry,
    TunnelSpec,
    TunnelStatus,
)
from tunnel_tui.observe import reasons
from tunnel_tui.observe.identity import (
    OurProcess,
    find_tagged,
    forwards_of,
    is_ours,
    program,
    speaks,
)
from tunnel_tui.observe.runs import Run, RunReader
from tunnel_tui.observe.statefile import StateFile, StateRead
from tunnel_tui.observe.tail import read_tail
from tunnel_tui.observe.transport import (
    Sockets,
    find_connection,
    holds_listener,
    traffic_of,
)
from tunnel_tui.settings import Settings
from tunnel_tui.system.proc import ProcessStat, children, command_line, read_stat, start_time

_REASON_TAIL = 32 * 1024


class _Process:
    """A registered process whose identity is proven, and what is known of its ssh."""

    __slots__ = ("argv", "connection", "forward", "is_autossh", "speaks", "ssh", "stat")

    def __init__(self, stat: ProcessStat, argv: tuple[str, ...], forward: Forward) -> None:
        self.stat = stat
        self.argv = argv
        self.forward = forward
        self.is_autossh = program(argv) == "autossh"
        self.speaks = speaks(argv)
        self.ssh: ProcessStat | None = None
        self.connection: int | None = None


class Observer:
    """Tells the state of tunnels. It remembers what cannot change, so looking again is cheap.

    Not thread-safe: one per thread.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.state = StateRead()
        self._file = StateFile(settings.state_file)
        self._processes: dict[tuple[str, int], _Process] = {}
        self._logs: dict[str, RunReader] = {}
        self._reasons: dict[str, tuple[tuple[int, int, int], Reason | None]] = {}
        self._watched: set[int] = set()
        self._known_dead: set[tuple[str, int]] = set()
        self._tagged: dict[str, list[OurProcess]] = {}

    def observe(
        self, specs: Sequence[TunnelSpec], *, traffic: bool = False, rescan: bool = True
    ) -> list[TunnelStatus]:
        """Look at every configured tunnel, then at those that only the state file knows.

        Args:
            specs: the configuration, in order.
            traffic: read round trip time and counters too (one netlink dump).
            rescan: look for processes of ours that the state file has lost.
        """
        self.state = self._file.read()
        look = _Look(self, traffic, rescan)
        entries = {entry.hash: entry for entry in self.state.entries}
        statuses = [look.at(spec, entries.pop(spec.hash, None), True) for spec in specs]
        statuses += [look.at(entry.spec(), entry, False) for entry in entries.values()]
        self._forget(look)
        return statuses

    def layers(self, status: TunnelStatus) -> list[Layer]:
        """Climb the ladder from process to traffic for one tunnel (its details pane)."""
        from tunnel_tui.observe.layers import climb

        return climb(self.settings, status)

    def processes(self) -> set[int]:
        """List the live pids of the last look whose death would change something."""
        return set(self._watched)

    def _forget(self, look: "_Look") -> None:
        self._watched = look.watched
        if len(self._processes) > len(look.used):
            self._processes = {key: self._processes[key] for key in look.used}
        self._known_dead = look.dead

    def reader(self, tunnel_hash: str) -> RunReader:
        """Return the reader of a tunnel's log."""
        reader = self._logs.get(tunnel_hash)
        if reader is None:
            reader = RunReader(self.settings.log_file(tunnel_hash))
            self._logs[tunnel_hash] = reader
        return reader

    def process(self, spec: TunnelSpec, entry: TunnelEntry) -> "_Process | ProcessStat | None":
        """Prove who runs `entry`: our process, a stranger (its stat), or nobody (None)."""
        stat = read_stat(entry.pid)
        if stat is None or not stat.alive:
            return None
        key = (entry.hash, entry.pid)
        known = self._processes.get(key)
        if known is not None and known.stat.start_ticks == stat.start_ticks:
            return known
        argv = command_line(entry.pid)
        if not argv:
            return None
        if not is_ours(entry, argv):
            return stat
        known = _Process(stat, argv, self._forward(spec, argv))
        self._processes[key] = known
        return known

    def reason(self, spec: TunnelSpec) -> Reason | None:
        """Read the reason from the end of a tunnel's log; remembered until the log changes."""
        import os

        path = self.settings.log_file(spec.hash)
        try:
            status = os.lstat(path)
        except OSError:
            return None
        seen = (status.st_ino, status.st_size, status.st_mtime_ns)
        cached = self._reasons.get(spec.hash)
        if cached is not None and cached[0] == seen:
            return cached[1]
        lines = read_tail(path, _REASON_TAIL).decode("utf-8", "replace").split("\n")
        found = reasons.find_reason(lines, spec)
        self._reasons[spec.hash] = (seen, found)
        return found

    def tagged(self, tunnel_hash: str) -> Sequence[OurProcess]:
        """List the live processes that carry a tunnel's tag, from the last scan."""
        return self._tagged.get(tunnel_hash, ())

    def scan(self) -> None:
        """Look for processes of ours anew."""
        self._tagged = {}
        for process in find_tagged():
            self._tagged.setdefault(process.hash, []).append(process)

    def is_known_dead(self, entry: TunnelEntry) -> bool:
        """True where an earlier look already found this process dead."""
        return (entry.hash, entry.pid) in self._known_dead

    def _forward(self, spec: TunnelSpec, argv: tuple[str, ...]) -> Forward:
        mode = self.settings.direction_mode
        given = set(forwards_of(argv))
        for candidate in (mode, *DirectionMode):
            forward = spec.forward(candidate)
            if (forward.kind.value[1:], forward.argument) in given:
                return forward
        return spec.forward(mode)


class _Look:
    """One look at all tunnels: what is dumped or scanned at most once lives here."""

    def __init__(self, observer: Observer, traffic: bool, rescan: bool) -> None:
        self.observer = observer
        self.traffic = traffic
        self.sockets = Sockets()
        self.watched: set[int] = set()
        self.used: set[tuple[str, int]] = set()
        self.dead: set[tuple[str, int]] = set()
        self._scanned = False
        if rescan:
            self._scan()

    def at(self, spec: TunnelSpec, entry: TunnelEntry | None, configured: bool) -> TunnelStatus:
        """Tell the state of one tunnel."""
        status = self._state(spec, entry)
        return status if configured else status._replace(configured=False)

    def _state(self, spec: TunnelSpec, entry: TunnelEntry | None) -> TunnelStatus:
        found: _Process | ProcessStat | None = None
        for candidate in self._candidates(spec, entry):
            found = self.observer.process(spec, candidate)
            if isinstance(found, _Process):
                self.used.add((candidate.hash, candidate.pid))
                return self._alive(spec, found)
        if entry is not None:
            first = self.observer.process(spec, entry)
            stranger = first if isinstance(first, ProcessStat) else None
            return self._dead(spec, entry, stranger)
        if orphan := self._orphan(spec):
            reason = reasons.orphaned(orphan.stat.pgrp, orphan.stat.pid)
            return self._status(spec, State.DEAD, reason=reason, ssh_pid=orphan.stat.pid)
        return self._status(spec, State.INTERACTIVE if spec.interactive else State.STOPPED)

    def _candidates(self, spec: TunnelSpec, entry: TunnelEntry | None) -> Iterable[TunnelEntry]:
        if entry is not None:
            yield entry
            for other in self.observer.state.duplicates:
                if other.hash == spec.hash:
                    yield other
            if not self.observer.is_known_dead(entry):
                self._scan()
        for process in self.observer.tagged(spec.hash):
            if process.leads:
                yield TunnelEntry.of(spec, process.stat.pid)

    def _scan(self) -> None:
        if not self._scanned:
            self._scanned = True
            self.observer.scan()

    def _orphan(self, spec: TunnelSpec) -> OurProcess | None:
        for process in self.observer.tagged(spec.hash):
            if not process.leads and read_stat(process.stat.pid) is not None:
                return process
        return None

    def _dead(
        self, spec: TunnelSpec, entry: TunnelEntry, stranger: ProcessStat | None
    ) -> TunnelStatus:
        self.dead.add((entry.hash, entry.pid))
        if orphan := self._orphan(spec):
            self.watched.add(orphan.stat.pid)
            return self._status(
                spec,
                State.DEAD,
                reason=reasons.orphaned(entry.pid, orphan.stat.pid),
                pid=entry.pid,
                ssh_pid=orphan.stat.pid,
            )
        reason = self.observer.reason(spec)
        if reason is None and stranger is not None:
            reason = reasons.stranger(entry.pid, stranger.comm)
        return self._status(spec, State.DEAD, reason=reason or reasons.killed(None), pid=entry.pid)

    def _alive(self, spec: TunnelSpec, process: _Process) -> TunnelStatus:
        self.watched.add(process.stat.pid)
        ssh = self._ssh(process)
        reader = self.observer.reader(spec.hash)
        if ssh is None:
            run = reader.read(0, process.forward)
            return self._starting(spec, process, run, "waiting")
        self.watched.add(ssh.pid)
        run = reader.read(ssh.pid, process.forward)
        believed = process.speaks and run.known
        confirmed = True
        if believed:
            stands = run.stands
        else:
            stands, confirmed = self._circumstance(process, ssh)
        if not stands:
            return self._starting(spec, process, run, "")
        status = self._status(
            spec,
            State.RUNNING,
            pid=process.stat.pid,
            ssh_pid=ssh.pid,
            since=start_time(ssh),
            reconnects=max(0, run.starts - 1),
            confirmed=confirmed,
        )
        return status._replace(traffic=self._traffic(process, ssh)) if self.traffic else status

    def _ssh(self, process: _Process) -> ProcessStat | None:
        if not process.is_autossh:
            process.ssh = process.stat
            return process.stat
        known = process.ssh
        if known is not None:
            now = read_stat(known.pid)
            if now is not None and now.alive and now.start_ticks == known.start_ticks:
                return known
        process.ssh = process.connection = None
        for pid in children(process.stat.pid):
            stat = read_stat(pid)
            # Between fork and exec the child is still called autossh.
            if stat is not None and stat.alive and stat.ppid == process.stat.pid:
                process.ssh = stat
        return process.ssh

    def _circumstance(self, process: _Process, ssh: ProcessStat) -> tuple[bool, bool]:
        """Judge without a success line: (stands, confirmed)."""
        if process.forward.listens_here:
            return holds_listener(ssh.pid, process.forward, self.sockets), True
        return find_connection(ssh.pid, self.sockets) is not None, False

    def _starting(self, spec: TunnelSpec, process: _Process, run: Run, detail: str) -> TunnelStatus:
        ssh = process.ssh
        reason = self.observer.reason(spec)
        if run.partial:
            reason = reasons.partly_bound(run.partial, spec)
        elif run.void:
            reason = reasons.find_reason([run.void], spec) or reason
        if not detail:
            again = run.starts > 1
            detail = f"reconnecting (attempt {run.starts})" if again else "connecting"
            if run.confirmed:
                detail = "connected, forward refused"
        elif run.starts:
            detail = f"waiting (attempt {run.starts + 1} next)"
        return self._status(
            spec,
            State.STARTING,
            detail=detail,
            reason=reason,
            pid=process.stat.pid,
            ssh_pid=ssh.pid if ssh else None,
            since=start_time(ssh or process.stat),
            reconnects=max(0, run.starts - 1),
        )

    def _traffic(self, process: _Process, ssh: ProcessStat) -> Traffic | None:
        if process.connection is None or process.connection not in self.sockets.connected:
            process.connection = find_connection(ssh.pid, self.sockets)
        if process.connection is None:
            return None
        return traffic_of(process.connection, self.sockets)

    @staticmethod
    def _status(spec: TunnelSpec, state: State, **values: Any) -> TunnelStatus:
        return TunnelStatus(spec, state)._replace(**values)
