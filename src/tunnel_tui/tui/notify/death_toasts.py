"""Tells of deaths in toasts that do not pile up."""

import time
from collections.abc import Collection, Sequence
from typing import Any

from textual.app import App

from tunnel_tui.model import UP, Outcome, Reason, State
from tunnel_tui.supervise.monitor.monitor import Change
from tunnel_tui.tui.format.text import clean

MOST = 3
"""Toasts of single deaths at a time; more become one."""
MOST_ADVICE = 110
"""Characters of advice in a toast; all of it stands above the log."""
JUST_TOLD = 3.0
"""Seconds in which a death is the one that was just told, in whatever words."""
LIFETIME = 8.0
"""Seconds that a toast stays."""


class Announcer:
    """Turns changes into toasts."""

    def __init__(self, app: App[Any], bell: bool = False) -> None:
        self._app = app
        self._bell = bell
        self._recent: list[tuple[float, str]] = []
        self._told: dict[str, tuple[float, str]] = {}
        self._held: dict[str, Change] = {}

    def announce(self, changes: Sequence[Change], awaited: Collection[str] = frozenset()) -> None:
        """Tell of every death among `changes`, together where there are many.

        Args:
            changes: what became of the tunnels.
            awaited: hashes of tunnels whose failure will be told by who started them.
        """
        deaths = []
        for change in changes:
            if change.after in {State.RUNNING, State.STOPPED}:
                self._told.pop(change.hash, None)
                self._held.pop(change.hash, None)
            elif is_death(change) and change.hash in awaited:
                self._held[change.hash] = change
            elif is_death(change) and self._is_news(change):
                deaths.append(change)
        self._tell_of(deaths)

    def note_told(self, key: str, reason: str) -> None:
        """Take note that somebody read why a tunnel failed; "": it was begun anew."""
        held = self._held.pop(key, None)
        if reason:
            self._told[key] = (time.monotonic(), reason)
            return
        self._told.pop(key, None)
        if held is not None and self._is_news(held):
            self._tell_of([held])

    def settle(self, outcomes: Sequence[Outcome]) -> None:
        """Take note of what a batch told; tell of the deaths it did not know of."""
        for outcome in outcomes:
            self.note_told(outcome.hash, "" if outcome.ok else outcome.message or "failed")
        held, self._held = self._held, {}
        self._tell_of([change for change in held.values() if self._is_news(change)])

    def _is_news(self, change: Change) -> bool:
        """Say whether a death is not the same as the one told last, which is tried again."""
        now, reason = time.monotonic(), change.reason.text if change.reason else ""
        at, told = self._told.get(change.hash, (-JUST_TOLD, None))
        self._told[change.hash] = (now, reason)
        return told != reason and now - at >= JUST_TOLD

    def _tell_of(self, deaths: Sequence[Change]) -> None:
        if not deaths:
            return
        if self._bell:
            self._app.bell()
        now = time.monotonic()
        self._recent = [(at, name) for at, name in self._recent if now - at < LIFETIME]
        self._recent += [(now, clean(change.name)) for change in deaths]
        if len(self._recent) > MOST:
            self._app.clear_notifications()
            names = list(dict.fromkeys(name for _, name in self._recent))
            self._tell(f"{len(self._recent)} tunnels died", summarise(names))
            return
        for change in deaths:
            self._tell(f"{clean(change.name)} died", explain_death(change.reason))

    def _tell(self, title: str, text: str) -> None:
        self._app.notify(text, title=title, severity="error", timeout=LIFETIME, markup=False)


def is_death(change: Change) -> bool:
    """Say whether a tunnel that was up, or on its way up, has died."""
    return change.after is State.DEAD and change.before in UP


def explain_death(reason: Reason | None) -> str:
    """Put reason and advice under each other."""
    if reason is None:
        return "it left no reason; its log may tell"
    advice = clean(reason.advice)
    if len(advice) > MOST_ADVICE:
        advice = advice[:MOST_ADVICE].rsplit(" ", 1)[0] + " …"
    return "\n".join(part for part in (clean(reason.text), advice) if part)


def summarise(names: Sequence[str], most: int = 4) -> str:
    """List a few names and how many more there are."""
    shown = ", ".join(names[:most])
    return f"{shown} and {len(names) - most} more" if len(names) > most else shown
