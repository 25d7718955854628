"""A thread that sees what happens to tunnels and hands out snapshots.

It sleeps until the kernel reports a death or a changed file; a slow look every two seconds covers
what the kernel cannot report.
"""

import os
import threading
import time
from collections.abc import Callable
from math import inf

from tunnel_tui.config.plan import Plan
from tunnel_tui.errors import TunnelTuiError
from tunnel_tui.model import State, TunnelStatus
from tunnel_tui.observe.look import Look
from tunnel_tui.observe.observer import Observer
from tunnel_tui.settings import Settings, hash_of_log
from tunnel_tui.supervise.monitor.config_file import ConfigFile
from tunnel_tui.supervise.monitor.history_writer import HistoryWriter
from tunnel_tui.supervise.monitor.pending_plan import PendingPlan
from tunnel_tui.supervise.monitor.snapshot import Change, Snapshot, find_changes
from tunnel_tui.supervise.monitor.stop_detection import without_false_deaths
from tunnel_tui.system import spawn
from tunnel_tui.system.events import Event, Events
from tunnel_tui.system.locks import lock_holder

__all__ = ["Change", "Monitor", "Snapshot"]

POLL = 2.0
"""Seconds between looks when nothing is reported."""
_RESCAN_EVERY = 5
"""Looks between searches of the whole process table for what the state file has lost."""
_QUICK, _SLOW = 0.05, 0.25
"""Seconds between looks for the log of a tunnel that is coming up, and for one that stands."""
_SHARE, _PULSE_SHARE = 0.0025, 0.002
"""Of one core, at most: for looking at everything, and for seeing whether processes are frozen."""
_PULSE = 1.0
"""Seconds, at least, between two looks at nothing but that."""


class Monitor:
    """Watches the tunnels of one state file and one configuration file.

    Args:
        settings: where things are.
        on_snapshot: called in the monitor's thread whenever something is new; must be quick.
        traffic_interval: seconds between looks at round trip time and traffic; 0: not at all.
        poll: seconds between looks when nothing is reported.
    """

    def __init__(
        self,
        settings: Settings,
        on_snapshot: Callable[[Snapshot], None],
        *,
        traffic_interval: float = 1.0,
        poll: float = POLL,
    ) -> None:
        self.snapshot: Snapshot | None = None
        self._settings = settings
        self._on_snapshot = on_snapshot
        self._traffic_interval = traffic_interval
        self._poll = poll
        self._observer = Observer(settings)
        self._configuration = ConfigFile(settings)
        self._journal = HistoryWriter(settings)
        self._offer = PendingPlan(settings)
        self._events: Events | None = None
        self._thread: threading.Thread | None = None
        self._ending = threading.Event()
        self._poked = False
        self._trouble = ""
        self._plan: Plan | None = None
        self._watched: set[int] = set()
        self._cost = self._pulse_cost = 0.0
        self._unsettled = False
        self._looks = 0

    def start(self) -> None:
        """Begin to watch; the first snapshot comes at once."""
        if self._thread is None:
            self._ending.clear()
            self._events = Events()
            self._thread = threading.Thread(target=self._run, name="monitor", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """End the thread and wait for it. Touches no tunnel."""
        thread, events = self._thread, self._events
        self._ending.set()
        if events is not None:
            events.wake()
        if thread is not None and thread is not threading.current_thread():
            thread.join()
        self._thread = None

    def poke(self) -> None:
        """Look again now; from any thread."""
        self._poked = True
        if self._events is not None:
            self._events.wake()

    def _run(self) -> None:
        events = self._events
        if events is None:
            return
        try:
            while not self._ending.is_set():
                try:
                    self._watch(events)
                except Exception as error:  # the person must hear of it, whatever it is
                    self._report(error)
                    if not self._ending.is_set():
                        events.wait(1.0)
        finally:
            events.close()
            self._events = None

    def _watch(self, events: Events) -> None:
        """Look, then sleep until there is a reason to look again."""
        # The watches come before the first look: what happens in between is not lost.
        for directory in self._directories():
            events.watch_directory(directory)
        self._look(events, rescan=True)
        next_look = time.monotonic() + self._interval()
        next_pulse = time.monotonic() + self._pulse_interval()
        soonest = 0.0
        due = inf
        while not self._ending.is_set():
            until = min(next_look, next_pulse, due)
            happened = events.wait(max(0.0, until - time.monotonic()))
            self._look_at_dead({event.pid for event in happened if event.kind == "died"})
            for event in happened:
                due = min(due, self._when(event, soonest))
            if self._ending.is_set():
                return
            now = time.monotonic()
            liveness_changed = False
            if now >= next_pulse and now < min(next_look, due):
                liveness_changed = self._feel_pulse()
                next_pulse = time.monotonic() + self._pulse_interval()
            if now < min(next_look, due) and not liveness_changed:
                continue
            self._look(events, rescan=self._rescan_due())
            soonest = time.monotonic() + _QUICK
            next_look = time.monotonic() + self._interval()
            next_pulse = time.monotonic() + self._pulse_interval()
            due = inf

    def _directories(self) -> set[str]:
        places = {os.path.dirname(self._settings.state_file), self._settings.log_dir}
        return places | self._configuration.directories

    def _interval(self) -> float:
        """Seconds to the next look: rarer where a look is expensive."""
        if self._unsettled:
            return _QUICK
        wanted = self._poll
        if self._traffic_interval > 0:
            wanted = min(wanted, self._traffic_interval)
        return max(wanted, min(5.0, self._cost / _SHARE))

    def _feel_pulse(self) -> bool:
        """See whether a process was frozen or let go on: nobody reports that."""
        started = time.thread_time()
        liveness_changed = self._observer.liveness_changed()
        self._pulse_cost = time.thread_time() - started
        return liveness_changed

    def _pulse_interval(self) -> float:
        if self._traffic_interval <= 0:
            return inf  # nobody is looking: the next look is soon enough
        return max(_PULSE, min(POLL, self._pulse_cost / _PULSE_SHARE))

    def _rescan_due(self) -> bool:
        self._looks += 1
        if self._poked or self._looks % _RESCAN_EVERY == 0:
            self._poked = False
            return True
        return False

    def _when(self, event: Event, soonest: float) -> float:
        """Decide when an event calls for a look; infinity: never."""
        now = time.monotonic()
        if event.kind == "died":
            self._watched.discard(event.pid)
            return now + _QUICK  # its tunnel has been looked at; others may follow it
        if event.kind == "woken":
            return now
        if event.path == self._settings.state_file or self._configuration.concerns(event.path):
            # Anybody may write there all day long.
            return max(now, soonest - _QUICK + max(_QUICK, 5 * self._cost))
        directory, name = os.path.split(event.path)
        if directory != self._settings.log_dir:
            return now if event.path == self._settings.log_dir else inf
        return self._when_logged(name, now, soonest)

    def _when_logged(self, name: str, now: float, soonest: float) -> float:
        tunnel_hash = hash_of_log(name)
        if tunnel_hash is None:
            return inf
        statuses = self.snapshot.statuses if self.snapshot else ()
        for status in statuses:
            if status.spec.hash == tunnel_hash and status.state is State.RUNNING:
                # It may be a flood; a death would be reported by the kernel.
                return max(now, soonest - _QUICK + max(_SLOW, 10 * self._cost))
        return max(now, soonest - _QUICK + max(_QUICK, 5 * self._cost))

    def _look_at_dead(self, pids: set[int]) -> None:
        """Look at once at the tunnels of processes that have ended, and only at these."""
        snapshot = self.snapshot
        if snapshot is None or pids.isdisjoint(
            pid for status in snapshot.statuses for pid in (status.pid, status.ssh_pid)
        ):
            return
        spawn.reap()
        # All processes are searched at the next look: with thousands of them that takes long.
        left = {s.ssh_pid for s in snapshot.statuses if pids & {s.pid, s.ssh_pid} and s.ssh_pid}
        look = Look(self._observer, traffic=False, rescan=False, among=left)
        entries = {entry.hash: entry for entry in self._observer.state.entries}
        seen = [
            look.at(status.spec, entries.get(status.spec.hash))._replace(
                configured=status.configured
            )
            if pids & {status.pid, status.ssh_pid}
            else status
            for status in snapshot.statuses
        ]
        statuses, _ = without_false_deaths(self._settings, snapshot.statuses, seen)
        self._hand_out(statuses, self._plan, self._problem(), snapshot.watcher)
        self._trouble = self._journal.write(snapshot, self.snapshot)

    def _look(self, events: Events, rescan: bool) -> None:
        """Take a snapshot and hand it out if anything is new."""
        spawn.reap()
        started = time.thread_time()
        fresh = self._configuration.refresh()
        if fresh:
            for directory in self._configuration.directories:
                events.watch_directory(directory)
        observed = self._observer.observe(
            self._configuration.good.tunnels, traffic=self._traffic_interval > 0, rescan=rescan
        )
        before = self.snapshot
        statuses, self._unsettled = without_false_deaths(
            self._settings, before.statuses if before else (), observed
        )
        self._cost = time.thread_time() - started
        self._watch_processes(events)
        self._hand_out(statuses, self._plan, self._problem())
        self._trouble = self._journal.write(before, self.snapshot)
        plan = self._offer.plan(self._configuration, self._observer.state.entries, statuses)
        if plan != self._plan:
            self._plan = plan
            self._hand_out(statuses, plan, self._problem())

    def _problem(self) -> str:
        return self._observer.state.problem or self._trouble

    def _watch_processes(self, events: Events) -> None:
        wanted = self._observer.processes()
        for pid in self._watched - wanted:
            events.unwatch_process(pid)
        for pid in wanted - self._watched:
            events.watch_process(pid)
        self._watched = wanted

    def _hand_out(
        self,
        statuses: tuple[TunnelStatus, ...],
        plan: Plan | None,
        trouble: str,
        watcher: str | None = None,
    ) -> None:
        configuration, before = self._configuration, self.snapshot
        # The first snapshot has no changes: what was so before anybody looked is no news.
        changes = tuple(find_changes(before.statuses, statuses)) if before else ()
        snapshot = Snapshot(
            statuses,
            configuration.good,
            configuration.broken,
            changes,
            plan,
            self._watcher() if watcher is None else watcher,
            time.time(),
            trouble,
            self._observer.unregistered(statuses),
        )
        if before is not None and not changes:
            shown = before._replace(changes=(), taken_at=snapshot.taken_at)
            if snapshot == shown:
                return
        self.snapshot = snapshot
        self._on_snapshot(snapshot)

    def _watcher(self) -> str:
        pid = lock_holder(os.path.join(self._settings.data_dir, "watcher.lock"))
        return "" if pid is None else f"pid {pid}" if pid else "another user's"

    def _report(self, error: Exception) -> None:
        """Hand the last snapshot out again, with the trouble in it."""
        kind = "" if isinstance(error, TunnelTuiError) else f"{type(error).__name__}: "
        try:
            statuses = self.snapshot.statuses if self.snapshot else ()
            self._hand_out(statuses, self._plan, f"{kind}{error}")
        except Exception:
            # Nobody listens any more; the next look tries again.
            self.snapshot = None
