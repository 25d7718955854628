"""`list`, `status`, `stats`, `logs`: whole processes beside a bare parse of the same file."""

import sys
from collections.abc import Callable, Iterator

from benchmarks.figures import Comparison, Figure, compare
from benchmarks.world import COMMAND, World, timed

LIMIT = 1.6
COUNTS = (10, 200, 1000)
CHANGED = 200
COMMANDS = ("list", "status", "stats", "logs")
PARSE = "import sys, yaml; yaml.load(open(sys.argv[1]), Loader=yaml.CSafeLoader)"
FLOOR = "python importing yaml and parsing the file with libyaml"


def measure(quick: bool) -> list[Figure]:
    """Measure every command with all tunnels running, and with none."""
    rounds = 3 if quick else 15
    return list(_figures(COUNTS[:2] if quick else COUNTS, rounds))


def _figures(counts: tuple[int, ...], rounds: int) -> Iterator[Figure]:
    for count in counts:
        with World(count) as world:
            for command in COMMANDS:
                yield _beside(world, command, rounds).figure(
                    f"`{command}`, {count} tunnels, none running", FLOOR, LIMIT
                )
            world.run("start", "--quiet")
            running = world.run("status").count(" RUNNING ")
            assert running == count, f"{running} of {count} are RUNNING"
            for command in COMMANDS:
                yield _beside(world, command, rounds).figure(
                    f"`{command}`, {count} tunnels, all running", FLOOR, LIMIT
                )
            if count == CHANGED:
                yield _after_a_change(world, rounds)


def _after_a_change(world: World, rounds: int) -> Figure:
    """Measure what nothing is promised of: the one command that has to parse a changed file."""
    status = _runner([COMMAND, "status"], world)
    floor = _runner([sys.executable, "-c", PARSE, world.config], world)

    def changed() -> float:
        with world.config.open("a") as file:
            file.write("# changed\n")
        return status()

    work = f"`status`, {CHANGED} tunnels, all running, the first after a change of the file"
    found = compare(changed, floor, rounds).figure(work, FLOOR, LIMIT)
    note = "the text is parsed, checked and remembered; all further commands are the lines above"
    return found._replace(limit="no promise", holds=True, note=note)


def _beside(world: World, command: str, rounds: int) -> Comparison:
    floor = [sys.executable, "-c", PARSE, world.config]
    return compare(_runner([COMMAND, command], world), _runner(floor, world), rounds)


def _runner(argv: list[object], world: World) -> Callable[[], float]:
    return lambda: timed(argv, world.environment)  # type: ignore[arg-type]
