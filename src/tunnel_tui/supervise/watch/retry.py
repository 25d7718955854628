"""Which tunnels are to be started again, and when. Pure: fed with statuses and a clock.

What waits for the same server waits together: one of them tries, and when one gets through, all
the others follow at once. So a server that is away costs one attempt every few seconds, however
many tunnels lead there, and is noticed soon after its return.
"""

import random
from collections.abc import Callable, Collection, Iterable
from typing import NamedTuple

from tunnel_tui.model import (
    AGAIN,
    AWAY,
    Reason,
    ReasonCode,
    State,
    TunnelSpec,
    TunnelStatus,
)

AWAY_CAP = 6.0
"""Seconds, at most, between two attempts to reach a server."""
AWAY_RATE = 5.0
"""Attempts per second, at most, where very many servers are away."""
CAP = 60.0
"""Seconds, at most, between two attempts after any other failure."""
STOOD = 60.0
"""Seconds without a failure after which the next one is the first again."""
UNKNOWN_TRIES = 3
"""Attempts after a failure that nobody understands."""
_BUSY = 1.0
_FLIGHT = 20.0
"""Seconds for which an attempt on its way keeps others from trying; ssh gives up after 10."""

Unit = tuple[str, ...]


class Attempt(NamedTuple):
    """A tunnel that is to be started now.

    Attributes:
        waiting: the autossh to end first, which sleeps between two attempts; 0: none.
        registered: only if it still has an entry: without one, somebody has stopped it.
        number: 1 for the first attempt since it (or its server) failed.
    """

    spec: TunnelSpec
    reason: Reason | None
    waiting: int
    registered: bool
    number: int


class _Backoff:
    """The attempts of one tunnel, or of all that lead to one server."""

    __slots__ = ("due", "quiet_since", "tries")

    def __init__(self) -> None:
        self.tries = 0
        self.due: float | None = None
        self.quiet_since: float | None = None


class RetryPolicy:
    """Decides what is started again.

    Args:
        now: a steady clock, in seconds.
        chance: a number from 0 to 1: many machines must not knock in step.
        is_started: whether we have started a tunnel (by hash) that nobody has stopped since.
    """

    def __init__(
        self,
        now: Callable[[], float],
        chance: Callable[[], float] = random.random,
        is_started: Callable[[str], bool] = lambda _: True,
    ) -> None:
        self._is_started = is_started
        self._met: dict[str, tuple[int | None, bool]] = {}
        self._now = now
        self._chance = chance
        self._backoffs: dict[Unit, _Backoff] = {}
        self._members: dict[Unit, dict[str, TunnelStatus]] = {}
        self._flying: set[Unit] = set()
        self._states: dict[str, tuple[State, ReasonCode | None]] = {}
        self._handed: set[str] = set()
        self._open: set[Unit] = set()
        self._kicked: set[Unit] = set()
        self._unstarted: dict[str, TunnelStatus] = {}
        self._last_try: dict[str, float] = {}
        self._flights: dict[str, tuple[int | None, float]] = {}
        self._sleeps: dict[str, tuple[str, float]] = {}

    def see(self, statuses: Iterable[TunnelStatus]) -> None:
        """Take note of what is true now."""
        members: dict[Unit, dict[str, TunnelStatus]] = {}
        flying: set[Unit] = set()
        reached: set[Unit] = set()
        states: dict[str, tuple[State, ReasonCode | None]] = {}
        for status in statuses:
            spec = status.spec
            if spec.interactive or not status.configured:
                continue
            states[spec.hash] = (status.state, status.reason.code if status.reason else None)
            self._meet(status)
            if status.state is not State.STOPPED:
                self._unstarted.pop(spec.hash, None)
            unit = self._unit(status)
            if unit is not None:
                members.setdefault(unit, {})[spec.hash] = status
                self._note_sleep(status)
                continue
            if status.state is State.STARTING and self._flies(status):
                flying |= {_server(spec), (spec.hash,)}
            elif _reached(status) and self._states.get(spec.hash) != states[spec.hash]:
                reached.add(_server(spec))
        self._forget_all_but(states.keys())
        for status in self._unstarted.values():
            members.setdefault((status.spec.hash,), {})[status.spec.hash] = status
        self._members, self._flying, self._states = members, flying, states
        self._pace(reached)

    def failed(self, spec: TunnelSpec) -> None:
        """Take note that a start has failed before there was a process."""
        self._handed.discard(spec.hash)
        if self._states.get(spec.hash, (State.STOPPED, None))[0] is State.STOPPED:
            status = TunnelStatus(spec, State.STOPPED)
            self._unstarted[spec.hash] = status
            self._members.setdefault((spec.hash,), {})[spec.hash] = status
        self._pace(set())

    def settled(self, tunnel_hash: str) -> None:
        """Take note that a start is done: there is a process, or somebody did not want one."""
        self._handed.discard(tunnel_hash)
        self._unstarted.pop(tunnel_hash, None)

    def forget(self, hashes: Iterable[str]) -> None:
        """Begin anew with these: they were changed, or a person asks for them."""
        for tunnel_hash in hashes:
            self._handed.discard(tunnel_hash)
            self._unstarted.pop(tunnel_hash, None)
            self._last_try.pop(tunnel_hash, None)
            self._backoffs.pop((tunnel_hash,), None)

    def kick(self) -> int:
        """Make everything that failed and may pass due now; return how many attempts that is.

        To each server one goes ahead; the others follow when it gets through. A machine that
        runs containers changes its routes all day.
        """
        now = self._now()
        for unit in self._members:
            backoff = self._backoff(unit)
            backoff.due, backoff.tries = now, 0
            self._kicked.add(unit)
        return len(self._members)

    def take_due(self) -> list[Attempt]:
        """Hand out what is to be started now, each once until it is settled."""
        now = self._now()
        found = []
        for unit, members in self._members.items():
            backoff = self._backoff(unit)
            if backoff.due is None or backoff.due > now:
                continue
            everybody, kicked = unit in self._open, unit in self._kicked
            ready = [
                status
                for key, status in members.items()
                if key not in self._handed and (everybody or kicked or self._is_ready(status))
            ]
            if not ready:
                backoff.due = now + _BUSY
                continue
            self._open.discard(unit)
            self._kicked.discard(unit)
            if not everybody and unit in self._flying:
                backoff.due = now + _BUSY  # one is on its way: it will tell
                continue
            backoff.tries += 1
            backoff.due = now + self._delay(unit, backoff.tries)
            if not everybody:
                ready = [min(ready, key=lambda status: self._last_try.get(status.spec.hash, 0.0))]
            found += [self._attempt(status, backoff.tries, now) for status in ready]
        return found

    def next_due(self) -> float | None:
        """Say when `take_due` will have something; None: as things are, never."""
        moments = [
            backoff.due
            for unit, backoff in self._backoffs.items()
            if backoff.due is not None and unit in self._members
        ]
        return min(moments, default=None)

    def tries(self, status: TunnelStatus) -> int:
        """Say how often it was tried since it failed first."""
        unit = self._unit(status)
        backoff = self._backoffs.get(unit) if unit else None
        return backoff.tries if backoff else 0

    def waits_for_person(self, status: TunnelStatus) -> bool:
        """Say whether a dead tunnel stays so until somebody does something."""
        return status.state is State.DEAD and self._unit(status) is None

    def _unit(self, status: TunnelStatus) -> Unit | None:
        """Say with whom a failed tunnel waits; None: it has not failed, or waits for a person."""
        code = status.reason.code if status.reason else None
        if status.state is State.STARTING:
            waits = status.ssh_pid is None and status.pid is not None and code in AWAY
            return _server(status.spec) if waits else None
        if status.state is not State.DEAD or status.spec.interactive or not self._may(status):
            return None
        if code in AWAY:
            return _server(status.spec)
        if code in AGAIN:
            return (status.spec.hash,)
        if code is ReasonCode.UNKNOWN:
            backoff = self._backoffs.get((status.spec.hash,))
            return (status.spec.hash,) if not backoff or backoff.tries < UNKNOWN_TRIES else None
        return None

    def _meet(self, status: TunnelStatus) -> None:
        """Take note of a proven process, and of whether it was we who started it."""
        tunnel_hash = status.spec.hash
        if status.state is State.STOPPED:
            self._met.pop(tunnel_hash, None)
        elif status.state is not State.DEAD and self._met.get(tunnel_hash, (0,))[0] != status.pid:
            self._met[tunnel_hash] = (status.pid, self._is_started(tunnel_hash))

    def _may(self, status: TunnelStatus) -> bool:
        """Say whether a dead tunnel was to run: anybody can write a line of one that was stopped.

        Of what the shell scripts have started only its process tells, while it lived.
        """
        pid, ours = self._met.get(status.spec.hash, (None, True))
        return self._is_started(status.spec.hash) or (not ours and pid == status.pid)

    def _note_sleep(self, status: TunnelStatus) -> None:
        which = f"{status.pid} {status.detail}"  # the detail counts the attempts
        if self._sleeps.get(status.spec.hash, ("",))[0] != which:
            self._sleeps[status.spec.hash] = (which, self._now())

    def _forget_all_but(self, hashes: Collection[str]) -> None:
        for known in (self._unstarted, self._last_try, self._flights, self._sleeps, self._met):
            for tunnel_hash in known.keys() - hashes:
                del known[tunnel_hash]
        self._handed.intersection_update(hashes)

    def _is_ready(self, status: TunnelStatus) -> bool:
        """Leave an autossh alone that will try by itself soon enough: its sleeps get longer."""
        if status.state is not State.STARTING:
            return True
        since = self._sleeps[status.spec.hash][1]
        return self._now() - since >= AWAY_CAP

    def _flies(self, status: TunnelStatus) -> bool:
        pid, since = self._flights.get(status.spec.hash, (None, 0.0))
        if pid != status.ssh_pid or pid is None:
            since = self._now()
            self._flights[status.spec.hash] = (status.ssh_pid, since)
        return self._now() - since < _FLIGHT

    def _pace(self, reached: set[Unit]) -> None:
        """Set the time of the next attempt for what has failed, forget what has stood."""
        now = self._now()
        for unit in self._members:
            backoff = self._backoff(unit)
            backoff.quiet_since = None
            if unit in reached:
                backoff.due = now
                self._open.add(unit)
            elif backoff.due is None:
                backoff.due = now + self._delay(unit, backoff.tries)
        for unit, backoff in tuple(self._backoffs.items()):
            if unit in self._members:
                continue
            backoff.due = None
            self._open.discard(unit)
            self._kicked.discard(unit)
            if self._states.get(unit[0], (None, None))[0] is State.DEAD:
                continue  # tried often enough: it waits for a person
            if backoff.quiet_since is None:
                backoff.quiet_since = now
            elif now - backoff.quiet_since >= STOOD:
                del self._backoffs[unit]

    def _backoff(self, unit: Unit) -> _Backoff:
        return self._backoffs.setdefault(unit, _Backoff())

    def _delay(self, unit: Unit, tries: int) -> float:
        cap = CAP
        if len(unit) > 1:
            servers = sum(len(other) > 1 for other in self._members)
            cap = max(AWAY_CAP, servers / AWAY_RATE)
        return float(min(cap, 2 ** min(tries, 10))) * (0.75 + 0.25 * self._chance())

    def _attempt(self, status: TunnelStatus, number: int, now: float) -> Attempt:
        tunnel_hash = status.spec.hash
        self._handed.add(tunnel_hash)
        self._last_try[tunnel_hash] = now
        waiting = status.pid or 0 if status.state is State.STARTING else 0
        registered = status.state is not State.STOPPED
        return Attempt(status.spec, status.reason, waiting, registered, number)


def _server(spec: TunnelSpec) -> Unit:
    """What leads to the same server by the same way."""
    return ("server", spec.remote_host, *spec.ssh_options)


def _reached(status: TunnelStatus) -> bool:
    """Say whether a tunnel proves that its server can be reached."""
    if status.state is State.RUNNING:
        return True
    code = status.reason.code if status.reason else None
    return status.state is State.DEAD and code in (
        ReasonCode.PERMISSION_DENIED,
        ReasonCode.TOO_MANY_FAILURES,
        ReasonCode.HOST_KEY_CHANGED,
        ReasonCode.FORWARDING_REFUSED,
        ReasonCode.REMOTE_PORT_BUSY,
    )
