"""What toasts say of failures, and taking one away again."""

from collections.abc import Callable, Sequence
from typing import Any

from textual.app import App
from textual.notifications import Notification

from tunnel_tui.model import Outcome
from tunnel_tui.tui.format.text import clean

LISTED = 3
"""Failures that a toast names, each with its reason; more are counted."""
COMMAND = 60
"""Characters of a command in a toast; all of it is in the clipboard."""

_PLACE = "--textual-toast-"
"""What Textual puts before a notification's identity to name the place of its toast."""


def list_failures(failed: Sequence[Outcome]) -> str:
    """Say of each failure whose it is and why; of a single one also what to do."""
    lines = [_failure(outcome) for outcome in failed[:LISTED]]
    if len(failed) > LISTED:
        lines.append(f"and {len(failed) - LISTED} more")
    if len(failed) == 1 and failed[0].advice:
        lines.append(clean(failed[0].advice))
    return "\n".join(lines)


def _failure(outcome: Outcome) -> str:
    reason = " ".join(outcome.message.split())
    return clean(f"{outcome.name}: {reason}" if reason else outcome.name)


def shorten(command: str) -> str:
    """Show the beginning of a command."""
    text = clean(command)
    return text if len(text) <= COMMAND else text[:COMMAND].rstrip() + " ..."


def dismiss(app: App[Any], wanted: Callable[[Notification], bool]) -> None:
    """Take away the toasts that are wanted gone: what they say is no longer so."""
    notes = app._notifications
    for note in [note for note in notes if wanted(note)]:
        app._unnotify(note)


def sweep(app: App[Any]) -> None:
    """Take away the places of toasts that are gone.

    Textual's rack of toasts takes only the toast away that is cleared or has expired while another
    one came; its place stays, and is laid out with all others, for as long as the app runs.
    """
    wanted = {_PLACE + note.identity for note in app._notifications}
    for screen in app.screen_stack:
        for place in screen.query("ToastHolder"):
            if place.id not in wanted:
                place.remove()
