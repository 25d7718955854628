"""The slots of starts under way: few at a time, each held until its tunnel stands or fails."""

import os
import threading
import time
from contextlib import AbstractContextManager

from tunnel_tui.model import Outcome
from tunnel_tui.observe.pulse import FROZEN
from tunnel_tui.observe.statefile import StateFile
from tunnel_tui.supervise.fate import Fate, fate_of
from tunnel_tui.supervise.launch import Launch
from tunnel_tui.system import proc, spawn

CONFIRM_TIMEOUT = 15.0
"""Seconds after which a tunnel that neither stands nor fails gives its slot to the next."""


_PATIENCE = 3.0
"""Seconds without a slot after which it is asked whether somebody can give one back at all."""


class Patience:
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
        return _somebody_is_frozen(self._state.path)


def _somebody_is_frozen(path: str) -> bool:
    """Say whether a stopped process has the state file open, as those who hold slots do."""
    path = os.path.realpath(path)
    for pid in proc.pids():
        stat = proc.read_stat(pid)
        if stat is None or stat.state != FROZEN:
            continue
        try:
            for name in os.listdir(f"/proc/{pid}/fd"):
                if os.readlink(f"/proc/{pid}/fd/{name}") == path:
                    return True
        except OSError:  # gone, or somebody else's
            continue
    return False


class Pending:
    """A start that holds a slot."""

    __slots__ = ("deadline", "outcome", "slot", "started")

    def __init__(
        self, outcome: Outcome, started: Launch, slot: AbstractContextManager[None]
    ) -> None:
        self.outcome = outcome
        self.started = started
        self.slot = slot
        self.deadline = time.monotonic() + CONFIRM_TIMEOUT


class Caretaker:
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


caretaker = Caretaker()


def _settled(pending: Pending) -> bool:
    spawn.reap()
    late = time.monotonic() > pending.deadline
    return late or fate_of(pending.started) is not Fate.PENDING


def leave(slot: AbstractContextManager[None]) -> None:
    """Give a slot back."""
    slot.__exit__(None, None, None)
