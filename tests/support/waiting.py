"""Waiting for a condition with a deadline; never a fixed sleep."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def wait_until(
    condition: Callable[[], T], deadline: float = 10.0, what: str = "", interval: float = 0.02
) -> T:
    """Call `condition` until it returns something true and return that.

    Raises:
        AssertionError: `deadline` seconds passed; says `what` was waited for and the last value.
    """
    end = time.monotonic() + deadline
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"not within {deadline} s: {what or condition}; last: {value!r}")
        time.sleep(interval)
