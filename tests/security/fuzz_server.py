"""Hostile banners and other texts of a server: `--banners 1000000 --seed N`.

Nearly all go straight through what reads logs; `--real N` of them go through a real ssh, from a
server that sends a new one to each connection. A text that breaks a promise is printed, with the
seed, and the exit code is 1.
"""

import argparse
import random
import re
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.support import forgery
from tests.support.forgery import EVIL
from tests.support.progress import numbered
from tests.support.tunnels import as_yaml, inward, outward, status_of
from tests.support.waiting import wait_until
from tunnel_tui.model import Direction, ReasonCode, State, TunnelSpec
from tunnel_tui.settings import load_settings
from tunnel_tui.ssh.client_config import Host
from tunnel_tui.ssh.host_keys import read_changed_key
from tunnel_tui.ssh.log.attempts import tell
from tunnel_tui.ssh.log.line_class import classify, sanitise, split_line
from tunnel_tui.ssh.log.reasons import find_reason, last_words

SLOW = 0.1
"""Seconds that one text may take."""
SPECS = (inward(80, 8080, host="server"), outward(80, 8080, host="server"))
REAL = (
    "2026/11/22 14:02:07 tunnel-tui[4]: starting web\n"
    "2026/11/22 14:02:07 autossh[5]: starting ssh (count 1)\n"
    "2026/11/22 14:02:07 autossh[5]: ssh child pid is 6\n"
)
END = (
    "\nroot@server: Permission denied (publickey).\n"
    "2026/11/22 14:02:08 autossh[5]: ssh exited with error status 255; restarting ssh\n"
)
_ACTING = re.compile("[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
_SPICE = (
    *("\n", "\r\n", "\r", "\0", "\x1b[2J", "\x1b]0;x\x07", "\x9b", "\u202e", "{", "}", "{host}"),
    *("`", "$(", "'", '"', ";", "|", "&&", "\\", "%s", "%h", "..", "-o", "pid=6): ", "(pid=6): "),
    *("Permission denied (", "debug1: x.c:y():1 (pid=6): ", "x" * 900, " " * 300, ":1" * 200),
)
_LINES = [*forgery.FAILURES.values(), *forgery.VOIDS, forgery.successes(6, 8080, 80)]


def banners(seed: int) -> Iterator[str]:
    """Make texts without end: forgeries, spoilt in some places, and mixtures of them."""
    source = random.Random(seed)
    while True:
        lines = source.choices(_LINES, k=source.choice((1, 1, 1, 2, 5)))
        text = source.choice(("\n", "\r\n", "", " ")).join(lines)
        for _ in range(source.randrange(6)):
            place = source.randrange(len(text) + 1)
            choice = source.random()
            if choice < 0.5:
                text = text[:place] + source.choice(_SPICE) + text[place:]
            elif choice < 0.7:
                text = text[:place] + text[place + source.randrange(30) :]
            elif choice < 0.9:
                other = source.randrange(len(text) + 1)
                text = text[:place] + text[other : other + source.randrange(120)] + text[place:]
            else:
                text = text[:place] + chr(source.randrange(1, 256)) + text[place:]
        yield text


class Reader:
    """Reads a log with such a text in it, the way that the observer does."""

    def __init__(self, known_hosts: Path) -> None:
        self._settings = load_settings({"HOME": str(known_hosts.parent)})
        self._hosts = [Host("server", False, (str(known_hosts),))]

    def __call__(self, text: str) -> str:
        """Say what is wrong; "" where nothing is."""
        log = f"{REAL}{text}{END}"
        lines = [sanitise(line.removesuffix("\r"), 4096) for line in log.split("\n")]
        for line in lines:
            classify(line)
            if _ACTING.search(line + "".join(split_line(line))):
                return "what acts on a terminal is shown"
        spec = SPECS[len(text) % 2]
        remote = spec.direction is Direction.LOCAL_TO_REMOTE
        for reason in (
            find_reason(lines, spec, remote=remote, others=text.split("\n")),
            tell(lines, spec, remote=remote).reason,
            last_words(lines),
        ):
            if reason and ("evil.example" in reason.advice or _ACTING.search(reason.advice)):
                return f"its command is in the advice: {reason.advice}"
        key = read_changed_key(self._settings, log, self._hosts)
        if key and key.file and "evil.example" in " ".join(key.remedy):
            return f"its command is in a remedy: {key.remedy}"
        return ""


def run(count: int, seed: int, check: Callable[[str], str]) -> int:
    """Try `count` texts on the readers; the exit code."""
    for number, text in numbered(banners(seed), count, "texts"):
        started = time.process_time()
        wrong = check(text)
        spent = time.process_time() - started
        if not wrong and spent > SLOW:
            again = time.process_time()
            check(text)
            spent = min(spent, time.process_time() - again)
            wrong = f"it took {spent:.2f} s" if spent > SLOW else ""
        if wrong:
            print(f"text {number:,} of seed {seed}: {wrong}\n{text!r}", flush=True)
            return 1
    return 0


def run_real(count: int, seed: int) -> int:
    """Let real ssh meet `count` of the texts, each as banner, farewell, remark or list."""
    from tests.support.home import Home
    from tests.support.hostile_server import HostileServer
    from tests.support.network import free_port
    from tests.support.sshd import Keys

    texts, dice = banners(seed), random.Random(seed)
    with tempfile.TemporaryDirectory(prefix="tt-keys-", dir="/tmp") as place:
        home = Home(Keys(Path(place)).client)
        try:
            done = 0
            while done < count:
                width = min(count - done, 20)
                servers, specs = [], []
                for number in range(width):
                    text, kind = next(texts), dice.choice(("banner", "farewell", "methods"))
                    tricks = {
                        "banner": {"banner": text + "\r\n", "denies": True},
                        "farewell": {"disconnect": text[:900]},
                        "methods": {"methods": "publickey\n" + text[:900], "denies": True},
                    }[kind]
                    servers.append(HostileServer(**tricks))
                    alias = f"h{done + number}"
                    home.add_host(alias, servers[-1].port, StrictHostKeyChecking="no")
                    specs.append(inward(free_port(), free_port(), host=alias, name=alias))
                try:
                    wrong = _meet(home, specs)
                finally:
                    for server in servers:
                        server.close()
                if wrong:
                    print(f"real ssh, seed {seed}, texts {done + 1} to {done + width}: {wrong}")
                    return 1
                done += width
                print(f"{done:,} of {count:,} texts met by ssh", flush=True)
        finally:
            home.close()
    return 0


def _meet(home: "Home", specs: list[TunnelSpec]) -> str:  # noqa: F821
    home.write_config(as_yaml(*specs))
    home.cli("start", timeout=100)
    for spec in specs:
        wait_until(lambda: status_of(home, spec).reason, what=spec.name)  # noqa: B023
        status = status_of(home, spec)
        if status.state is State.RUNNING:
            return f"{spec.name}: RUNNING"
        if status.reason and "evil.example" in status.reason.advice:
            return f"{spec.name}: {status.reason.advice}"
        # Unknown: what is no message at all is told as ssh tells it.
        codes = (ReasonCode.PERMISSION_DENIED, ReasonCode.CONNECTION_LOST, ReasonCode.UNKNOWN)
        if status.reason and status.reason.code not in codes:
            return f"{spec.name}: {status.reason}"
    shown = home.cli("status", "--long").stdout
    home.cli("stop", timeout=60)
    advice = [line for line in shown.splitlines() if line.strip().startswith("→") and EVIL in line]
    return "\n".join(advice)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.security.fuzz_server")
    parser.add_argument("--banners", type=int, default=1_000_000)
    parser.add_argument("--real", type=int, default=0)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    options = parser.parse_args()
    print(f"seed {options.seed}, {options.banners:,} texts", flush=True)
    with tempfile.TemporaryDirectory() as home:
        code = run(options.banners, options.seed, Reader(Path(home, "known_hosts")))
    return code or run_real(options.real, options.seed)


if __name__ == "__main__":
    sys.exit(main())
