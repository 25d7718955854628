"""Tells of deaths in toasts that do not pile up."""

import time
from collections.abc import Sequence
from typing import Any

from textual.app import App

from tunnel_tui.model import Reason, State
from tunnel_tui.supervise.monitor import Change
from tunnel_tui.tui.present import clean

MOST = 3
"""Toasts of single deaths at a time; more become one."""
MOST_ADVICE = 110
"""Characters of advice in a toast; all of it stands above the log."""
LIFETIME = 8.0
"""Seconds that a toast stays."""


class Announcer:
    """Turns changes into toasts."""

    def __init__(self, app: App[Any], bell: bool = False) -> None:
        self._app = app
        self._bell = bell
        self._recent: list[tuple[float, str]] = []

    def announce(self, changes: Sequence[Change]) -> None:
        """Tell of every death among `changes`, together where there are many."""
        deaths = [change for change in changes if is_death(change)]
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
    return change.after is State.DEAD and change.before in {State.RUNNING, State.STARTING}


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
