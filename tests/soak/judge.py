"""Compares, every second, what should be true with what the kernel, the engine and people see."""

import json
from collections.abc import Iterable
from typing import Any

from tests.soak.clock import stamp
from tests.soak.kernel import Kernel, ProcessTable
from tests.soak.model import FROZEN, Model, Tunnel, Wish
from tests.soak.people import Screen, Watch
from tests.soak.place import Place
from tests.soak.probe import Prober
from tunnel_tui.errors import LockHeldError, TunnelTuiError
from tunnel_tui.model import State, TunnelSpec, TunnelStatus
from tunnel_tui.observe.observer import Observer
from tunnel_tui.state.state_file import StateFile

LIE = 3.0
"""Seconds for which somebody may not know yet what the kernel knows."""
MODEST = 5.0
"""Seconds for which a tunnel may carry traffic without being called RUNNING."""
ENOUGH = 20
"""Violations after which there is nothing more to learn."""
_AGAIN = 30.0
_LOOKS = 3
"""Looks that must have seen it: between two that are far apart much may have happened."""


class Judge:
    """Looks and compares.

    Attributes:
        violations: what was found, in words.
        checks: comparisons made.
        noticed, frozen: the longest that something said RUNNING without traffic.
        recovered: the longest that a tunnel took to stand again, of those that had to.
    """

    def __init__(self, place: Place, model: Model, prober: Prober, seed: int) -> None:
        self.violations: list[str] = []
        self.checks = 0
        self.noticed = self.frozen = self.recovered = 0.0
        self.statuses: dict[str, TunnelStatus] = {}
        self.census = ProcessTable(())
        self._place, self._model, self._prober, self._seed = place, model, prober, seed
        self._observer = Observer(place.settings)
        self._kernel = Kernel(place.home.path)
        self._since: dict[tuple[str, str], tuple[object, float]] = {}
        self._seen: dict[tuple[str, str], int] = {}
        self._silent: dict[tuple[str, str], float] = {}
        self._down: dict[str, tuple[float, float]] = {}
        self._entries: set[str] = set()

    # -- one second

    def look(self) -> None:
        """Take in what is true now."""
        specs = [tunnel.spec for tunnel in self._model.configured()]
        self.statuses = {s.spec.hash: s for s in self._observer.observe(specs)}
        self._entries = {entry.hash for entry in self._observer.state.entries}
        with self._model.lock:
            for tunnel in self._model.tunnels:
                tunnel.registered = tunnel.hash in self._entries
        self.census = self._kernel.look()

    def compare(self) -> None:
        """Compare it with what should be true."""
        self.look()
        with self._model.lock:
            tunnels = list(self._model.tunnels)
        leaders = self.census.leaders()
        orphans = {seen.hash for seen in self.census.orphans()}
        for tunnel in tunnels:
            self._judge_words(tunnel)
            self._judge_wish(tunnel)
            self._judge_processes(tunnel, leaders.get(tunnel.hash, []), tunnel.hash in orphans)
        known = {tunnel.hash for tunnel in tunnels}
        for tag in {seen.hash for seen in self.census.processes if seen.hash} - known:
            self.report("strange", None, f"a process of a tunnel that never was: {tag}")

    def _judge_words(self, tunnel: Tunnel) -> None:
        """RUNNING means that traffic passes, and nothing else does.

        Not `RUNNING ?`: what the far end made of a remote forward stood in the log that is lost.
        """
        now, answer = self._model.clock.now(), self._prober.answer(tunnel.port)
        status = self.statuses.get(tunnel.hash)
        running = status is not None and status.state is State.RUNNING
        since = self._lasting(tunnel.hash, "running", running)
        certain = running and status is not None and status.confirmed
        lies = certain and answer.bad_since is not None
        looks = self._looks(tunnel.hash, "lies", lies)
        self.checks += 1
        if lies and answer.bad_since is not None:
            lasted = now - max(answer.bad_since, since)
            blind = now < tunnel.blind_until
            if blind:
                self.frozen = max(self.frozen, lasted)
            else:
                self.noticed = max(self.noticed, lasted)
            if lasted > (FROZEN if blind else LIE) and looks >= _LOOKS:
                self.report("lie", tunnel, f"RUNNING for {lasted:.1f} s while nothing passes")
        # An ssh whose autossh was killed still carries traffic, and is not what was wished for.
        orphan = now < tunnel.agree_by and any(
            seen.program == "ssh" and seen.parent == 1 for seen in self.census.of(tunnel.hash)
        )
        hides = not running and answer.good_since is not None and tunnel.wish is Wish.UP
        looks = self._looks(tunnel.hash, "hides", hides)
        if hides and answer.good_since is not None and not orphan:
            lasted = now - max(answer.good_since, since, tunnel.disturbed)
            if lasted > MODEST and tunnel.configured and looks >= _LOOKS:
                said = status.state.value if status else "nothing"
                self.report("modest", tunnel, f"{said} for {lasted:.1f} s while traffic passes")

    def _judge_wish(self, tunnel: Tunnel) -> None:
        now, answer = self._model.clock.now(), self._prober.answer(tunnel.port)
        passing = answer.good_since is not None
        status = self.statuses.get(tunnel.hash)
        self.checks += 1
        if tunnel.wish is Wish.UP:
            self._measure_recovery(tunnel, passing, now)
        late = now > tunnel.agree_by and not tunnel.hands and not tunnel.held
        if not late or self._model.unwatched:
            return
        if tunnel.wish is Wish.UP:
            if answer.bad_since is not None and now - answer.bad_since > LIE:
                self.report("down", tunnel, f"no traffic for {now - answer.bad_since:.0f} s")
            elif passing and tunnel.hash not in self._entries and now > tunnel.entry_by:
                self.report("lost", tunnel, "it runs and is not in the state file")
        elif tunnel.wish is Wish.DOWN:
            state = status.state if status else State.STOPPED
            if tunnel.configured and passing:
                self.report("up", tunnel, "traffic passes though it was stopped")
            if self.census.of(tunnel.hash):
                self.report("up", tunnel, f"{self.census.of(tunnel.hash)} though it was stopped")
            if state in (State.RUNNING, State.STARTING):
                self.report("up", tunnel, f"{state} though it was stopped")

    def _measure_recovery(self, tunnel: Tunnel, passing: bool, now: float) -> None:
        if not passing:
            began = self._down.get(tunnel.hash, (now, now))[0]
            self._down[tunnel.hash] = (began, now)
        elif tunnel.hash in self._down:
            began, last = self._down.pop(tunnel.hash)
            took = last - max(began, tunnel.disturbed)
            if not tunnel.held and not tunnel.hands and 0 < took < 300:
                self.recovered = max(self.recovered, took)

    def _judge_processes(self, tunnel: Tunnel, leaders: list[int], orphaned: bool) -> None:
        now = self._model.clock.now()
        self.checks += 1
        since = self._lasting(tunnel.hash, "doubled", len(leaders) > 1)
        if len(leaders) > 1 and now - since > 0.5:
            self.report("doubled", tunnel, f"{len(leaders)} autossh: {leaders}")
        since = self._lasting(tunnel.hash, "orphaned", orphaned)
        late = (
            now > tunnel.agree_by and not self._model.unwatched and tunnel.wish is not Wish.EITHER
        )
        if orphaned and late and now - since > LIE and not tunnel.hands:
            self.report("orphan", tunnel, "an ssh without its autossh stays")

    # -- what people see

    def compare_screen(self, screen: Screen, opened: float) -> None:
        """Compare the app with the engine: what has been so for long must be on the screen."""
        now = self._model.clock.now()
        if "Traceback" in screen.text:
            self.report("traceback", None, screen.text)
        if not screen.rows or now - opened < LIE:
            return
        counts: dict[str, int] = dict.fromkeys(State, 0)
        for tunnel in self._model.configured():
            status = self.statuses.get(tunnel.hash)
            if status is None:
                continue
            state = status.state.value
            shown = screen.rows.get(tunnel.name, state)
            if shown != state and self._is_handled(tunnel):
                shown = state
            self.checks += 1
            truth = self._lasting(tunnel.hash, "state", state)
            wrong = self._lasting(tunnel.hash, "shown", (shown != state, state))
            looks = self._looks(tunnel.hash, "wrong", shown != state)
            if looks >= _LOOKS and now - max(truth, wrong, opened) > LIE:
                self.report("screen", tunnel, f"the app shows {shown}, it is {state}")
        for status in self.statuses.values():
            counts[status.state.value] += 1
        if screen.counts is not None:
            differs = screen.counts != counts
            handled = differs and any(map(self._is_handled, self._model.configured()))
            since = self._lasting("", "counts", (differs, str(counts)))
            looks = self._looks("", "differs", differs and not handled)
            self.checks += 1
            if looks >= _LOOKS and now - max(since, opened) > LIE:
                self.report("header", None, f"the app counts {screen.counts}, there are {counts}")

    def _is_handled(self, tunnel: Tunnel) -> bool:
        """Somebody is starting or stopping it this moment: the app says that, and not DEAD."""
        try:
            with StateFile.of(self._place.settings).lock_tunnel(tunnel.hash, 0.0):
                return False
        except LockHeldError:
            return True
        except (TunnelTuiError, OSError):
            return False

    def compare_command(self, before: dict[str, State], said: str) -> None:
        """Compare `status --json`, run between two looks, with both."""
        try:
            records: list[dict[str, Any]] = json.loads(said)
        except ValueError:
            self.report("command", None, f"status --json said {said[:500]!r}")
            return
        self.look()
        after = {key: status.state for key, status in self.statuses.items()}
        told = {record["hash"]: record["state"] for record in records}
        for tunnel in self._model.configured():
            state = before.get(tunnel.hash)
            if state is None or state is not after.get(tunnel.hash):
                continue
            self.checks += 1
            wrong = told.get(tunnel.hash) != state
            since = self._lasting(tunnel.hash, "told", (wrong, state))
            if wrong and self._model.clock.now() - since > LIE:
                text = f"status says {told.get(tunnel.hash)}, it is {state}"
                self.report("command", tunnel, text)

    def check_watch(self, watch: Watch) -> None:
        self.checks += 1
        watch.check()

    # -- words

    def problem(self, text: str) -> None:
        """Something that concerns no single tunnel."""
        self.report("crash", None, text, always=True)

    def report(self, kind: str, tunnel: Tunnel | None, text: str, *, always: bool = False) -> None:
        """Write a violation down, once in a while for one tunnel."""
        key, now = (kind, tunnel.hash if tunnel else ""), self._model.clock.now()
        if not always and now - self._silent.get(key, -_AGAIN) < _AGAIN:
            return
        self._silent[key] = now
        lines = [f"{stamp()} seed {self._seed} +{now:.0f} s: {kind}: {tunnel or ''} {text}"]
        if tunnel is not None:
            lines += self._evidence(tunnel)
        else:
            lines += [f"  story: {line}" for line in list(self._model.story)[-8:]]
        self.violations.append("\n".join(lines))
        print("\n".join(lines), flush=True)

    @property
    def enough(self) -> bool:
        return len(self.violations) >= ENOUGH

    def _evidence(self, tunnel: Tunnel) -> Iterable[str]:
        now, answer = self._model.clock.now(), self._prober.answer(tunnel.port)
        status = self.statuses.get(tunnel.hash)
        yield f"  wished {tunnel.wish.value}, agreed by {tunnel.agree_by - now:+.1f} s"
        yield f"  kernel: {self.census.of(tunnel.hash)}"
        good = None if answer.good_since is None else f"{now - answer.good_since:.1f} s"
        bad = None if answer.bad_since is None else f"{now - answer.bad_since:.1f} s"
        there = tunnel.hash in self._entries
        yield f"  passes since {good}, fails since {bad}; registered: {there}"
        if status is not None:
            yield f"  status: {status._replace(spec=_nothing(status.spec))}"
        for line in tunnel.faults:
            yield f"  done: {line}"
        for line in self._place.home.log(tunnel.hash)[-2500:].splitlines()[-14:]:
            yield f"  log: {line[:220]!r}"

    def _looks(self, key: str, what: str, wrong: bool) -> int:
        """How many looks in a row have seen something wrong."""
        count = self._seen.get((key, what), 0) + 1 if wrong else 0
        self._seen[key, what] = count
        return count

    def _lasting(self, key: str, what: str, value: object) -> float:
        """Since when something has been what it is."""
        known = self._since.get((key, what))
        if known is None or known[0] != value:
            known = (value, self._model.clock.now())
            self._since[key, what] = known
        return known[1]


def _nothing(spec: TunnelSpec) -> TunnelSpec:
    return spec._replace(description="", group="")
