"""200 statuses, one refresh: what the app and the watcher do whenever something has changed."""

import os
import time
from collections.abc import Callable

from benchmarks.figures import Figure, compare
from benchmarks.world import World
from tunnel_tui.config.load import load_config
from tunnel_tui.model import State
from tunnel_tui.observe.observer import Observer
from tunnel_tui.settings import load_settings

COUNT = 200
LIMIT = 2.0
MOST = 15.0
"""Milliseconds."""
_TAIL = 4096


def measure(quick: bool) -> list[Figure]:
    """Measure a look by an observer that has looked before."""
    with World(COUNT) as world:
        world.run("start", "--quiet")
        settings = load_settings(world.environment)
        specs = load_config(settings.config_file).tunnels
        observer = Observer(settings)

        def look() -> float:
            begin = time.perf_counter()
            statuses = observer.observe(specs)
            taken = (time.perf_counter() - begin) * 1000
            assert all(status.state is State.RUNNING for status in statuses)
            return taken

        paths = [
            (f"/proc/{status.ssh_pid}/stat", settings.log_file(status.spec.hash))
            for status in observer.observe(specs)
        ]
        found = compare(look, _loop(paths), 20 if quick else 200)
    figure = found.figure(
        f"{COUNT} statuses, one refresh",
        f"reading {COUNT} /proc/<pid>/stat and {COUNT} log tails in a bare loop",
        LIMIT,
    )
    return [
        figure._replace(
            limit=f"≤ {LIMIT:g}×, < {MOST:g} ms", holds=figure.holds and found.ours < MOST
        )
    ]


def _loop(paths: list[tuple[str, str]]) -> Callable[[], float]:
    def read_all() -> float:
        begin = time.perf_counter()
        for stat, log in paths:
            fd = os.open(stat, os.O_RDONLY)
            os.read(fd, _TAIL)
            os.close(fd)
            fd = os.open(log, os.O_RDONLY)
            size = os.fstat(fd).st_size
            os.pread(fd, _TAIL, max(0, size - _TAIL))
            os.close(fd)
        return (time.perf_counter() - begin) * 1000

    return read_all
