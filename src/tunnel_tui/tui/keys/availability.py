"""Whether an action can be done to a tunnel now, and if not, why not. Pure."""

from tunnel_tui.model import UP, State
from tunnel_tui.tui.table.rows import Row

NO_TUNNEL = "no tunnel is selected"
NEEDS_PERSON = "it needs a login: a begins it"
NEEDS_NONE = "it logs in by key and never asks: s starts it"
UNCONFIGURED = "it is no longer in the config: it can be stopped, not started"


def why_not(action: str, row: Row | None) -> str:
    """Say why `action` cannot be done; empty where it can."""
    if row is None:
        return NO_TUNNEL
    if action in {"start", "stop", "restart"} and row.busy:
        return f"still {row.busy}"
    check = {"start": _start, "stop": _stop, "restart": _restart, "log_in": _log_in}.get(action)
    return check(row) if check else ""


def _start(row: Row) -> str:
    status = row.status
    if status.state is State.RUNNING:
        return "it is running already"
    if status.state is State.STARTING:
        return "it is starting already"
    if status.spec.interactive:
        return NEEDS_PERSON
    return "" if status.configured else UNCONFIGURED


def _log_in(row: Row) -> str:
    status = row.status
    if row.login:
        return f"its login is under way: {row.login}"
    if not status.spec.interactive:
        return NEEDS_NONE
    if status.state in UP:
        return "it is logged in already"
    return "" if status.configured else UNCONFIGURED


def _stop(row: Row) -> str:
    if row.login:
        return ""
    state = row.status.state
    return "it is not running" if state in {State.STOPPED, State.INTERACTIVE} else ""


def _restart(row: Row) -> str:
    up = row.status.state in UP
    if row.status.spec.interactive and not up:
        return NEEDS_PERSON
    return "" if row.status.configured else UNCONFIGURED
