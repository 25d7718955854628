"""Tells of other apps that are open, and ends one that nobody sits at any more."""

import time
from functools import partial
from typing import Any

from textual.app import App

from tunnel_tui.supervise.info.open_apps import OtherApp, Presence
from tunnel_tui.tui.dialogs.confirm import Confirm
from tunnel_tui.tui.format.text import duration

FORGOTTEN = 600.0
"""Seconds without a key after which an app may be one that nobody sees."""


def looks_forgotten(other: OtherApp) -> bool:
    """Say whether an app may be the ghost of a terminal that was closed."""
    return not other.terminal or (other.idle is not None and other.idle >= FORGOTTEN)


def describe(other: OtherApp, now: float) -> str:
    """Put another app into words: `pid 12 on pts/3, open for 2h 11m, no key for 40m`."""
    where = f"on {other.terminal}" if other.terminal else "without a terminal"
    idle = f", no key for {duration(other.idle)}" if other.idle is not None else ""
    return f"pid {other.pid} {where}, open for {duration(now - other.since)}{idle}"


def ask_to_end(app: App[Any], presence: Presence, others: list[OtherApp]) -> None:
    """Ask about the first of several; the next one comes after the answer."""
    if not others:
        return
    other, rest = others[0], others[1:]

    def decide(agreed: bool | None) -> None:
        if agreed:
            app.run_worker(partial(_end, app, presence, other), thread=True, exit_on_error=False)
        ask_to_end(app, presence, rest)

    lines = [
        describe(other, time.time()),
        "It may be the rest of a terminal that was closed: docker exec leaves such.",
        "Ending it touches no tunnel; a login at its prompt there ends.",
    ]
    question = "Another tunnel-tui is open. End it?"
    app.push_screen(Confirm(question, lines, "end it", "leave it"), decide)


def _end(app: App[Any], presence: Presence, other: OtherApp) -> None:
    done = presence.end(other)
    text = f"pid {other.pid} was asked to end" if done else f"pid {other.pid} has ended already"
    app.call_from_thread(app.notify, text, markup=False, timeout=4)
