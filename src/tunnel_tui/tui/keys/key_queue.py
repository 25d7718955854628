"""One key after the other: a key does its work before the next one is given to anybody.

Textual hands every key to what has the focus at that moment, and its action comes later. Keys that
arrive together (a slow link, a paste, fast fingers) all go to the same place then: of `/web` the
letters would be commands of the table, and `x` stops a tunnel.
"""

from collections import deque
from functools import partial
from typing import Any

from textual import events
from textual.app import App
from textual.message import Message
from textual.screen import Screen
from textual.timer import Timer

PATIENCE = 0.3
"""Seconds after which a key is given up whose way nobody saw the end of."""


class Passed(Message):
    """Follows a key through the same queues: where it arrives, the key has been dealt with."""

    bubble = True

    def __init__(self, number: int, again: bool = False) -> None:
        super().__init__()
        self.number = number
        self.again = again


class KeysInOrder(App[int]):
    """An app that takes keys and pastes one at a time."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._waiting: deque[events.Key | events.Paste] = deque()
        self._number = 0
        self._on_its_way = False
        self._place: Screen[Any] | None = None
        self._guard: Timer | None = None

    async def on_event(self, event: events.Event) -> None:
        """Put keys in a row; everything else goes its way."""
        if not isinstance(event, (events.Key, events.Paste)) or event.is_forwarded:
            await super().on_event(event)
            return
        self._waiting.append(event)
        if not self._on_its_way:
            await self._pass_next()
        elif self._guard is None:
            self._guard = self.set_timer(PATIENCE, partial(self._go_on, self._number))

    async def on_passed(self, event: Passed) -> None:
        """Go on, but not before what the key has asked for by messages of its own.

        An input that is left by enter says so to its parents; a new screen has yet to be built.
        """
        event.stop()
        if event.number != self._number:
            return
        if self._waiting and (not event.again or self.screen is not self._place):
            self._place = self.screen
            target = self.focused or self.screen
            if target.post_message(Passed(event.number, again=True)):
                return
        self.call_later(self._go_on, event.number)

    async def _go_on(self, number: int) -> None:
        if number == self._number:
            await self._pass_next()

    async def _pass_next(self) -> None:
        if self._guard is not None:
            self._guard.stop()
            self._guard = None
        self._number += 1
        self._on_its_way = bool(self._waiting)
        if not self._waiting:
            return
        event = self._waiting.popleft()
        self._place = self.screen
        target = self.focused or self.screen
        await super().on_event(event)
        if not target.post_message(Passed(self._number)):
            self.call_later(self._go_on, self._number)
        elif self._waiting:
            self._guard = self.set_timer(PATIENCE, partial(self._go_on, self._number))
