"""How far a long run of many inputs is."""

import time
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TypeVar

T = TypeVar("T")


def numbered(inputs: Iterable[T], count: int, what: str) -> Iterator[tuple[int, T]]:
    """Number the first `count` inputs from 1; every five seconds print how many are done."""
    begin = told = time.monotonic()
    for number, one in enumerate(islice(inputs, count), 1):
        yield number, one
        now = time.monotonic()
        if number == count or now - told > 5:
            told = now
            speed = number / (now - begin)
            print(f"{number:,} of {count:,} {what}, {speed:,.0f} per second", flush=True)
