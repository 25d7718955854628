"""A thread that follows the log of the selected tunnel and hands over what it gains."""

import threading
from collections.abc import Callable
from enum import StrEnum

from tunnel_tui.ssh.log.line_class import is_noise
from tunnel_tui.tui.engine.engine import Follower

OPEN_LINES = 2000
INTERVAL = 0.1
"""Seconds between two looks at a log that is being written to."""

REST = 0.4
"""Seconds between two looks at a log that has been silent for a while: looking is most of what an
idle app does."""

RUSH = 0.05
"""Seconds until the next look where there is more to read already."""


class LogChange(StrEnum):
    """What a delivery means to what is shown."""

    OPENED = "opened"
    GAINED = "gained"
    BEGUN_ANEW = "begun anew"


Deliver = Callable[[str, LogChange, list[str]], None]
"""Which log, what became of it, its new lines."""


class LogReader:
    """Follows one log at a time. Never more than one delivery is under way."""

    def __init__(self, follow: Callable[[str], Follower], deliver: Deliver) -> None:
        self._follow = follow
        self._deliver = deliver
        self._wanted: str | None = None
        self._wake = threading.Event()
        self._free = threading.Event()
        self._free.set()
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="log-reader", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def show(self, key: str | None) -> None:
        """Follow the log of another tunnel, or none."""
        if key != self._wanted:
            self._wanted = key
            self._wake.set()

    def delivered(self) -> None:
        """Say that the last delivery was taken in."""
        self._free.set()

    def close(self) -> None:
        """Stop; does not wait."""
        self._closed = True
        self._wake.set()
        self._free.set()

    def _run(self) -> None:
        key: str | None = None
        follower: Follower | None = None
        pause = INTERVAL
        while not self._closed:
            if key != self._wanted:
                key = self._wanted
                if follower:
                    follower.close()
                follower = self._follow(key) if key else None
                pause = INTERVAL
                if key and follower:
                    self._hand_over(key, LogChange.OPENED, follower.open(OPEN_LINES))
            elif key and follower:
                update = follower.poll()
                if update.reset or update.lines:
                    told = LogChange.BEGUN_ANEW if update.reset else LogChange.GAINED
                    self._hand_over(key, told, list(update.lines))
                    pause = RUSH if update.more else INTERVAL
                else:
                    pause = min(REST, 1.2 * pause)
            self._wake.wait(pause if follower else None)
            self._wake.clear()

    def _hand_over(self, key: str, told: LogChange, lines: list[str]) -> None:
        self._free.wait()
        if self._closed:
            return
        self._free.clear()
        self._deliver(key, told, [line for line in lines if not is_noise(line)])
