"""One soak: build, do harm for so many minutes, let everything settle, end it, judge."""

import random
import subprocess
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from tests.soak import hands, mischief, violence  # noqa: F401  (they register their faults)
from tests.soak.clock import Clock, stamp
from tests.soak.growth import Growth
from tests.soak.harm import KINDS, Harm, Kind
from tests.soak.judge import Judge
from tests.soak.model import Model, Tunnel, Wish
from tests.soak.people import App, Watch
from tests.soak.place import Place
from tests.soak.probe import Prober
from tests.support.daemon import zombies_of
from tests.support.processes import alive
from tunnel_tui.model import State

AT_ONCE = 12
"""Faults under way at a time."""
COMMAND_EVERY = 10
"""Ticks between two comparisons with `status --json`."""
SETTLING = 240.0
"""Seconds until everything must be well after the last fault: more than any grace."""


class Result(NamedTuple):
    """What a run came to."""

    seed: int
    minutes: float
    tunnels: int
    faults: dict[str, int]
    checks: int
    noticed: float
    frozen: float
    recovered: float
    watcher_growth: float
    app_growth: float
    share: float
    violations: list[str]


class Soak:
    """Everything of one run."""

    def __init__(self, minutes: float, seed: int, tunnels: int) -> None:
        self.minutes, self.seed = minutes, seed
        self.clock = Clock()
        self.model = Model(self.clock)
        self.prober = Prober(self.clock)
        self.place = Place(self.model, self.prober, tunnels)
        self.judge = Judge(self.place, self.model, self.prober, seed)
        problem = self.judge.problem
        self.app = App(self.place, self.model, problem)
        self.watch = Watch(self.place, self.model, problem)
        self.ending = threading.Event()
        self.harm = Harm(self.place, self.model, self.app, self.watch, self.ending, problem)
        self.growths = (Growth("the watcher"), Growth("the app"))
        self._zombies: set[str] = set()
        self._command: subprocess.Popen[str] | None = None
        self._before: dict[str, State] = {}
        self._ticks = 0
        self._count = tunnels
        self._told = time.monotonic()

    def run(self) -> Result:
        try:
            self._begin()
            self._harm()
            self._settle()
            self._end()
        finally:
            self.ending.set()
            self._close()
        judge = self.judge
        return Result(
            self.seed,
            self.minutes,
            self._count,
            dict(self.model.done.most_common()),
            judge.checks,
            round(judge.noticed, 2),
            round(judge.frozen, 1),
            round(judge.recovered, 1),
            round(self.growths[0].worst, 1),
            round(self.growths[1].worst, 1),
            round(self.clock.share, 2),
            judge.violations,
        )

    # -- the parts of a run

    def _begin(self) -> None:
        say(f"{self._count} tunnels, {self.minutes:g} minutes, seed {self.seed}")
        self.watch.start()
        riders = [tunnel for tunnel in self.model.configured() if tunnel.spec.interactive]
        violence.log_in(self.harm, riders)
        self.app.open()
        self._until(self._well, 120, "every tunnel carries traffic")
        say("all are up")

    def _harm(self) -> None:
        dice = random.Random(self.seed)
        began = time.monotonic()
        length = self.minutes * 60
        late_from = length * 2 / 3 if self.minutes >= 6 else length
        due = began
        with ThreadPoolExecutor(AT_ONCE) as pool:
            try:
                while time.monotonic() < began + length and not self.judge.enough:
                    self._tick()
                    while time.monotonic() >= due:
                        due += dice.uniform(1, 3)
                        late = time.monotonic() > began + late_from
                        kind = choose(dice, late)
                        pool.submit(self._do, kind.do, dice.getrandbits(64), kind.name)
            finally:
                self.ending.set()
            # What is under way heals itself now; meanwhile we go on looking.
            say("no more faults")
            done = threading.Event()
            pool.submit(lambda: None)
            threading.Thread(target=lambda: (pool.shutdown(), done.set()), daemon=True).start()
            while not done.is_set():
                self._tick()

    def _do(self, act: Callable[[Harm], None], seed: int, name: str) -> None:
        if self.ending.is_set():
            return
        try:
            act(self.harm.with_dice(seed))
            unsure = self.model.unsure()
            if unsure and not self.ending.is_set():
                hands.settle(self.harm.with_dice(seed), unsure[:3])
            elif not self.ending.is_set():
                hands.order(self.harm, "start", self.model.left_down(20.0)[:3])
        except Exception as error:
            import traceback

            self.judge.problem(f"the soak itself, {name}: {error!r}\n{traceback.format_exc()}")

    def _settle(self) -> None:
        if self.judge.enough:
            return
        say("settling")
        if self.watch.daemon is None:
            with self.harm.claiming("watch"):
                hands.bring_watch(self.harm)
        while unsure := self.model.unsure():
            hands.order(self.harm, "start", unsure)
            self._tick()
        self._until(self._well, SETTLING, "all that should be up is, and nothing else")
        end = time.monotonic() + 6
        while time.monotonic() < end:
            self._tick()

    def _end(self) -> None:
        """Stop all by command; then the watcher and the app leave; nothing may be left."""
        if self.judge.enough:
            return
        say("stopping all")
        tunnels = self.model.configured()
        self.model.ask(tunnels, Wish.EITHER)
        code, said = hands.command(self.harm, "stop")
        if code != 0:
            self.judge.problem(f"stop ended with {code}: {said}")
        self.model.ask(tunnels, Wish.DOWN, 5.0)
        self._until(lambda: not self.judge.census.processes, 15, "every process has ended")
        for _ in range(8):
            self._tick()
        if self.place.home.state_file.read_bytes():
            text = self.place.home.state_file.read_text(errors="replace")
            self.judge.problem(f"the state file is not empty: {text}")
        self.app.quit()
        code, took = self.watch.end()
        if code != 0 or took > 10:
            self.judge.problem(f"the watcher ended with {code} after {took:.1f} s")
        self._look_for_scraps()

    def _look_for_scraps(self) -> None:
        home = self.place.home
        left = [pid for pid in home.processes() if alive(pid)]
        if left:
            lines = [Path(f"/proc/{pid}/cmdline").read_bytes() for pid in left if alive(pid)]
            self.judge.problem(f"processes are left: {lines}")
        scraps = [str(path) for path in home.path.rglob("*.tmp*")]
        sockets = home.settings.socket_dir
        with suppress(OSError):
            scraps += [str(p) for p in Path(sockets).iterdir() if not p.name.endswith(".lock")]
        apps = home.path / "xdg-state" / "tunnel-tui" / "apps"
        with suppress(OSError):
            scraps += [str(path) for path in apps.iterdir() if not alive(int(path.name))][2:]
        if scraps:
            self.judge.problem(f"files are left: {scraps}")

    def _close(self) -> None:
        self.app.lock.acquire(timeout=10)
        if self.app.window is not None:
            self.app.window.close()
        if self.watch.daemon is not None:
            self.watch.daemon.close()
        self.prober.close()
        self.place.close()

    # -- every second

    def _tick(self) -> None:
        began = time.monotonic()
        self._ticks += 1
        self.clock.tick()
        self.prober.watch(tunnel.port for tunnel in self.model.configured())
        self.judge.compare()
        screen = self.app.look()
        if screen is not None:
            self.judge.compare_screen(screen, self.app.opened)
        if self.watch.lock.acquire(blocking=False):
            try:
                self.judge.check_watch(self.watch)
            finally:
                self.watch.lock.release()
        self._compare_command()
        if self._ticks % 5 == 0:
            self._look_at_growth()
        if time.monotonic() >= self._told + 60:
            self._tell()
        time.sleep(max(0.05, began + 1.0 - time.monotonic()))

    def _compare_command(self) -> None:
        running = self._command
        if running is not None and running.poll() is not None:
            said, _ = running.communicate()
            self._command = None
            self.judge.compare_command(self._before, said)
        if self._command is None and self._ticks % COMMAND_EVERY == 0:
            self._before = {key: s.state for key, s in self.judge.statuses.items()}
            self._command = subprocess.Popen(
                self.place.home.command("status", "--json"),
                env=self.place.home.variables,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
            )

    def _look_at_growth(self) -> None:
        daemon = self.watch.daemon
        pids = (daemon.pid if daemon else 0, self.app.pid)
        zombies: set[str] = set()
        for growth, pid in zip(self.growths, pids, strict=True):
            grown = growth.look(pid, time.monotonic())
            if grown:
                self.judge.report("growth", None, grown)
            with suppress(OSError):
                zombies |= {line.split(")")[0] for line in zombies_of(pid)} if pid else set()
        for zombie in zombies & self._zombies:
            self.judge.report("zombie", None, zombie)
        self._zombies = zombies

    def _tell(self) -> None:
        self._told = time.monotonic()
        counts = {state.value: 0 for state in State}
        for status in self.judge.statuses.values():
            counts[status.state.value] += 1
        shown = " ".join(f"{key.lower()} {count}" for key, count in counts.items() if count)
        faults = sum(self.model.done.values())
        grown = " ".join(f"{growth.latest:+.1f}" for growth in self.growths)
        say(
            f"{self.clock.elapsed() / 60:.0f} min: {faults} faults, {self.judge.checks} checks, "
            f"{shown}, {len(self.judge.violations)} violations, "
            f"grown {grown} MB, clock {self.clock.share:.2f}"
        )

    # -- waiting

    def _well(self) -> bool:
        return not self._unwell()

    def _unwell(self) -> list[Tunnel]:
        found = []
        for tunnel in self.model.tunnels:
            status = self.judge.statuses.get(tunnel.hash)
            passing = self.prober.answer(tunnel.port).good_since is not None
            running = status is not None and status.state is State.RUNNING
            up = passing and running and tunnel.configured
            if tunnel.wish is Wish.UP and not up:
                found.append(tunnel)
            if tunnel.wish is Wish.DOWN and self.judge.census.of(tunnel.hash):
                found.append(tunnel)
        return found

    def _until(self, condition: Callable[[], bool], seconds: float, what: str) -> None:
        deadline = self.clock.now() + seconds
        while True:
            self._tick()
            if condition() or self.judge.enough:
                return
            if self.clock.now() > deadline:
                for tunnel in self._unwell()[:5] or [None]:
                    self.judge.report("end", tunnel, f"not within {seconds:g} s: {what}")
                return


def choose(dice: random.Random, late: bool) -> Kind:
    """Throw the dice for the kind of the next fault."""
    kinds = [kind for kind in KINDS if kind.late or not late]
    return dice.choices(kinds, [kind.weight for kind in kinds])[0]


def say(text: str) -> None:
    """Tell who watches the run how it goes."""
    print(f"{stamp()} {text}", flush=True)
