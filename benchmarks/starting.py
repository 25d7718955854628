"""`start` of 100 tunnels until all processes are there, beside 100 bare posix_spawn of autossh."""

import fcntl
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from typing import NamedTuple

from benchmarks.figures import Comparison, Figure, compare, comparison_of
from benchmarks.world import LISTEN, World, adopt_orphans, end_groups
from tunnel_tui.config.load import load_config
from tunnel_tui.settings import MAX_STARTING, Settings, load_settings
from tunnel_tui.ssh.command import Command, build_command
from tunnel_tui.supervise.actions.apply import apply_plan, plan_changes

COUNT = 100
LIMIT = 1.5
_ENTRY = b"-" * 120 + b"\t%d\n"
_PROCESSES = 6


class Floor(NamedTuple):
    """What a start is compared with.

    Attributes:
        limit: so many may be connecting at a time.
        sure: with the system calls around each spawn that what is promised cannot do without.
    """

    limit: int
    sure: bool


_FLOORS = {
    "bare": Floor(COUNT, sure=False),
    "few": Floor(MAX_STARTING, sure=False),
    "sure": Floor(MAX_STARTING, sure=True),
}


def measure(quick: bool) -> list[Figure]:
    """Measure one start of all; the tunnels connect at once, as a slow server is not ours."""
    rounds = 1 if quick else 10
    bare, few, sure = (_compare(floor, rounds) for floor in _FLOORS)
    return [
        bare.figure(
            f"start of {COUNT} tunnels, to processes spawned",
            f"{COUNT} bare posix_spawn of autossh with the same arguments",
            LIMIT,
            note=f"ours waits until all but {MAX_STARTING} have connected, the floor for none",
        ),
        few.figure(
            f"start of {COUNT} tunnels, at most {MAX_STARTING} of them connecting",
            f"bare posix_spawn, never more than {MAX_STARTING} that have not connected",
            LIMIT,
        ),
        sure.figure(
            f"start of {COUNT} tunnels, the same promises kept",
            "as above, and around each the system calls that what is promised cannot do without",
            LIMIT,
            note="the floor has no Python around its calls: two locks, a look at what runs, a "
            "trial bind, a line in the log, an entry in the state file, a look at the outcome",
        ),
    ]


def _compare(floor: str, rounds: int) -> Comparison:
    """Measure in several processes, so many rounds in each.

    Where a process happens to lie in memory makes it several per cent faster or slower for as
    long as it lives, and what we would measure in one is that.
    """
    pairs: list[tuple[float, float]] = []
    for _ in range(_PROCESSES):
        argv = [sys.executable, "-m", "benchmarks.starting", floor, str(rounds)]
        with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as process:
            try:
                printed, _ = process.communicate()
            except BaseException:
                process.terminate()  # not kill: it has tunnels to end
                raise
        if process.returncode:
            raise RuntimeError(f"{argv} ended with {process.returncode}")
        pairs += json.loads(printed)
    return comparison_of(pairs)


def _ours(world: World, settings: Settings) -> Callable[[], float]:
    def start() -> float:
        begin = time.perf_counter()
        specs = load_config(settings.config_file, settings.direction_mode).tunnels
        outcomes = apply_plan(settings, plan_changes(settings, specs), wait=0)
        taken = (time.perf_counter() - begin) * 1000
        assert sum(outcome.verb == "started" for outcome in outcomes) == COUNT
        world.stop()
        return taken

    return start


def _floor(world: World, settings: Settings, floor: Floor) -> Callable[[], float]:
    specs = load_config(settings.config_file).tunnels
    logs = [settings.log_file(spec.hash) for spec in specs]

    def spawn_all() -> float:
        commands = [build_command(settings, spec, world.environment) for spec in specs]
        world.logs.mkdir(exist_ok=True)
        begin = time.perf_counter()
        pids: list[int] = []
        connecting: list[str] = []
        for command, log in zip(commands, logs, strict=True):
            while len(connecting) >= floor.limit:
                connecting = [path for path in connecting if not _connected(path)]
            pids.append(_surely(settings, command, log) if floor.sure else _spawn(command, log))
            connecting.append(log)
        taken = (time.perf_counter() - begin) * 1000
        end_groups(pids)
        world.stop()
        return taken

    return spawn_all


def _surely(settings: Settings, command: Command, log: str) -> int:
    """Spawn as `_spawn` does, with what locks, looks and entries ask of the kernel, and no more."""
    held = [os.open(settings.state_file, os.O_RDWR | os.O_CREAT) for _ in range(2)]
    for offset, descriptor in enumerate(held):
        fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, offset)
    os.read(held[0], 1 << 20)
    os.path.lexists(log)
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind((LISTEN, 0))
    writing = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o644)
    os.write(writing, b"starting\n")
    os.close(writing)
    pid = _spawn(command, log)
    fcntl.flock(held[0], fcntl.LOCK_EX)
    end = os.fstat(held[0]).st_size
    entry = _ENTRY % pid
    os.posix_fallocate(held[0], end, len(entry))
    os.pwrite(held[0], entry, end)
    for descriptor in held:
        os.close(descriptor)
    with open(f"/proc/{pid}/stat", "rb") as file:
        file.read()
    return pid


def _connected(log: str) -> bool:
    with open(log, "rb") as file:
        return b"Entering interactive session." in file.read()


def _spawn(command: Command, log: str) -> int:
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
    return os.posix_spawn(
        command.argv[0],
        command.argv,
        command.environment,
        file_actions=[
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_OPEN, 1, log, flags, 0o644),
            (os.POSIX_SPAWN_DUP2, 1, 2),
        ],
        setsid=True,
    )


def main() -> None:
    """Measure the rounds of one process; print them as JSON: pairs of milliseconds."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    adopt_orphans()
    floor, rounds = sys.argv[1:]
    with World(COUNT) as world:
        os.environ.update(world.environment)
        settings = load_settings(world.environment)
        compared = compare(
            _ours(world, settings), _floor(world, settings, _FLOORS[floor]), int(rounds)
        )
    print(json.dumps(compared.rounds))


if __name__ == "__main__":
    main()
