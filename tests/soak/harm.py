"""What every fault has at hand, and the list of all faults."""

import random
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from os import kill
from typing import NamedTuple

from tests.soak.kernel import Kernel, ProcessTable, Seen
from tests.soak.model import Model, Tunnel, Wish
from tests.soak.people import App, Watch
from tests.soak.place import NAMES, Place

LOGIN_SERVER = NAMES[-1]


class Harm:
    """One fault: its own dice, and the place it happens in."""

    def __init__(
        self,
        place: Place,
        model: Model,
        app: App,
        watch: Watch,
        ending: threading.Event,
        problem: Callable[[str], None],
    ) -> None:
        self.place, self.model, self.app, self.watch = place, model, app, watch
        self.ending, self.problem = ending, problem
        self.dice = random.Random(0)
        self.duty = threading.RLock()
        """Held while the watch changes hands."""
        self._claimed: set[str] = set()
        self._kernel = Kernel(place.home.path)

    def with_dice(self, seed: int) -> "Harm":
        """The same place for one more fault."""
        twin = Harm.__new__(Harm)
        twin.__dict__.update(self.__dict__)
        twin.dice = random.Random(seed)
        return twin

    def pause(self, shortest: float, longest: float) -> None:
        """Wait; no longer than the run."""
        self.ending.wait(self.dice.uniform(shortest, longest))

    def victims(self, most: int = 1) -> list[Tunnel]:
        """Some that should be up and that nobody holds."""
        able = [
            tunnel
            for tunnel in self.model.configured()
            if tunnel.wish is Wish.UP and not tunnel.spec.interactive and not tunnel.held
        ]
        return self.dice.sample(able, min(len(able), self.dice.randint(1, most)))

    def idle(self, most: int = 1, wish: Wish = Wish.UP) -> list[Tunnel]:
        """Some that no command is about."""
        able = [tunnel for tunnel in self.model.quiet() if tunnel.wish is wish]
        return self.dice.sample(able, min(len(able), self.dice.randint(1, most)))

    def look(self) -> ProcessTable:
        """The processes of this moment."""
        return self._kernel.look()

    def signal(self, processes: Sequence[Seen], signum: int) -> list[Seen]:
        """Signal processes that were just found; return those that were there."""
        met = []
        for seen in processes:
            with suppress(ProcessLookupError):
                kill(seen.pid, signum)
                met.append(seen)
        return met

    def thaw(self, frozen: Sequence[Seen]) -> None:
        """Let go on what is still there; a number may be somebody else's by now."""
        there = {(seen.pid, seen.hash) for seen in self.look().processes}
        self.signal([seen for seen in frozen if (seen.pid, seen.hash) in there], signal.SIGCONT)

    @contextmanager
    def claiming(self, what: str) -> Iterator[bool]:
        """Have something to oneself; False: another fault has it."""
        with self.model.lock:
            got = what not in self._claimed
            self._claimed.add(what)
        try:
            yield got
        finally:
            if got:
                with self.model.lock:
                    self._claimed.discard(what)

    @contextmanager
    def holding(self, tunnels: Sequence[Tunnel]) -> Iterator[None]:
        """Keep commands away from these meanwhile."""
        with self.model.lock:
            for tunnel in tunnels:
                tunnel.held += 1
        try:
            yield
        finally:
            with self.model.lock:
                for tunnel in tunnels:
                    tunnel.held -= 1


class Kind(NamedTuple):
    """One kind of fault; `weight` says how often it comes."""

    name: str
    weight: float
    do: Callable[[Harm], None]
    late: bool


KINDS: list[Kind] = []


def fault(
    name: str, weight: float = 1.0, *, late: bool = True
) -> Callable[[Callable[[Harm], None]], Callable[[Harm], None]]:
    """Register a fault; `late` ones may come until the end of the run."""

    def register(do: Callable[[Harm], None]) -> Callable[[Harm], None]:
        KINDS.append(Kind(name, weight, do, late))
        return do

    return register
