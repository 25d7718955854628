"""Starting one tunnel or many: never more than a few in STARTING, until each stands or fails."""

import os
import re
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from enum import Enum

from tunnel_tui.errors import InteractiveTunnelError, LockHeldError, TunnelTuiError
from tunnel_tui.model import ForwardKind, Outcome, TunnelSpec
from tunnel_tui.observe.logs import tail_lines
from tunnel_tui.observe.reasons import find_reason
from tunnel_tui.observe.statefile import StateFile
from tunnel_tui.settings import MAX_STARTING, Settings
from tunnel_tui.supervise import riding
from tunnel_tui.supervise.family import Census
from tunnel_tui.supervise.launch import Launch, is_running, launch
from tunnel_tui.system import proc, spawn

CONFIRM_TIMEOUT = 15.0
"""Seconds after which a tunnel that neither stands nor fails gives its slot to the next."""
_PAUSE = 0.01
_LOG_WINDOW = 65536
_SUCCESS = {
    ForwardKind.LOCAL: re.compile(rb"client_loop\(\):\d+ \(pid=(\d+)\): Entering interactive"),
    ForwardKind.REMOTE: re.compile(
        rb"ssh_confirm_remote_forward\(\):\d+ \(pid=(\d+)\): remote forward success"
    ),
}

ProgressCallback = Callable[[int, int, Outcome], None]
"""Gets: how many are done, how many there are, the outcome of the last one."""


class Fate(Enum):
    """Where a start has got to."""

    PENDING = "pending"
    STANDS = "stands"
    FAILED = "failed"


def fate_of(settings: Settings, started: Launch) -> Fate:
    """Say whether the forward of a fresh start stands, by what ssh printed since."""
    stat = proc.read_stat(started.pid)
    if stat is None or not stat.alive:
        return Fate.FAILED
    kind = started.spec.forward(settings.direction_mode).kind
    for pid in reversed(_SUCCESS[kind].findall(_output(started))):
        if proc.is_alive(int(pid)):
            return Fate.STANDS
    return Fate.PENDING


def _output(started: Launch) -> bytes:
    try:
        descriptor = os.open(started.log_file, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return b""
    try:
        size = os.fstat(descriptor).st_size
        return os.pread(descriptor, _LOG_WINDOW, max(started.offset, size - _LOG_WINDOW))
    finally:
        os.close(descriptor)


def failure(settings: Settings, started: Launch) -> Outcome:
    """Say why a start has failed, from its log."""
    spec = started.spec
    reason = find_reason(tail_lines(settings.log_file(spec.hash), 200), spec)
    if reason is None:
        advice = f"read the log: tunnel-tui logs {spec.hash[:8]}"
        return Outcome(spec.hash, spec.name, False, "failed", "it ended at once", advice)
    return Outcome(spec.hash, spec.name, False, "failed", reason.text, reason.advice)


def outcome_of(error: TunnelTuiError | OSError, tunnel_hash: str, name: str) -> Outcome:
    """Put an error that concerns one tunnel into the list of outcomes."""
    if isinstance(error, TunnelTuiError):
        message = f"{error.title}: {error.detail}" if error.detail else error.title
        return Outcome(tunnel_hash, name, False, "failed", message, error.advice)
    return Outcome(tunnel_hash, name, False, "failed", str(error))


class _Pending:
    """A start that holds a slot."""

    __slots__ = ("deadline", "outcome", "slot", "started")

    def __init__(
        self, outcome: Outcome, started: Launch, slot: AbstractContextManager[None]
    ) -> None:
        self.outcome = outcome
        self.started = started
        self.slot = slot
        self.deadline = time.monotonic() + CONFIRM_TIMEOUT


class _Caretaker:
    """Holds the slots of starts that nobody waits for, in a thread, until each is settled."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._pending: list[tuple[Settings, _Pending]] = []
        self._thread: threading.Thread | None = None

    def take(self, settings: Settings, pending: _Pending) -> None:
        with self._lock:
            self._pending.append((settings, pending))
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="starts", daemon=True)
                self._thread.start()

    def _run(self) -> None:
        while True:
            with self._lock:
                kept = []
                for settings, pending in self._pending:
                    if _settled(settings, pending):
                        _leave(pending.slot)
                    else:
                        kept.append((settings, pending))
                self._pending = kept
                if not kept:
                    self._thread = None
                    return
            time.sleep(0.05)


_caretaker = _Caretaker()


def _settled(settings: Settings, pending: _Pending) -> bool:
    spawn.reap()
    late = time.monotonic() > pending.deadline
    return late or fate_of(settings, pending.started) is not Fate.PENDING


def _leave(slot: AbstractContextManager[None]) -> None:
    slot.__exit__(None, None, None)


def start_tunnel(
    settings: Settings,
    spec: TunnelSpec,
    *,
    wait: float = 0.0,
    cancel: threading.Event | None = None,
) -> Outcome:
    """Start a tunnel unless it runs; with `wait`, say what became of it within that many seconds.

    Raises:
        InteractiveTunnelError: the tunnel needs a person at a prompt (where somebody is logged
            in to its remote host already, it is attached to that login).
        PortBusyError: somebody holds the listener; the detail says who.
        FileRefusedError, SpawnError, ConfigError, StateFileError, LockHeldError: as they say.
    """
    if spec.interactive:
        return riding.attach(settings, spec)
    running = is_running(settings, spec)
    if running is not None:
        return running
    slot = _wait_for_slot(settings, cancel)
    kept = False
    try:
        outcome, started = launch(settings, spec)
        if started is None:
            return outcome
        pending = _Pending(outcome, started, slot)
        if wait > 0:
            return _watch(settings, pending, wait, cancel)
        _caretaker.take(settings, pending)
        kept = True
        return outcome
    finally:
        if not kept:
            _leave(slot)


def _wait_for_slot(
    settings: Settings, cancel: threading.Event | None
) -> AbstractContextManager[None]:
    """Wait until fewer than MAX_STARTING tunnels of all programs are in STARTING.

    Raises:
        LockHeldError: `cancel` was set meanwhile.
    """
    state = StateFile(settings.state_file)
    while True:
        slot = state.lock_slot(MAX_STARTING, 0.2)
        try:
            slot.__enter__()
        except LockHeldError:
            # Nobody keeps a slot much longer than CONFIRM_TIMEOUT: this ends.
            if cancel is not None and cancel.is_set():
                raise
            continue
        return slot


def _watch(
    settings: Settings, pending: _Pending, wait: float, cancel: threading.Event | None
) -> Outcome:
    deadline = time.monotonic() + wait
    while True:
        spawn.reap()
        fate = fate_of(settings, pending.started)
        if fate is not Fate.PENDING:
            return conclude(settings, pending.outcome, pending.started, fate)
        if time.monotonic() > deadline or (cancel is not None and cancel.is_set()):
            return conclude(settings, pending.outcome, pending.started, fate)
        time.sleep(_PAUSE)


def conclude(settings: Settings, outcome: Outcome, started: Launch, fate: Fate) -> Outcome:
    """Say what a start has come to so far."""
    if fate is Fate.FAILED:
        return failure(settings, started)
    if fate is Fate.STANDS:
        return outcome
    reason = find_reason(tail_lines(started.log_file, 200), started.spec)
    message = f"not connected yet: {reason.text}" if reason else "not connected yet"
    return outcome._replace(message=outcome.message or message)


def start_tunnels(
    settings: Settings,
    specs: Sequence[TunnelSpec],
    progress: ProgressCallback | None = None,
    *,
    wait: float = CONFIRM_TIMEOUT,
    cancel: threading.Event | None = None,
) -> list[Outcome]:
    """Start many tunnels, at most MAX_STARTING of them in STARTING at a time.

    What goes wrong with one is in its outcome and does not keep the others.

    Args:
        settings: where things are.
        specs: the tunnels; those that run already are left alone.
        progress: called in this thread after each.
        wait: seconds for each to stand or fail; 0 returns once all processes are spawned.
        cancel: when set, what is not started yet is skipped.
    """
    return _Batch(settings, specs, progress, wait, cancel).run()


class _Batch:
    """The starts of one call, in one thread."""

    def __init__(
        self,
        settings: Settings,
        specs: Sequence[TunnelSpec],
        progress: ProgressCallback | None,
        wait: float,
        cancel: threading.Event | None,
    ) -> None:
        self._settings = settings
        self._state = StateFile(settings.state_file)
        self._specs = specs
        self._progress = progress
        self._wait = min(wait, CONFIRM_TIMEOUT)
        self._cancel = cancel
        self._outcomes: dict[int, Outcome] = {}
        self._pending: dict[int, _Pending] = {}

    def run(self) -> list[Outcome]:
        try:
            if self._specs:
                self._start_all()
            while self._pending and self._wait > 0 and not self._cancelled():
                self._settle()
                time.sleep(_PAUSE)
        finally:
            self._hand_over()
        return [self._outcomes[number] for number in range(len(self._specs))]

    def _start_all(self) -> None:
        census: Census | None = None
        for number, spec in enumerate(self._specs):
            if self._cancelled():
                self._done(number, _skipped(spec, "cancelled"))
            elif spec.interactive:
                self._done(number, self._attach(spec))
            else:
                census = census or Census(self._settings)
                self._start(number, spec, census)

    def _attach(self, spec: TunnelSpec) -> Outcome:
        try:
            return riding.attach(self._settings, spec)
        except InteractiveTunnelError:
            return _skipped(spec, "it needs a login")
        except (TunnelTuiError, OSError) as error:
            return outcome_of(error, spec.hash, spec.name)

    def _start(self, number: int, spec: TunnelSpec, census: Census) -> None:
        slot = None
        try:
            running = is_running(self._settings, spec)
            if running is not None:
                self._done(number, running)
                return
            slot = self._slot()
            outcome, started = launch(self._settings, spec, census)
            if started is None:
                self._done(number, outcome)
                return
            self._pending[number] = _Pending(outcome, started, slot)
            slot = None
            if self._wait <= 0:
                self._done(number, outcome)
        except (TunnelTuiError, OSError) as error:
            self._done(number, outcome_of(error, spec.hash, spec.name))
        finally:
            if slot is not None:
                _leave(slot)

    def _slot(self) -> AbstractContextManager[None]:
        while True:
            self._settle()
            if len(self._pending) < MAX_STARTING:
                slot = self._state.lock_slot(MAX_STARTING, 0.0)
                try:
                    slot.__enter__()
                except LockHeldError:
                    pass  # others are starting tunnels too
                else:
                    return slot
            if self._cancelled():
                raise LockHeldError("cancelled")
            time.sleep(_PAUSE / 4)

    def _settle(self) -> None:
        """Give back the slots of those that stand, have failed, or take too long."""
        spawn.reap()
        now = time.monotonic()
        for number, pending in tuple(self._pending.items()):
            fate = fate_of(self._settings, pending.started)
            late = now > pending.deadline - CONFIRM_TIMEOUT + (self._wait or CONFIRM_TIMEOUT)
            if fate is Fate.PENDING and not late:
                continue
            del self._pending[number]
            _leave(pending.slot)
            if number not in self._outcomes:
                outcome = conclude(self._settings, pending.outcome, pending.started, fate)
                self._done(number, outcome)

    def _hand_over(self) -> None:
        for number, pending in self._pending.items():
            _caretaker.take(self._settings, pending)
            self._outcomes.setdefault(number, pending.outcome)
        self._pending.clear()

    def _done(self, number: int, outcome: Outcome) -> None:
        self._outcomes[number] = outcome
        if self._progress is not None:
            self._progress(len(self._outcomes), len(self._specs), outcome)

    def _cancelled(self) -> bool:
        return self._cancel is not None and self._cancel.is_set()


def _skipped(spec: TunnelSpec, why: str) -> Outcome:
    advice = f"tunnel-tui auth {spec.hash[:8]}" if spec.interactive else ""
    return Outcome(spec.hash, spec.name, True, "skipped", why, advice)
