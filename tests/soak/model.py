"""What should be true of every tunnel, given what was asked for and what was done to it."""

import threading
from collections import Counter, deque
from collections.abc import Container, Iterable
from enum import Enum

from tests.soak.clock import Clock, stamp
from tunnel_tui.model import Direction, TunnelSpec

PROMPT = 25.0
"""Seconds until a tunnel stands again after what autossh or the watcher mends at once."""
FROZEN = 62.0
"""Seconds for which a freeze may go unnoticed (15 s x 3, and the answer that is waited for)."""
LAZY = 95.0
"""Seconds until a tunnel stands again where attempts have become rare (60 s, autossh's 30 s)."""
MEMORY = 60.0
"""Seconds for which a watcher remembers that a tunnel has died."""
CROSSING = 15.0
"""Seconds for which starts that were asked for together may still wait in a queue."""
UPKEEP = 15.0
"""Seconds until a watcher has written lost entries again."""


class Wish(Enum):
    """What should be true."""

    UP = "up"
    DOWN = "down"
    EITHER = "either"


class Tunnel:
    """One tunnel of the model; a changed one is another.

    Attributes:
        agree_by: from when on what is true must be what is wished.
        blind_until: until when it may say RUNNING without traffic for as long as a freeze takes.
        entry_by: from when on it must be registered if it runs.
        disturbed: when something was done to it last.
        hands: commands under way that concern it.
        held: something is being done to it that must not be mixed with commands.
        registered: whether the state file had it at the last look.
    """

    def __init__(self, spec: TunnelSpec, server: str) -> None:
        self.spec, self.server = spec, server
        self.configured = True
        self.wish = Wish.UP
        self.agree_by = self.blind_until = self.entry_by = self.disturbed = 0.0
        self.hands = self.held = 0
        self.registered = False
        self.faults: deque[str] = deque(maxlen=12)
        self.deaths: deque[float] = deque(maxlen=8)

    @property
    def name(self) -> str:
        return self.spec.name

    @property
    def hash(self) -> str:
        return self.spec.hash

    @property
    def inward(self) -> bool:
        return self.spec.direction is Direction.REMOTE_TO_LOCAL

    @property
    def port(self) -> int:
        """The port that it listens at; servers are here too."""
        text = self.spec.local_port if self.inward else self.spec.remote_port
        return int(text.rpartition(":")[2])

    def __str__(self) -> str:
        return f"{self.name} ({self.hash[:8]})"


class Model:
    """All tunnels, those that were removed included. Safe to use from any thread."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.lock = threading.RLock()
        self.tunnels: list[Tunnel] = []
        self.done: Counter[str] = Counter()
        self.story: deque[str] = deque(maxlen=400)
        self.unwatched = True
        self.turn = 0
        self.turned = 0.0

    # -- choosing

    def configured(self) -> list[Tunnel]:
        with self.lock:
            return [tunnel for tunnel in self.tunnels if tunnel.configured]

    def quiet(self) -> list[Tunnel]:
        """Those that can be asked to start or stop: nothing else is being done to them."""
        return [
            tunnel
            for tunnel in self.configured()
            if not (tunnel.hands or tunnel.held or tunnel.spec.interactive)
        ]

    def of_server(self, server: str) -> list[Tunnel]:
        with self.lock:
            return [tunnel for tunnel in self.tunnels if tunnel.server == server]

    # -- what was done

    def note(self, kind: str, tunnels: Iterable[Tunnel], text: str) -> None:
        """Count a fault and remember it with the tunnels that it concerns."""
        with self.lock:
            self.done[kind] += 1
            self.remember(tunnels, f"{kind}: {text}" if text else kind)

    def remember(self, tunnels: Iterable[Tunnel], text: str) -> None:
        line = f"{stamp()} {text}"
        with self.lock:
            self.story.append(line)
            for tunnel in tunnels:
                tunnel.faults.append(line)

    def disturb(self, tunnels: Iterable[Tunnel], grace: float = PROMPT) -> None:
        """Allow these so many seconds until what is true agrees with what is wished."""
        now = self.clock.now()
        with self.lock:
            for tunnel in tunnels:
                tunnel.disturbed = now
                tunnel.agree_by = max(tunnel.agree_by, now + grace)

    def kill(self, tunnels: Iterable[Tunnel]) -> None:
        """Take note of a death: the watcher waits longer after each of several in a row."""
        now = self.clock.now()
        for tunnel in tunnels:
            self.endanger([tunnel])
            with self.lock:
                while tunnel.deaths and now - tunnel.deaths[-1] > 2 * MEMORY:
                    tunnel.deaths.clear()
                tunnel.deaths.append(now)
                count = len(tunnel.deaths)
            self.disturb([tunnel], PROMPT + min(60.0, 2.0**count if count > 1 else 0.0))

    def freeze(self, tunnels: Iterable[Tunnel], seconds: float) -> None:
        """Allow these to look well without being so, for as long as a freeze may take."""
        now = self.clock.now()
        # Beyond half a minute ssh may give up at any moment, and find its old self in its place.
        grace = seconds + (PROMPT if seconds < 25 else LAZY)
        with self.lock:
            for tunnel in tunnels:
                tunnel.blind_until = max(tunnel.blind_until, now + seconds + 5.0)
        self.disturb(tunnels, grace)

    def forget_entries(self) -> None:
        """The state file may lose any line now: the watcher finds the live ones soon."""
        now = self.clock.now()
        with self.lock:
            for tunnel in self.tunnels:
                tunnel.entry_by = max(tunnel.entry_by, now + UPKEEP)
                tunnel.registered = False

    def lose_dead(self, live: Container[str]) -> None:
        """It has lost them; what had no process at that moment is not found again."""
        with self.lock:
            self.endanger(tunnel for tunnel in self.tunnels if tunnel.hash not in live)

    def endanger(self, tunnels: Iterable[Tunnel]) -> None:
        """These may die. What has no line any more and no process is what somebody has stopped."""
        now = self.clock.now()
        with self.lock:
            for tunnel in tunnels:
                lost = now < tunnel.entry_by and not tunnel.registered
                if lost and tunnel.wish is Wish.UP and not tunnel.spec.interactive:
                    tunnel.wish = Wish.EITHER

    # -- what was asked for

    def ask(self, tunnels: Iterable[Tunnel], wish: Wish, grace: float = PROMPT) -> None:
        """From now on these should be so."""
        chosen = list(tunnels)
        with self.lock:
            for tunnel in chosen:
                tunnel.wish = wish
        self.disturb(chosen, grace)

    def claim(self, tunnels: Iterable[Tunnel]) -> list[Tunnel]:
        """Take those in hand of which no other command is about; `take_hands(…, -1)` lets go."""
        with self.lock:
            free = [tunnel for tunnel in tunnels if tunnel in self.quiet()]
            self.take_hands(free)
            return free

    def take_hands(self, tunnels: Iterable[Tunnel], by: int = 1) -> None:
        with self.lock:
            for tunnel in tunnels:
                tunnel.hands += by

    def ask_for_all(self, grace: float) -> None:
        """A watcher starts everything in the file; what a command is stopping may go either way."""
        with self.lock:
            self.turn += 1
            self.turned = self.clock.now()
            for tunnel in self.tunnels:
                if tunnel.configured and not tunnel.spec.interactive:
                    tunnel.wish = Wish.EITHER if tunnel.hands else Wish.UP
            self.disturb(self.tunnels, grace)

    def answer(self, tunnels: Iterable[Tunnel], wish: Wish, turn: int) -> None:
        """A command that began at `turn` has ended: this is what these should be now.

        Where the watcher began to start everything meanwhile, or has just done so, nobody knows.
        """
        crossed = self.turn != turn or (
            wish is Wish.DOWN and self.clock.now() - self.turned < CROSSING
        )
        chosen = [tunnel for tunnel in tunnels if tunnel.configured]
        self.ask(chosen, Wish.EITHER if crossed else wish)

    def left_down(self, seconds: float) -> list[Tunnel]:
        """Those that have been stopped for so long that somebody should want them again."""
        long_ago = self.clock.now() - seconds
        return [t for t in self.quiet() if t.wish is Wish.DOWN and t.disturbed < long_ago]

    def unsure(self) -> list[Tunnel]:
        """Those of which nobody knows what they should be, though nothing is under way."""
        return [tunnel for tunnel in self.quiet() if tunnel.wish is Wish.EITHER]
