"""Memory over a long time with 200 tunnels of which 20 change every second.

    python -m benchmarks.app.lasting [MINUTES]

Not part of the table: it takes as long as it says. Prints a reading every ten seconds, and how
much was gained from the first reading after the warm-up to the end, as the slope of a line
through all of them.
"""

import statistics
import sys
import time

from benchmarks.app.lab import Lab, pretend, settle
from benchmarks.app.terminal import memory

TUNNELS, CHANGES = 200, 20
WARM_UP, STEP = 150.0, 10.0
"""Seconds; of every tunnel 90 readings of its traffic are kept, one a second."""
LIMIT = 1.0
"""MB in ten minutes."""


def main(minutes: float) -> int:
    """Watch the app; 1 where its memory grows."""
    with Lab(0, running=False) as lab:
        terminal = pretend(lab, str(TUNNELS), str(CHANGES))
        try:
            settle(terminal, WARM_UP)
            readings: list[tuple[float, float]] = []
            start = time.monotonic()
            while (passed := time.monotonic() - start) <= minutes * 60:
                readings.append((passed / 600, memory(terminal.pid)))
                print(f"{passed:5.0f} s  {readings[-1][1]:.2f} MB", flush=True)
                settle(terminal, STEP)
        finally:
            terminal.close()
    slope = statistics.linear_regression(*zip(*readings, strict=True)).slope
    print(f"{slope:+.2f} MB in ten minutes, from {readings[0][1]:.2f} to {readings[-1][1]:.2f} MB")
    return 1 if slope > LIMIT else 0


if __name__ == "__main__":
    sys.exit(main(float(sys.argv[1]) if len(sys.argv) > 1 else 10.0))
