"""The slots of starts under way: few at a time, each held until its tunnel stands or fails."""

import os
import threading
import time
from contextlib import AbstractContextManager

from tunnel_tui.errors import LockHeldError
from tunnel_tui.model import Outcome
from tunnel_tui.observe.liveness import FROZEN
from tunnel_tui.settings import MAX_STARTING
from tunnel_tui.state.state_file import SLOT, StateFile
from tunnel_tui.supervise.start.launch import Launch
from tunnel_tui.supervise.start.startup_result import StartupResult, result_of
from tunnel_tui.system import proc, spawn

CONFIRM_TIMEOUT = 15.0
"""Seconds after which a tunnel that neither stands nor fails gives its slot to the next."""
_MOMENT = 1.0
"""Seconds: a start that took no longer has kept nobody waiting."""
_POLITE = 0.06
"""Seconds between two questions for a slot; the others ask every 0.05 s (`StateFile`)."""
_COURTESY = 0.25
"""Seconds in which they may take the slot of a start that took longer."""
_PATIENCE = 3.0
"""Seconds without a slot after which it is asked whether somebody can give one back at all."""


class SlotPatience:
    """Of somebody who waits for a slot.

    Who is frozen (ctrl+z, SIGSTOP) in the middle of a start gives no slot back: then there is
    nothing to wait for, and the tunnel starts without one.
    """

    def __init__(self, state: StateFile) -> None:
        self._state = state
        self._ask = time.monotonic() + _PATIENCE

    def is_vain(self) -> bool:
        """Say whether a frozen process may hold the slots; cheap to ask again and again."""
        if time.monotonic() < self._ask:
            return False
        self._ask = time.monotonic() + _PATIENCE
        return _somebody_is_frozen(self._state.lock_dir)


def _somebody_is_frozen(lock_dir: str) -> bool:
    """Say whether a stopped process holds a slot."""
    begin = os.path.join(os.path.realpath(lock_dir), SLOT)
    for pid in proc.pids():
        stat = proc.read_stat(pid)
        if stat is None or stat.state != FROZEN:
            continue
        try:
            for name in os.listdir(f"/proc/{pid}/fd"):
                if os.readlink(f"/proc/{pid}/fd/{name}").startswith(begin):
                    return True
        except OSError:  # gone, or somebody else's
            continue
    return False


class Pending:
    """A start that holds a slot."""

    __slots__ = ("_began", "outcome", "slot", "started")

    def __init__(
        self, outcome: Outcome, started: Launch, slot: AbstractContextManager[None]
    ) -> None:
        self.outcome = outcome
        self.started = started
        self.slot = slot
        self._began = time.monotonic()

    @property
    def age(self) -> float:
        """Seconds since the process was spawned."""
        return time.monotonic() - self._began


class SlotPool:
    """The slots of one batch: one that was needed for a moment only goes to the next start.

    Others wait for slots too, and ask less often than a batch could: after a start that took
    long, theirs is the first turn.
    """

    def __init__(self, state: StateFile) -> None:
        self._state = state
        self._spare: list[AbstractContextManager[None]] = []
        self._ask = 0.0
        self._open = True

    def take(self) -> AbstractContextManager[None] | None:
        """Take a slot; None: there is none at the moment.

        Raises:
            FileRefusedError, StateFileError: see `StateFile.update`.
        """
        if self._spare:
            return self._spare.pop()
        if time.monotonic() < self._ask:
            return None
        slot = self._state.lock_slot(MAX_STARTING, 0.0)
        try:
            slot.__enter__()
        except LockHeldError:  # others are starting tunnels too
            self._ask = time.monotonic() + _POLITE
            return None
        return slot

    def give(self, pending: Pending) -> None:
        """Take the slot back of a start that stands, has failed, or takes too long."""
        if self._open and pending.age < _MOMENT:
            self._spare.append(pending.slot)
            return
        leave(pending.slot)
        now = time.monotonic()
        if now > self._ask:  # many that end one after the other must not put us off for ever
            self._ask = now + _COURTESY

    def close(self) -> None:
        """Say that no more starts follow."""
        self._open = False
        self.pause()

    def pause(self) -> None:
        """Keep no slot that no start is using: the next start may be a while."""
        while self._spare:
            leave(self._spare.pop())


class SlotKeeper:
    """Holds the slots of starts that nobody waits for, in a thread, until each is settled."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._pending: list[Pending] = []
        self._thread: threading.Thread | None = None

    def take(self, pending: Pending) -> None:
        """Look after the slot of a start from now on."""
        with self._lock:
            self._pending.append(pending)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="starts", daemon=True)
                self._thread.start()

    def _run(self) -> None:
        while True:
            with self._lock:
                kept = []
                for pending in self._pending:
                    if _settled(pending):
                        leave(pending.slot)
                    else:
                        kept.append(pending)
                self._pending = kept
                if not kept:
                    self._thread = None
                    return
            time.sleep(0.05)


slot_keeper = SlotKeeper()


def _settled(pending: Pending) -> bool:
    spawn.reap()
    return pending.age > CONFIRM_TIMEOUT or result_of(pending.started) is not StartupResult.PENDING


def leave(slot: AbstractContextManager[None]) -> None:
    """Give a slot back."""
    slot.__exit__(None, None, None)
