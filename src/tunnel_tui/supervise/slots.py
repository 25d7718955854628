"""The slots of starts under way: few at a time, each held until its tunnel stands or fails."""

import threading
import time
from contextlib import AbstractContextManager

from tunnel_tui.model import Outcome
from tunnel_tui.supervise.fate import Fate, fate_of
from tunnel_tui.supervise.launch import Launch
from tunnel_tui.system import spawn

CONFIRM_TIMEOUT = 15.0
"""Seconds after which a tunnel that neither stands nor fails gives its slot to the next."""


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
