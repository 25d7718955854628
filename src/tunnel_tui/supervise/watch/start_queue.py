"""A thread that starts tunnels, a few at a time, while the watcher goes on watching."""

import threading
from collections import deque
from collections.abc import Callable, Collection, Iterable
from typing import NamedTuple

from tunnel_tui.errors import TunnelTuiError
from tunnel_tui.model import Outcome, TunnelSpec
from tunnel_tui.settings import MAX_STARTING, Settings
from tunnel_tui.supervise.actions.lifecycle import start_tunnels
from tunnel_tui.supervise.process import stop_requests
from tunnel_tui.supervise.process.outcomes import outcome_of, overtaken
from tunnel_tui.supervise.watch.auth_guard import end_waiting


class Job(NamedTuple):
    """One start; `waiting` and `registered` as in `revive.Attempt`, `asked` as in `launch`."""

    spec: TunnelSpec
    waiting: int = 0
    registered: bool = False
    asked: float = 0.0


class StartQueue:
    """Starts what is put into its queue.

    Args:
        settings: where things are.
        report: gets each job and its outcome, in the starter's thread.
    """

    def __init__(self, settings: Settings, report: Callable[[Job, Outcome], None]) -> None:
        self._settings = settings
        self._report = report
        self._queue: deque[Job] = deque()
        self._changed = threading.Condition()
        self._cancel = threading.Event()
        self._busy = False
        self._paused = False
        self._ending = False
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin to work."""
        self._thread = threading.Thread(target=self._run, name="starter", daemon=True)
        self._thread.start()

    def put(self, jobs: Iterable[Job], asked: float | None = None) -> None:
        """Queue starts; a tunnel that is in the queue already stays where it is.

        It counts as asked for at `asked` (`stop_requests.now`; None: now): a stop before that
        moment does not concern it.
        """
        asked = stop_requests.now() if asked is None else asked
        with self._changed:
            fresh = {job.spec.hash: job._replace(asked=asked) for job in jobs}
            for place, job in enumerate(self._queue):
                if fresh.pop(job.spec.hash, None) is not None:
                    self._queue[place] = job._replace(asked=asked)
            self._queue.extend(fresh.values())
            self._changed.notify_all()

    def pause(self, timeout: float) -> bool:
        """Start nothing more until `resume`; wait until nothing is under way.

        Returns:
            False where a start was still under way after `timeout` seconds.
        """
        with self._changed:
            self._paused = True
            self._cancel.set()
            return self._changed.wait_for(lambda: not self._busy, timeout)

    def resume(self) -> None:
        """Go on with the queue."""
        with self._changed:
            self._paused = False
            self._cancel.clear()
            self._changed.notify_all()

    def keep(self, specs: Collection[TunnelSpec]) -> list[Job]:
        """Drop the jobs of all other tunnels and return them; take the newest specs."""
        wanted = {spec.hash: spec for spec in specs}
        with self._changed:
            dropped = [job for job in self._queue if job.spec.hash not in wanted]
            self._queue = deque(
                job._replace(spec=wanted[job.spec.hash])
                for job in self._queue
                if job.spec.hash in wanted
            )
        return dropped

    def stop(self, timeout: float) -> None:
        """Drop the queue and end the thread."""
        with self._changed:
            self._queue.clear()
            self._ending = True
            self._cancel.set()
            self._changed.notify_all()
        if self._thread is not None:
            self._thread.join(timeout)

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._ending or (self._queue and not self._paused))
                if self._ending:
                    return
                jobs = self._take()
                self._busy = True
            returned = []
            try:
                returned = self._start(jobs)
            finally:
                with self._changed:
                    self._queue.extendleft(reversed(returned))
                    self._busy = False
                    self._changed.notify_all()

    def _take(self) -> list[Job]:
        """Take a few jobs of one kind from the head of the queue."""
        jobs = [self._queue.popleft()]
        while self._queue and len(jobs) < MAX_STARTING:
            if self._queue[0].registered != jobs[0].registered:
                break
            jobs.append(self._queue.popleft())
        return jobs

    def _start(self, jobs: list[Job]) -> list[Job]:
        """Start them and report; return those that were cancelled."""
        returned = []
        looked = stop_requests.now()
        jobs = [job for job in jobs if not self._is_overtaken(job)]
        if not jobs:
            return []
        for job in jobs:
            if job.waiting and not self._cancel.is_set():
                self._end_waiting(job)
        specs = [job.spec for job in jobs]
        try:
            outcomes = start_tunnels(
                self._settings,
                specs,
                wait=0,
                cancel=self._cancel,
                again=jobs[0].registered,
                asked=looked,
            )
        except (TunnelTuiError, OSError) as error:
            outcomes = [outcome_of(error, spec.hash, spec.name) for spec in specs]
        except Exception as error:  # whatever it is: the watcher must hear of it and go on
            text = f"unexpected: {type(error).__name__}: {error}"
            outcomes = [Outcome(spec.hash, spec.name, False, "failed", text) for spec in specs]
        for job, outcome in zip(jobs, outcomes, strict=True):
            if outcome.message == "cancelled" and self._cancel.is_set():
                returned.append(job)
            else:
                self._report(job, outcome)
        return returned

    def _is_overtaken(self, job: Job) -> bool:
        overtaken_by_stop = stop_requests.is_outdated(job.spec.hash, job.asked)
        if overtaken_by_stop:
            self._report(job, overtaken(job.spec))
        return overtaken_by_stop

    def _end_waiting(self, job: Job) -> None:
        try:
            end_waiting(self._settings, job.spec, job.waiting)
        except (TunnelTuiError, OSError):
            return  # it runs on by itself, and the start will find it running
