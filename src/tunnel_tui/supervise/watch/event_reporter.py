"""What happens to tunnels, told once: news are logged, repetitions are not."""

from tunnel_tui.model import Direction, Outcome, Reason, ReasonCode, State, TunnelSpec, TunnelStatus
from tunnel_tui.supervise.monitor.snapshot import STOPPING, Snapshot
from tunnel_tui.supervise.watch.event_log import EventLog
from tunnel_tui.supervise.watch.retry import Attempt, RetryPolicy


class EventReporter:
    """Tells snapshots, attempts and outcomes to a log."""

    def __init__(self, log: EventLog, reviver: RetryPolicy) -> None:
        self._log = log
        self._reviver = reviver
        self._told: dict[str, tuple[object, ...]] = {}
        self._failures: dict[str, str] = {}
        self._trouble = ""

    def tell(self, snapshot: Snapshot) -> None:
        """Say what is new in a snapshot."""
        for status in snapshot.statuses:
            self._tell_status(status)
        gone = self._told.keys() - {status.spec.hash for status in snapshot.statuses}
        for tunnel_hash in gone:
            del self._told[tunnel_hash]
            self._failures.pop(tunnel_hash, None)
        if snapshot.trouble != self._trouble:
            self._trouble = snapshot.trouble
            if snapshot.trouble:
                self._log.error("trouble", detail=snapshot.trouble)

    def tell_attempt(self, attempt: Attempt) -> None:
        """Say that a tunnel is started again; of many such attempts only the first few."""
        if attempt.number & (attempt.number - 1) == 0:  # 1, 2, 4, 8, …
            code = attempt.reason.code.value if attempt.reason else ""
            self._log.info("trying-again", attempt.spec, attempt=attempt.number, reason=code)

    def tell_start(self, spec: TunnelSpec, outcome: Outcome) -> None:
        """Say what a start has come to, if that is new."""
        if outcome.ok:
            self._failures.pop(spec.hash, None)
            if outcome.verb == "re-adopted":
                self._log.info("re-adopted", spec, pid=outcome.pid)
        elif self._failures.get(spec.hash) != outcome.message:
            self._failures[spec.hash] = outcome.message
            self._log.error("not-started", spec, detail=outcome.message, advice=outcome.advice)

    def tell_stop(self, outcome: Outcome) -> None:
        """Say that a tunnel was stopped, or why it was not."""
        spec = named(outcome)
        if not outcome.ok:
            self._log.error("not-stopped", spec, detail=outcome.message, advice=outcome.advice)
        elif outcome.verb != "not running":
            self._log.info("stopped", spec, pid=outcome.pid, detail=outcome.message)

    def _tell_status(self, status: TunnelStatus) -> None:
        spec, state, reason = status.spec, status.state, status.reason
        before = self._told.get(spec.hash, ())
        if status.detail == STOPPING or (state is State.STARTING and reason is None):
            return  # on its way: what comes of it is told
        code = reason.code if reason else None
        # Another process in the same state was not seen to fall: it was started again.
        now: tuple[object, ...] = (state, status.pid if state is State.RUNNING else code)
        if state in (State.STARTING, State.DEAD) and code is not None:
            # Between two attempts it is the one or the other; neither is news.
            now = ("down", code, self._reviver.waits_for_person(status))
        if now == before or (before and before[0] == "down" and _is_between(status)):
            return
        self._told[spec.hash] = now
        if state is State.RUNNING:
            self._log.info("running", spec, pid=status.pid)
        elif reason is not None and state in (State.STARTING, State.DEAD):
            self._tell_failure(status, reason)
        elif before and state is State.STOPPED:
            self._log.info("at-rest", spec)

    def _tell_failure(self, status: TunnelStatus, reason: Reason) -> None:
        waits = self._reviver.waits_for_person(status)
        say = self._log.error if waits else self._log.warning
        say(
            "dead" if status.state is State.DEAD else "not-connected",
            status.spec,
            reason=reason.code.value,
            detail=reason.text,
            evidence=reason.evidence,
            advice=reason.advice,
            then="waits for a person" if waits else "",
        )


def _is_between(status: TunnelStatus) -> bool:
    """Say whether a start has begun the log anew and not registered its process yet."""
    reason = status.reason
    return reason is not None and reason.code is ReasonCode.KILLED and not reason.evidence


def named(outcome: Outcome) -> TunnelSpec:
    """Make a spec that has a name and a hash, for a log line."""
    return TunnelSpec(outcome.name, "", "", "", Direction.REMOTE_TO_LOCAL, False, outcome.hash)
