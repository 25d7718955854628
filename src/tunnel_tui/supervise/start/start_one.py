"""Starting one tunnel: it waits for a slot, and for what becomes of it where that is wanted."""

import threading
import time
from contextlib import AbstractContextManager, nullcontext

from tunnel_tui.errors import LockHeldError
from tunnel_tui.model import Outcome, TunnelSpec
from tunnel_tui.settings import MAX_STARTING, Settings
from tunnel_tui.state.state_file import StateFile
from tunnel_tui.supervise.login import control_master
from tunnel_tui.supervise.process import stop_requests
from tunnel_tui.supervise.process.outcomes import is_running
from tunnel_tui.supervise.start.launch import launch
from tunnel_tui.supervise.start.limiter import Pending, SlotPatience, leave, slot_keeper
from tunnel_tui.supervise.start.startup_result import StartupResult, conclude, result_of
from tunnel_tui.system import spawn

_PAUSE = 0.01


def start_tunnel(
    settings: Settings,
    spec: TunnelSpec,
    *,
    wait: float = 0.0,
    cancel: threading.Event | None = None,
    asked: float | None = None,
) -> Outcome:
    """Start a tunnel unless it runs; with `wait`, say what became of it within that many seconds.

    Not if it was stopped since it was `asked` for (`stop_requests.now`; None: now).

    Raises:
        InteractiveTunnelError: the tunnel needs a person at a prompt (where somebody is logged
            in to its remote host already, it is attached to that login).
        PortBusyError: somebody holds the listener; the detail says who.
        FileRefusedError, SpawnError, ConfigError, StateFileError, LockHeldError: as they say.
    """
    if spec.interactive:
        return control_master.attach(settings, spec, asked)
    state = StateFile.of(settings)
    running = is_running(spec, state.read().entries, state)
    if running is not None:
        return running
    asked = stop_requests.now() if asked is None else asked
    slot = _wait_for_slot(settings, cancel)
    kept = False
    try:
        outcome, started = launch(settings, spec, asked=asked)
        if started is None:
            return outcome
        pending = Pending(outcome, started, slot)
        if wait > 0:
            return _watch(settings, pending, wait, cancel)
        slot_keeper.take(pending)
        kept = True
        return outcome
    finally:
        if not kept:
            leave(slot)


def _wait_for_slot(
    settings: Settings, cancel: threading.Event | None
) -> AbstractContextManager[None]:
    """Wait until fewer than MAX_STARTING tunnels of all programs are in STARTING.

    Raises:
        LockHeldError: `cancel` was set meanwhile.
    """
    state = StateFile.of(settings)
    patience = SlotPatience(state)
    while True:
        slot = state.lock_slot(MAX_STARTING, 0.2)
        try:
            slot.__enter__()
        except LockHeldError:
            if cancel is not None and cancel.is_set():
                raise
            if patience.is_vain():
                return nullcontext()
            # Nobody else keeps a slot much longer than CONFIRM_TIMEOUT: this ends.
            continue
        return slot


def _watch(
    settings: Settings, pending: Pending, wait: float, cancel: threading.Event | None
) -> Outcome:
    deadline = time.monotonic() + wait
    while True:
        spawn.reap()
        result = result_of(pending.started)
        if result is not StartupResult.PENDING:
            return conclude(settings, pending.outcome, pending.started, result)
        if time.monotonic() > deadline or (cancel is not None and cancel.is_set()):
            return conclude(settings, pending.outcome, pending.started, result)
        time.sleep(_PAUSE)
