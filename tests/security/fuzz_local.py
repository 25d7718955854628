"""A hostile local user at random, beside a victim who works: `--minutes 10 --seed N`.

The user has the state file and the log directory in hand; the victim (a user and root in turns)
starts, stops, looks, tidies up, watches and loses tunnels over a real sshd. Needs root. The same
seed makes the same tricks and the same commands in the same order.
"""

import argparse
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import threading
import time
from collections import deque
from pathlib import Path

from tests.security import hostile_user
from tests.security.victim import Account, Victim
from tests.support.network import EchoService
from tests.support.opened import IN_ACCESS, IN_MODIFY, Opened
from tests.support.sshd import Keys, Sshd
from tests.support.users import Running, User, make_user, product_for_users

PROMISED = 3.0
"""Seconds: a command may take so much longer, a death be hidden, a stop need to be true."""
TURN = 60.0
"""Seconds of one victim."""
GIVEN_UP = 40.0
OPERATIONS = {
    "status": 6, "stats": 1, "show": 1, "logs": 1, "start": 2, "stop": 2, "start one": 2,
    "stop one": 3, "cleanup": 2, "watch": 2, "kill": 4,
}  # fmt: skip


class Canaries:
    """Files that are nobody's business: one of the victim, one of root, a directory."""

    def __init__(self, place: Path, uid: int) -> None:
        self.place = place
        place.mkdir()
        directory = place / "directory"
        directory.mkdir()
        for name in ("file", "root", "directory/inner"):
            (place / name).write_text(f"{name}\n")
            (place / name).chmod(0o600)
        for path in (place / "file", directory, directory / "inner"):
            os.chown(path, uid, -1)
        place.chmod(0o755)
        self._before = self._look()
        self._opened = Opened(place / "file", place / "root", mask=IN_ACCESS | IN_MODIFY)
        self._inner = Opened(directory, mask=IN_ACCESS | IN_MODIFY)

    def paths(self) -> dict[str, str]:
        names = ("file", "root", "directory", "missing", "command")
        return {name: str(self.place / name) for name in names}

    def _look(self) -> dict[str, tuple[int, ...]]:
        found = {}
        for path in sorted(self.place.rglob("*")):
            status = path.lstat()
            # Not the count of links nor the time of change: a stranger may add a link.
            owner = (status.st_uid, status.st_gid, status.st_mode)
            changed = () if path.is_dir() else (status.st_size, status.st_mtime_ns)
            found[str(path.relative_to(self.place))] = (*owner, *changed)
        return found

    def complaints(self) -> list[str]:
        """What has happened to them."""
        told = []
        if (now := self._look()) != self._before:
            told.append(f"a file outside was changed: {now} was {self._before}")
            self._before = now
        for opened in (self._opened, self._inner):
            if opened.look():
                told.append(f"a file outside was read or written: {opened.names}")
                opened.names.clear()
        return told


class Attacker:
    """Does a random trick now and then."""

    def __init__(self, user: User, aim: dict[str, object], seed: int) -> None:
        self._dice = random.Random(seed)
        self._hands: Running = user.run_as(Path(hostile_user.__file__).read_text())
        self._tell(aim)
        assert self._hands.line() == "ready"
        self.done: deque[str] = deque(maxlen=12)
        self.count = self.worked = 0

    def _tell(self, message: dict[str, object]) -> None:
        stdin = self._hands.process.stdin
        assert stdin
        stdin.write(json.dumps(message) + "\n")
        stdin.flush()

    def step(self) -> float:
        """Do one trick; returns the seconds until the next."""
        trick = self._dice.choice(hostile_user.TRICKS)
        seed, pause = self._dice.getrandbits(32), self._dice.choice((0.0, 0.05, 0.1, 0.4))
        self._tell({"trick": trick, "seed": seed})
        line = self._hands.line()
        assert line, f"the hostile user's hands fell off at {trick} (seed {seed})"
        said = json.loads(line)["done"]
        self.count += 1
        self.worked += not said.startswith("could not")
        self.done.append(f"{trick}: {said}")
        return pause

    def rest(self) -> None:
        """Let go of everything."""
        self._tell({"trick": "release", "seed": 0})
        self._hands.line()

    def close(self) -> None:
        self._hands.close()


class Turn:
    """One victim and one attacker for some time."""

    def __init__(self, victim: Victim, attacker: Attacker, canaries: Canaries, seed: int) -> None:
        self.victim, self.attacker, self.canaries = victim, attacker, canaries
        self._dice = random.Random(seed)
        self._over = threading.Event()
        self.complaints: list[str] = []
        self.log: deque[str] = deque(maxlen=8)
        self.commands = self.fine = self.stood = 0
        self._usual: dict[str, float] = {}

    def complain(self, text: str) -> None:
        """Note down a promise that was broken, and what had just been done."""
        tricks = "".join(f"\n      {trick}" for trick in list(self.attacker.done))
        work = "".join(f"\n      {each}" for each in self.log)
        self.complaints.append(f"{text}\n    tricks:{tricks}\n    commands:{work}")
        print(f"BROKEN: {self.complaints[-1]}", flush=True)

    def measure(self) -> None:
        """How long commands take while nobody attacks."""
        for name in ("start", "status", "cleanup", "stop", "watch", "watch"):
            self._do(name)

    def run(self, seconds: float) -> None:
        """Attack and work at the same time."""
        threads = [threading.Thread(target=each) for each in (self._attack, self._judge)]
        for thread in threads:
            thread.start()
        end = time.monotonic() + seconds
        names, weights = list(OPERATIONS), list(OPERATIONS.values())
        try:
            while time.monotonic() < end:
                self._do(self._dice.choices(names, weights)[0], attacked=True)
        finally:
            self._over.set()
            for thread in threads:
                thread.join()

    def _attack(self) -> None:
        while not self._over.wait(self.attacker.step()):
            pass

    # -- the victim

    def _do(self, name: str, attacked: bool = False) -> None:
        self.commands += 1
        began = time.monotonic()
        seconds = getattr(self, f"_{name.replace(' ', '_')}")()
        self.log.append(f"{began % 1000:.1f} {name}: {seconds:.1f} s")
        if not attacked:
            self._usual[name] = max(seconds, self._usual.get(name, 0.0))
            return
        usual = self._usual.get(name.split()[0], self._usual["status"])
        if seconds > PROMISED + 2 * usual:
            where = self.victim.account.errors.read_text(errors="replace")
            self.complain(f"{name} took {seconds:.1f} s, else {usual:.1f} s\n{where[-3000:]}")

    def _run(self, *arguments: str) -> tuple[int, float]:
        code, _, seconds = self.victim.account.run(*arguments, timeout=GIVEN_UP)
        self.fine += code == 0
        return code, seconds

    def _status(self) -> float:
        before = self.victim.processes()
        ports = {spec.hash: self.victim.stands(spec, before) for spec in self.victim.specs}
        shown, seconds = self.victim.statuses(GIVEN_UP)
        after = self.victim.processes()
        for spec in self.victim.specs:
            stands = ports[spec.hash] or self.victim.stands(spec, after)
            self.stood += stands and shown.get(spec.hash) == "RUNNING"
            if shown.get(spec.hash) == "RUNNING" and not stands:
                self.complain(f"RUNNING is shown of {spec.name}, which does not stand")
        known = {spec.hash for spec in self.victim.specs}
        for tunnel_hash in shown.keys() - known:
            if shown[tunnel_hash] == "RUNNING":
                self.complain(f"RUNNING is shown of {tunnel_hash}, which nobody has configured")
        return seconds

    def _stats(self) -> float:
        return self._run("stats")[1]

    def _show(self) -> float:
        return self._run("show-tunnel", self._dice.choice(self.victim.specs).name)[1]

    def _logs(self) -> float:
        return self._run("logs", self._dice.choice(self.victim.specs).name)[1]

    def _cleanup(self) -> float:
        return self._run("cleanup")[1]

    def _start(self) -> float:
        self.victim.stopped.clear()
        return self._run("start")[1]

    def _start_one(self) -> float:
        spec = self._dice.choice(self.victim.specs)
        self.victim.stopped.pop(spec.hash, None)
        return self._run("start-tunnel", spec.name)[1]

    def _stop(self) -> float:
        code, seconds = self._run("stop")
        if code == 0:
            self.victim.stopped = {spec.hash: time.monotonic() for spec in self.victim.specs}
        return seconds

    def _stop_one(self) -> float:
        spec = self._dice.choice(self.victim.specs)
        code, seconds = self._run("stop-tunnel", spec.name)
        if code == 0:
            self.victim.stopped[spec.hash] = time.monotonic()
        return seconds

    def _watch(self) -> float:
        victim = self.victim
        if victim.daemon is None:
            victim.stopped.clear()
            began = time.monotonic()
            victim.watch()
            return time.monotonic() - began
        if victim.daemon.poll() is not None:  # it was refused: files that cannot be used
            victim.daemon = None
            return 0.0
        return victim.end_watch(GIVEN_UP)

    def _kill(self) -> float:
        """A tunnel of the victim dies; where nobody brings it back, that must be seen."""
        from tests.support.processes import end

        running = self.victim.processes()
        candidates = [spec for spec in self.victim.specs if spec.hash in running]
        if not candidates or self.victim.daemon is not None:
            return 0.0
        spec = self._dice.choice(candidates)
        for _ in range(2):
            end(self.victim.processes().get(spec.hash, []))
        died = time.monotonic()
        shown, seconds = self.victim.statuses(GIVEN_UP)
        while shown.get(spec.hash) in ("RUNNING", "STARTING"):
            if time.monotonic() - died > PROMISED:
                self.complain(f"the death of {spec.name} is hidden: {shown[spec.hash]}")
                break
            shown, seconds = self.victim.statuses(GIVEN_UP)
        return seconds

    # -- the judge

    def _judge(self) -> None:
        while not self._over.wait(0.5):
            for text in self.canaries.complaints():
                self.complain(text)
            began = time.monotonic()
            running = self.victim.processes()
            known = {spec.hash: spec.name for spec in self.victim.specs}
            for tunnel_hash in running:
                since = self.victim.stopped.get(tunnel_hash)
                if tunnel_hash not in known:
                    self.complain(f"a tunnel that nobody has configured runs: {tunnel_hash}")
                    continue
                late = since is not None and began - since > PROMISED
                if late and self.victim.stopped.get(tunnel_hash) == since:
                    self.complain(f"{known[tunnel_hash]} runs, which was stopped")
                    self.victim.stopped.pop(tunnel_hash, None)

    def finish(self, hands: Path) -> None:
        """Judge what can be judged at the end only."""
        for path in (self.victim.note, hands / "signals"):
            if path.exists() and path.read_text().strip():
                self.complain(f"a foreign process was signalled: {path.read_text()[:200]}")
        for name in ("stranger", "by_hand"):
            if getattr(self.victim, name).poll() is not None:
                self.complain(f"a foreign process was ended: {name}")


def play(who: str, seconds: float, seed: int, directory: Path) -> tuple[str, list[str]]:
    """One turn; returns what there was of it, in words, and which promises were broken."""
    dice = random.Random(seed)
    shared = directory / "shared"
    shared.mkdir()
    shared.chmod(0o1777)
    keys = Keys(directory / "keys")
    (directory / "hands").mkdir()
    with make_user() as thief, make_user() as owner, EchoService() as echo:
        os.chown(directory / "hands", thief.uid, thief.gid)
        with product_for_users(directory) as product:
            sshd = Sshd(directory / "sshd", keys, PrintMotd="no").start()
            account = Account(owner if who == "user" else None, product, shared, keys)
            if dice.random() < 0.5:  # who came first owns the places
                account.log_dir.mkdir()
                account.log_dir.chmod(0o1777)  # another mode is refused
                account.state_file.touch()
                account.state_file.chmod(0o666)
                for path in (account.log_dir, account.state_file):
                    os.chown(path, thief.uid, thief.gid)
            victim = Victim(account, sshd, echo)
            canaries = Canaries(directory / "canaries", account.uid)
            aim = {
                "state": str(account.state_file),
                "logs": str(account.log_dir),
                "canaries": canaries.paths(),
                "tunnels": victim.aim(),
                "place": str(directory / "hands"),
            }
            attacker = Attacker(thief, aim, seed)
            turn = Turn(victim, attacker, canaries, seed + 1)
            try:
                turn.measure()
                turn.run(seconds)
                attacker.rest()
                turn.finish(directory / "hands")
            finally:
                attacker.close()
                victim.close()
                sshd.stop()
    told = f"{attacker.count} tricks ({attacker.worked} could be done), {turn.commands} commands "
    told += f"({turn.fine} changed or told something), RUNNING was seen {turn.stood} times"
    return told, turn.complaints


def fuzz(seconds: float, seed: int) -> list[str]:
    """Let user and root be attacked in turns; returns the broken promises."""
    print(f"seed {seed}, {seconds:.0f} s", flush=True)
    complaints: list[str] = []
    turns = max(2, round(seconds / TURN))
    for number in range(turns):
        who = ("user", "root")[number % 2]
        directory = Path(tempfile.mkdtemp(prefix="tt-attack-", dir="/tmp"))
        directory.chmod(0o755)
        try:
            told, broken = play(who, seconds / turns, seed + 1000 * number, directory)
        finally:
            shutil.rmtree(directory, ignore_errors=True)
        complaints += broken
        print(f"turn {number + 1} of {turns} ({who}): {told}; {len(broken)} promises broken")
    return complaints


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.security.fuzz_local")
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    options = parser.parse_args()
    # Whoever ends us early must not find users and tunnels left.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    return 1 if fuzz(options.minutes * 60, options.seed) else 0


if __name__ == "__main__":
    sys.exit(main())
