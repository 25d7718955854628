"""Measure everything, show it as it comes, and write the table.

    python -m benchmarks [TARGET] [--only NAME] [--quick]

TARGET.md and TARGET.json are written where TARGET is given. The exit code is 1 when a limit was
missed.
"""

import argparse
import importlib
import importlib.util
import signal
import sys
import time
from pathlib import Path

from benchmarks.figures import Figure
from benchmarks.tables import line, write_tables

MODULES = ("benchmarks.cli", "benchmarks.starting", "benchmarks.refresh", "benchmarks.logs")


def modules() -> list[str]:
    """Name what can be measured, in the order of the table."""
    found = list(MODULES)
    if importlib.util.find_spec("benchmarks.app") is not None:
        found += importlib.import_module("benchmarks.app").MODULES
    return found


def main() -> int:
    """Run what was asked for; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("target", nargs="?", help="write TARGET.md and TARGET.json")
    parser.add_argument("--only", metavar="NAME", help="modules whose name contains NAME")
    parser.add_argument("--quick", action="store_true", help="few rounds: is it alive at all?")
    options = parser.parse_args()
    # Whoever ends us early must not find a thousand processes left.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    figures: list[Figure] = []
    start = time.monotonic()
    for name in modules():
        if options.only and options.only not in name:
            continue
        print(f"{name} …", file=sys.stderr, flush=True)
        for figure in importlib.import_module(name).measure(options.quick):
            figures.append(figure)
            print(line(figure), flush=True)
        if options.target and figures:  # all of it takes a quarter of an hour
            write_tables(Path(options.target), figures)
    missed = [figure for figure in figures if not figure.holds]
    took = time.monotonic() - start
    print(f"{len(figures)} figures, {len(missed)} missed, in {took:.0f} s")
    return 1 if missed or not figures else 0


if __name__ == "__main__":
    sys.exit(main())
