"""What there is to know of one tunnel beyond its state: its lines, its past, what is in its way."""

import os
from typing import NamedTuple

from tunnel_tui.model import ReasonCode, TunnelStatus
from tunnel_tui.settings import Settings
from tunnel_tui.ssh.host_keys import ChangedKey, find_changed_key
from tunnel_tui.state.history import History, Record, Summary

MOST_RECORDS = 50
_MOST_LINES = 40
"""Lines of the configuration that are shown of one tunnel."""


class TunnelDetails(NamedTuple):
    """What the details of a tunnel show.

    Attributes:
        lines: its lines of the configuration, with their numbers.
        records: its changes of state, newest first.
        holder: who holds its port, in words; "": nobody, or nobody asked.
        key: the host key that has changed, where that is what is wrong.
    """

    lines: tuple[tuple[int, str], ...] = ()
    records: tuple[Record, ...] = ()
    summary: Summary | None = None
    holder: str = ""
    key: ChangedKey | None = None


def gather(settings: Settings, status: TunnelStatus, now: float) -> TunnelDetails:
    """Look everything up; what cannot be read is left out."""
    history = History(settings.history_file)
    spec, code = status.spec, status.reason.code if status.reason else None
    records = history.read(spec.hash, MOST_RECORDS)
    return TunnelDetails(
        config_lines(settings.config_file, spec.line) if status.configured else (),
        tuple(reversed(records)),
        history.summary(spec.hash, now) if records else None,
        _holder(settings, status) if code is ReasonCode.LOCAL_PORT_BUSY else "",
        find_changed_key(settings, spec) if code is ReasonCode.HOST_KEY_CHANGED else None,
    )


def config_lines(path: str, first: int) -> tuple[tuple[int, str], ...]:
    """Cut out of a file the list item that begins in line `first` (from 1)."""
    if first < 1:
        return ()
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            lines = file.read().splitlines()
    except OSError:
        return ()
    if first > len(lines):
        return ()
    depth = _indent(lines[first - 1])
    end = first
    for number in range(first, min(len(lines), first + _MOST_LINES)):
        text = lines[number]
        if text.strip() and _indent(text) <= depth:
            break
        if text.strip() and not text.lstrip().startswith("#"):
            end = number + 1
    return tuple((number + 1, lines[number]) for number in range(first - 1, end))


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip(" "))


def _holder(settings: Settings, status: TunnelStatus) -> str:
    """Say who listens where the tunnel wants to, at this moment."""
    from tunnel_tui.system.sockets import port_holder

    forward = status.spec.forward(settings.direction_mode)
    end = forward.listener
    if not forward.listens_here or end.path:
        return ""
    holder = port_holder(end.bind_host, end.port)
    if holder is None:
        return f"port {end.port} is free again"
    who = os.path.basename(holder.command.split(" ")[0]) if holder.command else "a process"
    pid = f" (pid {holder.pid})" if holder.pid else ""
    return f"{who}{pid} of {holder.user} listens at {holder.address}"
