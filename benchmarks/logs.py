"""To be measured."""

from benchmarks.figures import Figure


def measure(quick: bool) -> list[Figure]:
    """Measure nothing yet."""
    del quick
    return []
