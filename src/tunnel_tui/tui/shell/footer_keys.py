"""Which keys the footer offers for what is selected and has the focus. Pure."""

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

from textual.binding import Binding

from tunnel_tui.model import ReasonCode
from tunnel_tui.tui.keys import bindings
from tunnel_tui.tui.keys.availability import why_not
from tunnel_tui.tui.table.rows import Row

SETS = (bindings.TUNNEL, bindings.LOGIN, bindings.ALL, bindings.CONFIG, bindings.VIEW, bindings.LOG)
KEYS = {key.action: key for keys in SETS for key in keys}
ALWAYS = [key for key in bindings.APP if key.id in {"app.help", "app.quit"}]
AFTER_FAILURE = [
    Binding("enter", "again", "try again", key_display="enter"),
    Binding("escape", "back", "back", key_display="esc"),
]
TYPING = [
    Binding("enter", "leave_bar", "keep", key_display="enter"),
    Binding("escape", "clear_bar", "clear", key_display="esc"),
]
"""While a filter, or what to look for, is being typed: every other key goes into it."""
ON_ROW = (
    "log_in",
    "start",
    "stop",
    "restart",
    "details",
    "log",
    "copy",
    "filter",
    "sort",
    "clean_up",
    "edit",
    "change",
)
FOR_MANY = ("start", "stop", "restart", "log_in")
IN_LOG = ("back", "follow", "wrap", "next_match", "filter", "zoom", "start", "stop", "restart")
IN_DETAILS = ("back", "details", "zoom", "copy_command", "start", "stop", "restart")


class Place(NamedTuple):
    """Where the person is. `filtered`: a filter is on; `waiting`: a prompt waits for the row."""

    in_table: bool
    details: bool
    filtered: bool
    waiting: bool


def key_named(action: str, text: str = "") -> Binding:
    """Take the key of an action, called otherwise where another word says more."""
    return replace(KEYS[action], description=text) if text else KEYS[action]


def keys_of_row(row: Row | None, place: Place) -> list[Binding]:
    """Choose what can be done to the selected row from where the person is."""
    names: tuple[str, ...] = ON_ROW if place.in_table else IN_DETAILS if place.details else IN_LOG
    lead: list[Binding] = []
    if place.in_table and place.filtered:
        lead.append(key_named("back", "clear filter"))
    if row is None:
        return lead
    if row.login:
        if place.waiting:
            lead.append(key_named("log_in", "back to the prompt"))
        lead.append(key_named("stop", "end the prompt" if place.waiting else "end the login"))
        names = tuple(name for name in names if name not in FOR_MANY)
    reason = row.status.reason
    if reason is not None and reason.code is ReasonCode.HOST_KEY_CHANGED:
        words = "accept key" if place.details else "compare keys"
        lead.append(key_named("accept_key", words))
    able = [name for name in names if not why_not(name, row)]
    if not place.details:
        return [*lead, *(KEYS[name] for name in able)]
    # The same key goes back to the log; one way there is enough.
    renamed = {"details": "log"}
    return [*lead, *(key_named(name, renamed.get(name, "")) for name in able if name != "log")]


def keys_of_many(rows: Sequence[Row], *, marked: bool) -> list[Binding]:
    """Choose what can be done to several at once."""
    able = [name for name in FOR_MANY if any(not why_not(name, each) for each in rows)]
    last = key_named("back", "unmark") if marked else KEYS["open"]
    return [*(KEYS[name] for name in able), last]
