"""Throws made-up input at what reads untrusted bytes: the state file and the logs.

`python -m tests.fuzz --inputs 1000000 --seed 7` makes so many inputs, half of them for either,
and says how far it is. An input that breaks a promise is saved to a file, the promise and the
seed are printed, and the exit code is 1.
"""

import argparse
import os
import random
import re
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.support.progress import numbered
from tunnel_tui.ssh.log.line_class import classify, decode, sanitise, split_line, strip_debug
from tunnel_tui.state.line import format_line, parse_line
from tunnel_tui.state.state_file import StateFile

Promise = Callable[[bytes], None]

STATE = "\n".join(
    "\t".join(columns)
    for columns in (
        ("u@h", "80", "8080", "remote_to_local", "web", "76692f8a1adb8d8bee5f3b29e1b42602", "4242"),
        ("ü@例え", "[::1]:22", "0.0.0.0:1", "local_to_remote", "👩\u200d💻 x", "0" * 32, "4194304"),
        ("server", "/run/a b.sock", "~/s", "local_to_remote", "", "f" * 32, "2"),
    )
)
LOG = """\
2026/11/22 14:02:07 tunnel-tui[4]: starting web
2026/11/22 14:02:07 autossh[5]: ssh exited with error status 255; restarting ssh
[2026-11-22 14:02:07] [INFO] [AUTOSSH] Starting tunnel: web
debug1: clientloop.c:client_loop():1290 (pid=2681): Entering interactive session.
@    WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!     @\r
\x1b]0;title\x07\x1b[31mred\x1b[0m\x9b2J\x1b]52;c;aGk=\x1b\\\u202e\u2028\ufeff隧道 e\u0301
"""
ACTING = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ud800-\udfff\ufeff]"
)
SPICE = (
    *(b"\t", b"\n", b"\r", b"\0", b"\x1b[", b"\x1b]0;", b"\x07", b"\x9b", b"\xc2\x9b", b"\x7f"),
    *(b"-1", b"0", b"1", b"99999999", b"\xff\xfe", b"\xf0\x9f", b"\xed\xa0\x80", b"\xef\xbb\xbf"),
    *("\u202e".encode(), "\u2028".encode(), "²".encode(), "٣".encode(), b"x" * 5000),
)


def mutate(source: random.Random, sample: bytes) -> bytes:
    """Spoil a real sample in one to eight places, or make something of nothing."""
    if source.random() < 0.1:
        return source.randbytes(source.randrange(200))
    data = bytearray(sample)
    for _ in range(source.randrange(1, 9)):
        place = source.randrange(len(data) + 1)
        other = source.randrange(len(data) + 1)
        choice = source.random()
        if choice < 0.3:
            data[place:place] = source.choice(SPICE)
        elif choice < 0.5:
            data[place : place + 1] = source.randbytes(1)
        elif choice < 0.65:
            del data[place : place + source.randrange(20)]
        elif choice < 0.8:
            data[place:place] = data[other : other + source.randrange(80)]
        elif choice < 0.9:
            data[place : place + 8] = source.randbytes(8)
        else:
            del data[place:]
    return bytes(data)


class StatePromise:
    """Reading never raises, loses no line and believes nothing that could not be written."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = StateFile(str(path))

    def __call__(self, data: bytes) -> None:
        self._path.write_bytes(data)
        found = self._file.read()
        assert found.exists
        assert not found.problem, found.problem
        hashes = [entry.hash for entry in found.entries]
        assert len(set(hashes)) == len(hashes), "a hash is there twice"
        for entry in (*found.entries, *found.duplicates):
            assert 1 < entry.pid <= 1 << 22, entry
            assert parse_line(format_line(entry)) == entry, entry
            entry.spec().forward()
        lines = sum(1 for line in data.split(b"\n") if line)
        told = len(found.entries) + len(found.duplicates) + len(found.malformed)
        assert told == lines, f"{lines} lines, {told} accounted for"


def check_log(data: bytes) -> None:
    """Nothing that acts on a terminal comes out, whole or shortened."""
    for line in data.split(b"\n"):
        for shown in (decode(line), decode(line, 20)):
            assert not ACTING.search(shown), repr(shown)
        classify(shown)
        assert not ACTING.search(strip_debug(shown) + "".join(split_line(shown)))
        assert len(shown) < 200, "longer than asked for"
    text = data.decode("utf-8", "surrogateescape")
    assert not ACTING.search(sanitise(text)), "sanitise"


def inputs(source: random.Random) -> Iterator[tuple[str, bytes]]:
    """Make inputs for both in turn, without end."""
    state, log = STATE.encode(), LOG.encode("utf-8", "surrogatepass")
    while True:
        yield "state", mutate(source, state)
        yield "log", mutate(source, log)


def scratch() -> Path:
    """A file in memory where that is possible: a million writes are hard on a disk."""
    memory = Path("/dev/shm")
    place = memory if os.access(memory, os.W_OK) else Path("/tmp")
    return place / f"tunnel-tui-fuzz-{os.getpid()}.state"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--inputs", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    parser.add_argument("--offending", type=Path, default=Path("fuzz-offending.bin"))
    options = parser.parse_args()
    print(f"seed {options.seed}, {options.inputs:,} inputs", flush=True)
    path = scratch()
    try:
        return run(options.inputs, options.seed, options.offending, path)
    finally:
        path.unlink(missing_ok=True)


def run(count: int, seed: int, offending: Path, path: Path) -> int:
    """Try `count` inputs; save the first that breaks a promise."""
    promises: dict[str, Promise] = {"state": StatePromise(path), "log": check_log}
    begin = time.monotonic()
    for number, (kind, data) in numbered(inputs(random.Random(seed)), count, "inputs"):
        try:
            promises[kind](data)
        except Exception:
            offending.write_bytes(data)
            traceback.print_exc()
            print(f"input {number:,} of seed {seed} ({kind}) is in {offending}", flush=True)
            return 1
    print(f"nothing found in {time.monotonic() - begin:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
