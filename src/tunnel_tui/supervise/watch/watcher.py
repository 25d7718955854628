"""The watcher: puts the configuration into force as it changes, and revives what deserves it.

Three threads: the monitor sees, the watcher decides (and stops), the starter starts. It may die
at any moment without any tunnel noticing.
"""

import threading
import time
from collections import deque
from enum import Enum

from tunnel_tui.errors import TunnelTuiError
from tunnel_tui.model import Outcome, TunnelSpec, TunnelStatus
from tunnel_tui.settings import Settings
from tunnel_tui.state.run_record import read_record
from tunnel_tui.supervise.actions.reset import begin_afresh, prepare
from tunnel_tui.supervise.monitor.monitor import Monitor, Snapshot
from tunnel_tui.supervise.process.watcher_lock import WatcherLock, WatcherState, watcher_state
from tunnel_tui.supervise.stop.stop import stop_tunnels
from tunnel_tui.supervise.watch import auth_guard, maintenance
from tunnel_tui.supervise.watch.event_log import EventLog
from tunnel_tui.supervise.watch.event_reporter import EventReporter
from tunnel_tui.supervise.watch.reconcile import Reconciler
from tunnel_tui.supervise.watch.retry import RetryPolicy
from tunnel_tui.supervise.watch.start_queue import Job, StartQueue
from tunnel_tui.supervise.watch.wakeup import Wakeup
from tunnel_tui.system import spawn

__all__ = ["Begin", "Watcher", "WatcherState", "watcher_state"]

UPKEEP = 60.0
"""Seconds between looks at the sizes of logs and at lost entries."""
POLL = 20.0
"""Seconds between looks when nothing is reported; the kernel reports nearly everything."""
GRACE = 2.0
"""Seconds between TERM and KILL when all is stopped: `docker stop` waits for ten in all."""
_LOST = 0.5
"""Seconds until an entry that the state file has lost is written again."""
_AFTER_FAILURE = 5.0
_JOIN = 2.0


class Begin(Enum):
    """What a watcher does first.

    FRESH ends and clears whatever is left of an earlier life, then starts all that is configured;
    APPLY makes what runs agree with the file and keeps what agrees already; ADOPT touches nothing
    until the file changes.
    """

    FRESH = "fresh"
    APPLY = "apply"
    ADOPT = "adopt"


class Watcher:
    """Watches in threads of its own while nobody else does.

    Args:
        settings: where things are.
        log: gets the events.
        begin: what to do first.
        kind: who this is, for those who ask: "daemon" or "app".
        monitor: False where the caller has a monitor and passes its snapshots to `feed`.
    """

    def __init__(
        self,
        settings: Settings,
        log: EventLog,
        *,
        begin: Begin = Begin.ADOPT,
        kind: str = "app",
        monitor: bool = True,
    ) -> None:
        self._settings = settings
        self._log = log
        self._begin = begin
        self._lock = WatcherLock(settings, kind)
        self._monitor = (
            Monitor(settings, self.feed, traffic_interval=0.0, poll=POLL) if monitor else None
        )
        self._alarm: Wakeup | None = None
        self._ending = threading.Event()
        self._thread: threading.Thread | None = None
        self._snapshots: deque[Snapshot] = deque()
        self._outcomes: deque[tuple[Job, Outcome]] = deque()
        self._statuses: tuple[TunnelStatus, ...] = ()
        self._starter = StartQueue(settings, self._started)
        self._reviver = RetryPolicy(
            time.monotonic, is_started=lambda which: read_record(settings, which) is not None
        )
        self._story = EventReporter(log, self._reviver)
        self._force = Reconciler(settings, log, self._starter, self._reviver, self._pause)
        self._next_upkeep = 0.0

    def start(self) -> None:
        """Take the lock and begin.

        Raises:
            LockHeldError: somebody watches already; the detail says who.
            TunnelTuiError: the state file or the log directory cannot be used.
        """
        self._lock.take()
        try:
            self._prepare()
        except BaseException:
            self._lock.release()
            raise
        self._ending.clear()
        self._alarm = Wakeup()
        self._starter.start()
        self._thread = threading.Thread(target=self._run, name="watcher", daemon=True)
        self._thread.start()
        if self._monitor is not None:
            self._monitor.start()

    def stop(self, stop_tunnels: bool = False) -> bool:
        """End the watch; with `stop_tunnels` every tunnel, too, the interactive ones included.

        Returns:
            False where a tunnel could not be stopped.
        """
        self._ending.set()
        if self._alarm is not None:
            self._alarm.wake()
        self._starter.stop(_JOIN)
        thread, self._thread = self._thread, None
        if thread is not None:
            thread.join(_JOIN)
        fine = self._stop_all() if stop_tunnels else True
        if self._monitor is not None:
            self._monitor.stop()
        if self._alarm is not None and (thread is None or not thread.is_alive()):
            self._alarm.close()
            self._alarm = None
        self._lock.release()
        return fine

    def reload(self) -> None:
        """Read the file again and start all that should run, those that wait for a person too."""
        self._force.demand_all()
        self._wake()

    def feed(self, snapshot: Snapshot) -> None:
        """Take a snapshot of a monitor; from any thread, quickly."""
        self._snapshots.append(snapshot)
        self._wake()

    def _started(self, job: Job, outcome: Outcome) -> None:
        self._outcomes.append((job, outcome))
        self._wake()

    def _wake(self) -> None:
        alarm = self._alarm
        if alarm is not None:
            alarm.wake()

    def _pause(self, seconds: float) -> bool:
        return not self._ending.wait(seconds)

    def _prepare(self) -> None:
        if self._begin is Begin.FRESH:
            for outcome in begin_afresh(self._settings):
                self._story.tell_stop(outcome)
        else:
            prepare(self._settings)

    def _run(self) -> None:
        alarm = self._alarm
        if alarm is None:
            return
        if self._begin is Begin.ADOPT:
            self._force.adopt()
        else:
            self._force.demand_all()
        while not self._ending.is_set():
            try:
                self._turn(alarm)
                alarm.wait(self._next())
            except Exception as error:  # one bad turn must not end the watch
                known = isinstance(error, TunnelTuiError | OSError)
                self._log.error(
                    "trouble", detail=error if known else f"{type(error).__name__}: {error}"
                )
                self._pause(_AFTER_FAILURE)

    def _next(self) -> float:
        moments = [self._next_upkeep, self._reviver.next_due(), self._force.retry_at]
        return min(moment for moment in moments if moment is not None)

    def _turn(self, alarm: Wakeup) -> None:
        spawn.reap()
        self._take_outcomes()
        self._take_snapshots()
        self._guard()
        self._force.enforce()
        cause = alarm.network_news()
        if cause and (count := self._reviver.kick()):
            self._log.info("network-changed", detail=cause, trying=count)
        attempts = self._reviver.take_due()
        for attempt in attempts:
            self._story.tell_attempt(attempt)
        self._starter.put(Job(a.spec, a.waiting, a.registered) for a in attempts)
        if time.monotonic() >= self._next_upkeep:
            self._next_upkeep = time.monotonic() + UPKEEP
            self._keep_up()

    def _take_outcomes(self) -> None:
        while self._outcomes:
            job, outcome = self._outcomes.popleft()
            if outcome.ok:
                self._reviver.settled(outcome.hash)
            else:
                self._reviver.failed(job.spec)
            self._story.tell_start(job.spec, outcome)

    def _take_snapshots(self) -> None:
        snapshot = None
        while self._snapshots:
            snapshot = self._snapshots.popleft()
            self._reviver.see(snapshot.statuses)
            self._story.tell(snapshot)
        if snapshot is not None:
            self._statuses = snapshot.statuses
            self._force.notice(snapshot.broken or snapshot.config)
            if snapshot.lost:
                # Not at once: a start by others may be about to write its line.
                self._next_upkeep = min(self._next_upkeep, time.monotonic() + _LOST)

    def _guard(self) -> None:
        """End what autossh would go on repeating although the server has refused it."""
        for status in self._statuses:
            if not auth_guard.is_refused(status) or not status.configured:
                continue
            spec: TunnelSpec = status.spec
            try:
                count = auth_guard.count_refusals(self._settings, spec, status.pid or 0)
                if count >= auth_guard.SEEN and auth_guard.give_up(self._settings, spec, count):
                    self._log.error("given-up", spec, detail=f"{count} refused logins in a row")
            except (TunnelTuiError, OSError) as error:
                self._log.error("trouble", spec, detail=error)

    def _keep_up(self) -> None:
        capped, failures = maintenance.cap_logs(self._settings)
        for name in capped:
            self._log.info("log-capped", file=name)
        for failure in failures:
            self._log.warning("log-not-capped", detail=failure)
        try:
            prepare(self._settings)
            for spec in maintenance.adopt_lost(self._settings, self._statuses):
                self._log.warning("re-adopted", spec, detail="the state file had lost it")
        except (TunnelTuiError, OSError) as error:
            self._log.error("trouble", detail=error)

    def _stop_all(self) -> bool:
        outcomes = stop_tunnels(self._settings, None, grace=GRACE)
        for outcome in outcomes:
            self._story.tell_stop(outcome)
        return all(outcome.ok for outcome in outcomes)
