"""Tunnels that never come to rest: what the app has to bear at its busiest."""

import random
import threading
import time

from tests.tui.fake import REFUSED, FakeEngine, make_settings, spec
from tunnel_tui.model import State, Traffic, TunnelStatus
from tunnel_tui.supervise.monitor.monitor import Change


def make_engine(tunnels: int) -> FakeEngine:
    """Let so many tunnels run."""
    now = time.time()
    statuses = [
        TunnelStatus(
            spec(f"tunnel-{number:03}", f"me@host-{number % 20}", local=str(10_000 + number)),
            State.RUNNING,
            pid=1000 + number,
            ssh_pid=2000 + number,
            since=now - number * 60,
            traffic=Traffic(0.02, number, number),
        )
        for number in range(tunnels)
    ]
    return FakeEngine(statuses, make_settings("/nonexistent"))


class Restless:
    """Changes the state of one tunnel after the other; once a second all have had traffic."""

    def __init__(self, engine: FakeEngine, per_second: int) -> None:
        self._engine = engine
        self._per_second = per_second
        self._total = 0
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> None:
        """Begin, in a thread of its own as the monitor's."""
        self._thread.start()

    def stop(self) -> None:
        """Let them rest."""
        self._ending.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._ending.wait(1 / self._per_second):
            self._change()

    def _change(self) -> None:
        """Let one tunnel go from RUNNING to STARTING or back."""
        engine = self._engine
        self._total += 1
        place = random.randrange(len(engine.statuses))
        old = engine.statuses[place]
        falls = old.state is State.RUNNING
        state = State.STARTING if falls else State.RUNNING
        reason = REFUSED if falls else None
        engine.statuses[place] = old._replace(state=state, reason=reason, since=time.time())
        if self._total % self._per_second == 0:
            for index, status in enumerate(engine.statuses):
                traffic = Traffic(0.02, self._total * 100, self._total * 1000 + index)
                engine.statuses[index] = status._replace(traffic=traffic)
        changed = Change(old.spec.hash, old.spec.name, old.state, state, reason)
        assert engine._on_snapshot is not None
        engine._on_snapshot(engine.snapshot([changed]))
