"""`start` of 100 tunnels until all processes are there, beside 100 bare posix_spawn of autossh."""

import fcntl
import os
import socket
import time
from collections.abc import Callable

from benchmarks.figures import Figure, compare
from benchmarks.world import LISTEN, World, end_groups
from tunnel_tui.config.load import load_config
from tunnel_tui.settings import MAX_STARTING, Settings, load_settings
from tunnel_tui.supervise.apply import apply_plan, plan_changes
from tunnel_tui.supervise.command import Command, build_command

COUNT = 100
LIMIT = 1.5
_ENTRY = b"-" * 120 + b"\t%d\n"


def measure(quick: bool) -> list[Figure]:
    """Measure one start of all; the tunnels connect at once, as a slow server is not ours."""
    with World(COUNT) as world:
        os.environ.update(world.environment)
        settings = load_settings(world.environment)
        rounds = 3 if quick else 15
        ours = _ours(world, settings)
        # Near its limit, and single rounds scatter: twice as many of them.
        bare = compare(ours, _floor(world, settings, COUNT), 2 * rounds)
        few = compare(ours, _floor(world, settings, MAX_STARTING), rounds)
        sure = compare(ours, _floor(world, settings, MAX_STARTING, sure=True), rounds)
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


def _ours(world: World, settings: Settings) -> Callable[[], float]:
    def start() -> float:
        begin = time.perf_counter()
        specs = load_config(
            settings.config_file, settings.direction_mode, settings.cache_dir
        ).tunnels
        outcomes = apply_plan(settings, plan_changes(settings, specs), wait=0)
        taken = (time.perf_counter() - begin) * 1000
        assert sum(outcome.verb == "started" for outcome in outcomes) == COUNT
        world.stop()
        return taken

    return start


def _floor(
    world: World, settings: Settings, limit: int, *, sure: bool = False
) -> Callable[[], float]:
    specs = load_config(settings.config_file).tunnels

    logs = [settings.log_file(spec.hash) for spec in specs]

    def spawn_all() -> float:
        commands = [build_command(settings, spec, world.environment) for spec in specs]
        world.logs.mkdir(exist_ok=True)
        begin = time.perf_counter()
        pids: list[int] = []
        connecting: list[str] = []
        for command, log in zip(commands, logs, strict=True):
            while len(connecting) >= limit:
                connecting = [path for path in connecting if not _connected(path)]
            pids.append(_surely(settings, command, log) if sure else _spawn(command, log))
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
