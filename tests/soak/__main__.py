"""`python -m tests.soak --minutes N --seed N [--tunnels 50] [--table docs/soak]`."""

import argparse
import signal
import sys
import time
from pathlib import Path

from tests.soak.run import Soak, say
from tests.soak.table import add


def main() -> int:
    """Run; 0 only if nothing disagreed."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=20.0)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--tunnels", type=int, default=50)
    parser.add_argument("--table", type=Path, help="add the run to this file, .json and .md")
    given = parser.parse_args()
    # Whoever ends us early must not find fifty tunnels left.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    result = Soak(given.minutes, given.seed, given.tunnels).run()
    for kind, count in result.faults.items():
        print(f"{count:6} {kind}")
    say(
        f"{result.checks} checks, {len(result.violations)} violations; "
        f"noticed {result.noticed} s, frozen {result.frozen} s, back {result.recovered} s, "
        f"watcher {result.watcher_growth:+} MB, app {result.app_growth:+} MB, "
        f"clock {result.share}"
    )
    if result.violations:
        say(f"FAILED: try again with --seed {given.seed}")
        return 1
    if given.table:
        add(given.table, result)
    return 0


if __name__ == "__main__":
    sys.exit(main())
