"""Starting many tunnels in one thread, a few of them in STARTING at a time."""

import os
import threading
import time
from collections.abc import Sequence
from contextlib import AbstractContextManager, closing, nullcontext, suppress

from tunnel_tui.errors import InteractiveTunnelError, LockHeldError, TunnelTuiError
from tunnel_tui.model import Outcome, TunnelEntry, TunnelSpec
from tunnel_tui.settings import MAX_STARTING, Settings
from tunnel_tui.ssh.command import Command, build_command
from tunnel_tui.state.state_file import StateFile
from tunnel_tui.supervise.login import control_master
from tunnel_tui.supervise.process import stop_requests
from tunnel_tui.supervise.process.outcomes import (
    ProgressCallback,
    is_running,
    outcome_of,
    overtaken,
    skipped,
)
from tunnel_tui.supervise.process.process_tree import ProcessTable
from tunnel_tui.supervise.process.rivals import Rivals
from tunnel_tui.supervise.start.launch import launch
from tunnel_tui.supervise.start.limiter import (
    CONFIRM_TIMEOUT,
    Pending,
    SlotPatience,
    SlotPool,
    leave,
    slot_keeper,
)
from tunnel_tui.supervise.start.startup_result import StartupResult, conclude, result_of
from tunnel_tui.system import spawn

_PAUSE = 0.01
_AHEAD = 2 * MAX_STARTING


def start_tunnels(
    settings: Settings,
    specs: Sequence[TunnelSpec],
    progress: ProgressCallback | None = None,
    *,
    wait: float = CONFIRM_TIMEOUT,
    cancel: threading.Event | None = None,
    again: bool = False,
    asked: float | None = None,
) -> list[Outcome]:
    """Start many tunnels, at most MAX_STARTING of them in STARTING at a time.

    What goes wrong with one is in its outcome and does not keep the others.

    Args:
        settings: where things are.
        specs: the tunnels; those that run already are left alone.
        progress: called in this thread after each.
        wait: seconds for each to stand or fail; 0 returns once all processes are spawned.
        cancel: when set, what is not started yet is skipped.
        again: only those that are still registered: somebody may have stopped them meanwhile.
        asked: when they were asked for (`stop_requests.now`), None: now; none that was
            stopped since.
    """
    asked = stop_requests.now() if asked is None else asked
    return _Batch(settings, specs, progress, wait, cancel, again, asked).run()


class _Batch:
    """The starts of one call, in one thread."""

    def __init__(
        self,
        settings: Settings,
        specs: Sequence[TunnelSpec],
        progress: ProgressCallback | None,
        wait: float,
        cancel: threading.Event | None,
        again: bool,
        asked: float,
    ) -> None:
        self._settings = settings
        self._again = again
        self._asked = asked
        self._commands: dict[int, Command] = {}
        self._state = StateFile.of(settings)
        self._specs = specs
        self._progress = progress
        self._wait = min(wait, CONFIRM_TIMEOUT)
        self._cancel = cancel
        self._outcomes: dict[int, Outcome] = {}
        self._pending: dict[int, Pending] = {}
        self._slots = SlotPool(self._state)
        self._rivals = Rivals(settings, ())
        self._settled = 0.0

    def run(self) -> list[Outcome]:
        try:
            with closing(self._slots):
                if self._specs:
                    self._start_all()
            while self._pending and self._wait > 0 and not self._cancelled():
                self._settle()
                time.sleep(_PAUSE)
        finally:
            self._hand_over()
        return [self._outcomes[number] for number in range(len(self._specs))]

    def _start_all(self) -> None:
        census: ProcessTable | None = None
        # A quick look to spare those that run a slot; under its lock each is looked at again.
        known = self._state.read().entries
        entries = {entry.hash: (entry,) for entry in known}
        self._rivals = Rivals(self._settings, known)
        for number, spec in enumerate(self._specs):
            if self._cancelled():
                self._done(number, skipped(spec, "cancelled"))
            elif stop_requests.is_outdated(spec.hash, self._asked):
                self._done(number, overtaken(spec))
            elif spec.interactive:
                self._done(number, self._attach(spec))
            else:
                census = census or ProcessTable(self._settings)
                self._start(number, spec, census, entries.get(spec.hash, ()))

    def _attach(self, spec: TunnelSpec) -> Outcome:
        self._slots.pause()
        try:
            return control_master.attach(self._settings, spec, self._asked)
        except InteractiveTunnelError:
            return skipped(spec, "it needs a login")
        except (TunnelTuiError, OSError) as error:
            return outcome_of(error, spec.hash, spec.name)

    def _start(
        self, number: int, spec: TunnelSpec, census: ProcessTable, entries: Sequence[TunnelEntry]
    ) -> None:
        slot = None
        try:
            running = is_running(spec, entries, self._state)
            if running is not None:
                self._done(number, running)
                return
            self._rivals.check(spec)
            slot = self._slot()
            outcome, started = launch(
                self._settings,
                spec,
                census,
                again=self._again,
                asked=self._asked,
                command=self._command(number),
                state=self._state,
            )
            if started is None:
                self._done(number, outcome)
                return
            self._rivals.add(TunnelEntry.of(spec, started.pid), spec)
            self._pending[number] = Pending(outcome, started, slot)
            slot = None
            if self._wait <= 0:
                self._done(number, outcome)
        except (TunnelTuiError, OSError) as error:
            self._done(number, outcome_of(error, spec.hash, spec.name))
        finally:
            if slot is not None:
                leave(slot)

    def _command(self, number: int) -> Command | None:
        """Return the command of a tunnel; None: it cannot be made, and `launch` will say why.

        Those of the next tunnels are made with it: in a row they take a third of the time that
        they take between two starts, when nothing is in the processor's caches any more.
        """
        if number not in self._commands:
            environment = dict(os.environ)  # os.environ decodes it anew for everybody who looks
            self._commands.clear()
            for ahead, spec in enumerate(self._specs[number : number + _AHEAD], number):
                with suppress(TunnelTuiError):
                    self._commands[ahead] = build_command(self._settings, spec, environment)
        return self._commands.get(number)

    def _slot(self) -> AbstractContextManager[None]:
        patience = SlotPatience(self._state)
        # While there is room it suffices to look now and then what became of the others.
        if len(self._pending) >= MAX_STARTING or time.monotonic() > self._settled + _PAUSE:
            self._settle()
        while True:
            if len(self._pending) < MAX_STARTING:
                slot = self._slots.take()
                if slot is not None:
                    return slot
                if patience.is_vain():
                    return nullcontext()
            if self._cancelled():
                raise LockHeldError("cancelled")
            time.sleep(_PAUSE / 4)
            self._settle()

    def _settle(self) -> None:
        """Give back the slots of those that stand, have failed, or take too long."""
        spawn.reap()
        self._settled = time.monotonic()
        patience = self._wait or CONFIRM_TIMEOUT
        for number, pending in tuple(self._pending.items()):
            result = result_of(pending.started)
            if result is StartupResult.PENDING and pending.age <= patience:
                continue
            del self._pending[number]
            self._slots.give(pending)
            if number not in self._outcomes:
                outcome = conclude(self._settings, pending.outcome, pending.started, result)
                self._done(number, outcome)

    def _hand_over(self) -> None:
        for number, pending in self._pending.items():
            slot_keeper.take(pending)
            self._outcomes.setdefault(number, pending.outcome)
        self._pending.clear()

    def _done(self, number: int, outcome: Outcome) -> None:
        self._outcomes[number] = outcome
        if self._progress is not None:
            self._progress(len(self._outcomes), len(self._specs), outcome)

    def _cancelled(self) -> bool:
        return self._cancel is not None and self._cancel.is_set()
