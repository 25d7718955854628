"""`start` of 100 tunnels until all processes are there, beside 100 bare posix_spawn of autossh."""

import os
import time
from collections.abc import Callable

from benchmarks.figures import Figure, compare
from benchmarks.world import World, end_groups
from tunnel_tui.config.load import load_config
from tunnel_tui.settings import MAX_STARTING, Settings, load_settings
from tunnel_tui.supervise.apply import apply_plan, plan_changes
from tunnel_tui.supervise.command import Command, build_command

COUNT = 100
LIMIT = 1.5


def measure(quick: bool) -> list[Figure]:
    """Measure one start of all; the tunnels connect at once, as a slow server is not ours."""
    with World(COUNT) as world:
        os.environ.update(world.environment)
        settings = load_settings(world.environment)
        rounds = 3 if quick else 15
        ours = _ours(world, settings)
        bare = compare(ours, _floor(world, settings, COUNT), rounds)
        few = compare(ours, _floor(world, settings, MAX_STARTING), rounds)
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


def _floor(world: World, settings: Settings, limit: int) -> Callable[[], float]:
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
            pids.append(_spawn(command, log))
            connecting.append(log)
        taken = (time.perf_counter() - begin) * 1000
        end_groups(pids)
        world.stop()
        return taken

    return spawn_all


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
