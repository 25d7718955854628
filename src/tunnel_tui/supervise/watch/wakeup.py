"""What wakes the watcher: other threads, new routes, and a clock that has jumped."""

import select
import time

from tunnel_tui.system.clock_jumps import Jumps
from tunnel_tui.system.network_changes import Routes
from tunnel_tui.system.wake_pipe import WakePipe

SETTLE = 2.0
"""Seconds from a new route or a jump of the clock until the network is worth trying."""
REST = 15.0
"""Seconds, at least, between two such tries: some machines change routes all day."""
LOOK = 5.0
"""Seconds between looks at the clocks."""


class Wakeup:
    """Waits; `wake` may be called from any thread or signal handler."""

    def __init__(self) -> None:
        self._woken = WakePipe()
        self._routes = Routes()
        self._jumps = Jumps()
        self._poll = select.poll()
        self._poll.register(self._woken.reader, select.POLLIN)
        if self._routes.descriptor >= 0:
            self._poll.register(self._routes.descriptor, select.POLLIN)
        self._due: float | None = None
        self._last = float("-inf")
        self._cause = ""

    def wake(self) -> None:
        """End the wait."""
        self._woken.wake()

    def wait(self, until: float) -> None:
        """Wait until woken, or until `until` on the steady clock, but no longer than LOOK."""
        if self._due is not None:
            until = min(until, self._due)
        seconds = max(0.0, min(until - time.monotonic(), LOOK))
        self._poll.poll(int(seconds * 1000) + 1)
        self._woken.drain()
        jump = self._jumps.jumped()
        if jump:
            self._schedule(f"the clock jumped by {jump:.0f} s")
        if self._routes.appeared():
            self._schedule("a new address or route")

    def network_news(self) -> str:
        """Say, once the network has settled, why everything is worth another try; or ""."""
        now = time.monotonic()
        if self._due is None or now < self._due:
            return ""
        self._due, self._last = None, now
        return self._cause

    def close(self) -> None:
        """Give all descriptors back."""
        self._routes.close()
        self._woken.close()

    def _schedule(self, cause: str) -> None:
        if self._due is None:
            self._due = max(time.monotonic() + SETTLE, self._last + REST)
            self._cause = cause
