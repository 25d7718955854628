"""What is measured: two things in turn, their medians, and whether the one is near the other."""

import statistics
from collections.abc import Callable, Sequence
from typing import NamedTuple


class Figure(NamedTuple):
    """One line of the table.

    Attributes:
        work: what was done.
        floor: what it is compared with, in words.
        limit: what was promised, in words: "≤ 1.6×".
        ours: median of the work, in `unit`.
        theirs: median of the floor, in `unit`; None where there is no floor but zero.
        unit: "ms", "MB", "% of a core" …
        ratio: median of the ratios of neighbouring rounds; None where it says nothing.
        spread: how far the rounds lay apart, in words.
        holds: the limit was kept.
        note: what a reader should know about it.
    """

    work: str
    floor: str
    limit: str
    ours: float
    theirs: float | None
    unit: str
    ratio: float | None
    spread: str
    holds: bool
    note: str = ""


class Comparison(NamedTuple):
    """Two things that were measured in turn, in the unit that the callables returned."""

    ours: float
    theirs: float
    ratio: float
    spread: str
    rounds: tuple[tuple[float, float], ...]

    def figure(
        self, work: str, floor: str, limit: float, *, unit: str = "ms", note: str = ""
    ) -> Figure:
        """Make the line of the table for a limit that is a ratio."""
        words = f"≤ {limit:g}×"
        return Figure(
            work,
            floor,
            words,
            self.ours,
            self.theirs,
            unit,
            self.ratio,
            self.spread,
            self.ratio <= limit,
            note,
        )


def compare(ours: Callable[[], float], floor: Callable[[], float], rounds: int) -> Comparison:
    """Measure ours and the floor in turn.

    Each round measures both, one right after the other and every second time in the other order,
    so that a busy moment of the machine hits both. One round before the first is thrown away: it
    pays for what both find cached afterwards.

    Args:
        ours: does the work once and returns what it took.
        floor: the same for the floor.
        rounds: how often.
    """
    ours(), floor()
    pairs: list[tuple[float, float]] = []
    for number in range(rounds):
        if number % 2:
            theirs = floor()
            pairs.append((ours(), theirs))
        else:
            taken = ours()
            pairs.append((taken, floor()))
    return comparison_of(pairs)


def comparison_of(pairs: Sequence[tuple[float, float]]) -> Comparison:
    """Sum up rounds, each of them what ours took and what the floor took."""
    ratios = [taken / theirs for taken, theirs in pairs]
    return Comparison(
        statistics.median(taken for taken, _ in pairs),
        statistics.median(theirs for _, theirs in pairs),
        statistics.median(ratios),
        spread_of(ratios),
        tuple(pairs),
    )


def spread_of(values: Sequence[float]) -> str:
    """Say between what values the middle half lies, and of how many."""
    if len(values) < 4:
        return f"{min(values):.2f}–{max(values):.2f} of {len(values)}"
    lower, _, upper = statistics.quantiles(values, n=4)
    return f"{lower:.2f}–{upper:.2f} of {len(values)}"
