"""One look at all tunnels: what is dumped, scanned or decided once per look."""

import os
from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING

from tunnel_tui.model import Reason, ReasonCode, State, TunnelEntry, TunnelSpec, TunnelStatus
from tunnel_tui.observe.identity import OurProcess
from tunnel_tui.observe.liveness import read_liveness
from tunnel_tui.observe.ssh_sockets import Sockets
from tunnel_tui.observe.tunnel_process import TunnelProcess
from tunnel_tui.ssh.log.forward_state import ForwardState
from tunnel_tui.ssh.log.tunnel_log import log_path, was_removed
from tunnel_tui.state.run_record import read_record
from tunnel_tui.system.proc import ProcessStat, foreign_owner, start_time

if TYPE_CHECKING:
    from tunnel_tui.observe.observer import Observer

_FEW = 10
_AT_BOOT = ProcessStat(0, "", "", 0, 0, 0, 0)


class Look:
    """Decides the state of each tunnel by what the observer knows and finds.

    Attributes:
        watched: live pids whose death would change something.
        used: keys of the subjects that were met; the observer forgets the others.
        dead: keys of the entries that were found dead.
        among: where to search for what the state file does not name; None: everywhere.
    """

    def __init__(
        self,
        observer: "Observer",
        traffic: bool,
        rescan: bool,
        among: Collection[int] | None = None,
    ) -> None:
        self.observer = observer
        self.among = among
        self.traffic = traffic
        self.sockets = Sockets(observer.connections())
        self.boot = start_time(_AT_BOOT)
        self.rescan = rescan
        self.watched: set[int] = set()
        self.used: set[tuple[str, int]] = set()
        self.dead: set[tuple[str, int]] = set()
        self._scanned = False
        self._masters: dict[str, int | None] = {}
        self._duplicates: dict[str, list[TunnelEntry]] | None = None

    def at(self, spec: TunnelSpec, entry: TunnelEntry | None) -> TunnelStatus:
        """Tell the state of one tunnel."""
        stranger: ProcessStat | None = None
        for candidate in self._candidates(spec, entry):
            found = self.observer.identify(spec, candidate)
            if isinstance(found, TunnelProcess):
                self.used.add((candidate.hash, candidate.pid))
                return self._alive(spec, found)
            if candidate is entry:
                stranger = found
        if entry is not None:
            return self._dead(spec, entry, stranger)
        if missed := self._missed(spec):
            return self._dead(spec, missed, None)
        if orphan := self._orphan(spec):
            from tunnel_tui.ssh.log import reasons

            reason = reasons.orphaned(orphan.stat.pgrp, orphan.stat.pid)
            return TunnelStatus(spec, State.DEAD, reason=reason, ssh_pid=orphan.stat.pid)
        if spec.interactive:
            return TunnelStatus(spec, State.INTERACTIVE)
        return TunnelStatus(spec, State.STOPPED, reason=self._not_started(spec))

    def _missed(self, spec: TunnelSpec) -> TunnelEntry | None:
        """Find a tunnel that was started and not stopped, and that no line tells of any more.

        Its line was removed by somebody. The shell scripts do so when they stop a tunnel, and
        delete its log too.
        """
        settings = self.observer.settings
        record = read_record(settings, spec.hash)
        if record is None or was_removed(settings, spec.hash):
            return None
        return TunnelEntry.of(spec, record.pid)

    def _not_started(self, spec: TunnelSpec) -> Reason | None:
        """Tell why the last start came to nothing; None: there was none, or the log is gone."""
        settings = self.observer.settings
        if not os.path.lexists(log_path(settings, spec.hash)):
            return None
        try:
            reason = self.observer.past(spec, spec.forward(settings.direction_mode)).reason
        except ValueError:  # a malformed endpoint
            return None
        ours = (ReasonCode.LOCAL_PORT_BUSY, ReasonCode.BAD_CONFIGURATION)
        return reason if reason is not None and reason.code in ours else None

    def _candidates(self, spec: TunnelSpec, entry: TunnelEntry | None) -> Iterator[TunnelEntry]:
        """Name who may run a tunnel: its entry, an older line, a process without a line."""
        if entry is not None:
            yield entry
            yield from self._older(spec.hash)
        else:
            for pid in self.observer.previous_pids(spec.hash):
                yield TunnelEntry.of(spec, pid)
            if spec.interactive and (login := self._login(spec)):
                yield login
            if spec.interactive and (record := read_record(self.observer.settings, spec.hash)):
                yield TunnelEntry.of(spec, record.pid)
        if self.rescan or (entry is not None and not self.observer.is_known_dead(entry)):
            self._scan()
        for process in self.observer.tagged(spec.hash):
            if process.leads:
                yield TunnelEntry.of(spec, process.stat.pid)

    def _older(self, tunnel_hash: str) -> list[TunnelEntry]:
        """Return the older lines of a tunnel: the first and the last of them, if there are many."""
        if self._duplicates is None:
            self._duplicates = {}
            for entry in self.observer.state.duplicates:
                self._duplicates.setdefault(entry.hash, []).append(entry)
        found = self._duplicates.get(tunnel_hash, [])
        return found if len(found) <= 2 * _FEW else found[:_FEW] + found[-_FEW:]

    def _login(self, spec: TunnelSpec) -> TunnelEntry | None:
        """Find the login that holds a tunnel's listener although no line says so.

        Of a remote forward nobody but the far end knows.
        """
        path = self.observer.settings.login_socket(spec.remote_host)
        if path not in self._masters:
            self._masters[path] = _ask(path)
        pid = self._masters[path]
        entry = TunnelEntry.of(spec, pid) if pid else None
        found = self.observer.identify(spec, entry) if entry else None
        if (
            not isinstance(found, TunnelProcess)
            or not found.login
            or not found.forward.listens_here
        ):
            return None
        found.find_ssh()
        return entry if found.listens(self.sockets) else None

    def _scan(self) -> None:
        if not self._scanned:
            self._scanned = True
            self.observer.scan(self.among)

    def _orphan(self, spec: TunnelSpec) -> OurProcess | None:
        for process in self.observer.tagged(spec.hash):
            if not process.leads and read_liveness(process.stat):
                self.watched.add(process.stat.pid)
                return process
        return None

    def _dead(
        self, spec: TunnelSpec, entry: TunnelEntry, stranger: ProcessStat | None
    ) -> TunnelStatus:
        from tunnel_tui.ssh.log import reasons

        self.dead.add((entry.hash, entry.pid))
        forward = spec.forward(self.observer.settings.direction_mode)
        record = read_record(self.observer.settings, spec.hash)
        leader = record.pid if record else entry.pid
        past = self.observer.past(spec, forward, leader=leader)
        status = TunnelStatus(spec, State.DEAD, reason=past.reason, pid=entry.pid, since=past.ended)
        if orphan := self._orphan(spec):
            reason = reasons.orphaned(entry.pid, orphan.stat.pid)
            return status._replace(reason=reason, ssh_pid=orphan.stat.pid, since=None)
        if past.reason is not None:
            return status
        if stranger is not None:
            if user := foreign_owner(stranger.pid):
                return status._replace(reason=reasons.foreign(stranger.pid, user))
            return status._replace(reason=reasons.stranger(entry.pid, stranger.comm))
        if spec.interactive:
            return status._replace(reason=reasons.login_lost(spec.remote_host))
        return status._replace(reason=reasons.killed(None))

    def _alive(self, spec: TunnelSpec, subject: TunnelProcess) -> TunnelStatus:
        self.watched.add(subject.pid)
        ssh = subject.find_ssh()
        run = self.observer.reader(spec.hash).read(
            ssh.pid if ssh else 0, subject.forward, subject.log_holder
        )
        if ssh is None:
            return self._starting(spec, subject, run)
        self.watched.add(ssh.pid)
        if subject.frozen and not subject.login:
            return self._starting(spec, subject, run)
        stands, confirmed = self._stands(spec.hash, subject, run)
        if not stands:
            return self._starting(spec, subject, run)
        if (told := subject.told) and told[:3] == (id(spec), id(run), self.boot):
            known = told[3]
            assert isinstance(known, TunnelStatus)
            return self._with_traffic(known, subject)
        # A login may be older than what rides on it: a tunnel is up since it was attached.
        since = self.observer.past(spec, subject.forward).begun if subject.login else None
        status = TunnelStatus(
            spec,
            State.RUNNING,
            pid=subject.pid,
            ssh_pid=ssh.pid,
            since=since or start_time(ssh),
            reconnects=max(0, run.starts - 1),
            confirmed=confirmed,
        )
        if not subject.login and subject.logs_forward_state and run.known:
            # Rests on this run alone. It is kept alive here, so its id stays its own.
            subject.told = (id(spec), id(run), self.boot, status, spec, run)
        return self._with_traffic(status, subject)

    def _with_traffic(self, status: TunnelStatus, subject: TunnelProcess) -> TunnelStatus:
        if not self.traffic:
            return status
        found = subject.traffic(self.sockets)
        return status if found == status.traffic else status._replace(traffic=found)

    def _stands(
        self, tunnel_hash: str, subject: TunnelProcess, run: ForwardState
    ) -> tuple[bool, bool]:
        """Tell whether the forward stands, and whether that is certain."""
        if subject.login:
            return self._rides(tunnel_hash, subject), True
        if subject.forward.listens_here:
            # Of several addresses of a listener one may be in use: ssh says so before it is done.
            agrees = run.stands or not (subject.logs_forward_state and run.known)
            return agrees and subject.listens(self.sockets), True
        if subject.logs_forward_state and run.known:
            # Without a stream of its own a banner or a proxy program may have said it.
            return run.stands, subject.has_own_stream
        # Started by the shell scripts, or the log is lost.
        return subject.is_connected(self.sockets), False

    def _rides(self, tunnel_hash: str, subject: TunnelProcess) -> bool:
        """Tell whether a login answers and holds this forward.

        That of a tunnel that we attached was confirmed by the master, and a remote forward ends
        only with the connection; a local one shows as a listening socket.
        """
        if not subject.answers():
            return False
        if subject.forward.listens_here:
            return subject.listens(self.sockets)
        record = read_record(self.observer.settings, tunnel_hash)
        return record is not None and record.pid == subject.pid

    def _starting(
        self, spec: TunnelSpec, subject: TunnelProcess, run: ForwardState
    ) -> TunnelStatus:
        from tunnel_tui.ssh.log import reasons

        past = self.observer.past(spec, subject.forward, subject.log_holder, subject.pid)
        reason: Reason | None = past.reason
        if run.partial:
            reason = reasons.partly_bound(run.partial, spec)
        elif run.void:
            reason = reasons.find_reason([run.void], spec) or reason or reasons.connection_lost()
        elif run.stands and reason is None:  # the kernel knows before the log
            reason = reasons.connection_lost()
        ssh = subject.ssh
        if subject.login:
            detail = "logged in, but the login does not hold the forward"
            if not subject.answers():
                detail = "the login does not answer"
        elif subject.frozen:
            who, pid = ("ssh", ssh.pid) if ssh else ("autossh", subject.pid)
            detail, reason = f"{who} is frozen", reasons.frozen(who, pid)
        elif ssh is None and not past.trying:
            detail = f"waiting (attempt {past.attempts + 1} next)"
        elif run.partial or (run.void and reason is not None and not reason.transient):
            detail = "connected, but the forward does not stand"
        elif past.attempts > 1 or (past.stood and (past.attempts or past.reason)):
            # (Stood, nothing since: it came up between two reads of this look.)
            detail = f"reconnecting (attempt {max(1, past.attempts)})"
        else:
            detail = "connecting"
        return TunnelStatus(
            spec,
            State.STARTING,
            detail=detail,
            reason=reason,
            pid=subject.pid,
            ssh_pid=ssh.pid if ssh else None,
            since=past.down_since or start_time(subject.stat),
            reconnects=max(0, run.starts - 1),
        )


def _ask(path: str) -> int | None:
    """Ask who serves a control socket, if there is one."""
    if not os.path.exists(path):
        return None
    from tunnel_tui.ssh.control_socket import master_pid

    return master_pid(path, 0.2)
