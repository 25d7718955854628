"""A tunnel in labelled lines, and its ladder: what the details say, in words. Pure."""

import time
from collections.abc import Sequence
from shlex import join
from typing import NamedTuple

from tunnel_tui.model import UP, DirectionMode, Layer, ReasonCode, State, TunnelStatus
from tunnel_tui.ssh.host_keys import ChangedKey
from tunnel_tui.state.history import Record
from tunnel_tui.supervise.info.tunnel_details import TunnelDetails
from tunnel_tui.tui.format.glyphs import Glyphs
from tunnel_tui.tui.format.text import (
    EVERYWHERE,
    NEEDS_LOGIN,
    STATE_TONES,
    Tone,
    amount,
    badge,
    clean,
    duration,
    explain,
    forward_of,
    host_label,
)

LOCAL = frozenset({"localhost", "127.0.0.1", "::1"})
SHOWN_RECORDS = 12
Fact = tuple[str, str, Tone]
_NETWORK = (
    ReasonCode.HOST_KEY_CHANGED,
    ReasonCode.HOST_KEY_UNKNOWN,
    ReasonCode.PERMISSION_DENIED,
    ReasonCode.TOO_MANY_FAILURES,
    ReasonCode.KEY_FILE,
    ReasonCode.UNRESOLVED,
    ReasonCode.REFUSED,
    ReasonCode.UNREACHABLE,
    ReasonCode.TIMED_OUT,
    ReasonCode.CONNECTION_LOST,
    ReasonCode.JUMP_FAILED,
    ReasonCode.LOGIN_LOST,
)
_FORWARD = (
    ReasonCode.LOCAL_PORT_BUSY,
    ReasonCode.REMOTE_PORT_BUSY,
    ReasonCode.FORWARDING_REFUSED,
)
BROKEN_AT = dict.fromkeys(_NETWORK, 1) | dict.fromkeys(_FORWARD, 2)
"""Which rung a reason breaks; all others break the first."""


class CheckLine(NamedTuple):
    """One rung of the ladder as shown. `advice` only where it is the broken one."""

    glyph: str
    name: str
    detail: str
    tone: Tone
    advice: str = ""


def head_facts(status: TunnelStatus, more: TunnelDetails, glyphs: Glyphs, now: float) -> list[Fact]:
    """Say how it is, why, and what stands in its way."""
    reason = status.reason
    facts: list[Fact] = [("state", _state(status, glyphs, now), STATE_TONES[status.state])]
    if reason:
        facts.append(("reason", clean(reason.text), STATE_TONES[status.state]))
        facts.append(("evidence", clean(reason.evidence), Tone.DIM))
    facts.append(("holder", clean(more.holder), Tone.NAME))
    if more.key:
        facts += _key_facts(more.key, glyphs)
    return [fact for fact in facts if fact[1]]


def _key_facts(key: ChangedKey, glyphs: Glyphs) -> list[Fact]:
    where = f" {glyphs.dot} {clean(key.file)}:{key.line}"
    whose = f"jump host {clean(key.name)}: " if key.hop else ""
    accept = f"{whose}K, where the new one is right: you type the host's name"
    if not key.ours:
        accept = f"{whose}that file is yours: " + clean(join(key.remedy))
    return [
        ("known key", (clean(key.known) or "not readable") + where, Tone.PLAIN),
        ("new key", clean(key.offered) or "not in the log any more", Tone.WARNING),
        ("accept", accept, Tone.NAME),
    ]


def body_facts(
    status: TunnelStatus, more: TunnelDetails, mode: DirectionMode, command: str, now: float
) -> list[Fact]:
    """Say what it is for, what it runs, where it is written, and what has become of it."""
    spec = status.spec
    facts: list[Fact] = [
        ("way", explain(spec, mode), Tone.PLAIN),
        ("reached by", reach(status, mode), Tone.PLAIN),
        ("host", clean(spec.remote_host), Tone.PLAIN),
    ]
    if status.traffic:
        traffic = status.traffic
        text = f"{amount(traffic.received)} in, {amount(traffic.sent)} out"
        facts.append(("traffic", text, Tone.PLAIN))
    if status.state in UP:
        facts.append(("reconnects", f"{status.reconnects} since its start", Tone.PLAIN))
    facts.append(("last day", _last_day(more, now), Tone.PLAIN))
    facts.append(("group", clean(spec.group), Tone.PLAIN))
    facts.append(("about", clean(spec.description), Tone.PLAIN))
    facts.append(("command", clean(command), Tone.DIM))
    facts.append(("hash", spec.hash, Tone.DIM))
    if not status.configured:
        facts.append(("config", "no longer in the file", Tone.WARNING))
    return [fact for fact in facts if fact[1]]


def config_facts(path: str, more: TunnelDetails) -> list[Fact]:
    """Show the tunnel's own lines of the configuration, under the place where they stand."""
    if not more.lines:
        return []
    depth = min(len(text) - len(text.lstrip(" ")) for _, text in more.lines if text.strip())
    facts: list[Fact] = [("config", f"{clean(path)}:{more.lines[0][0]}", Tone.PLAIN)]
    return facts + [("", f"{n:>4}  {clean(text[depth:])}", Tone.DIM) for n, text in more.lines]


def history_facts(more: TunnelDetails, glyphs: Glyphs, now: float) -> list[Fact]:
    """Show the changes of state, newest first."""
    facts: list[Fact] = []
    for index, record in enumerate(more.records[:SHOWN_RECORDS]):
        facts.append(("history" if not index else "", *_record(record, glyphs, now)))
    left = len(more.records) - SHOWN_RECORDS
    if left > 0:
        facts.append(("", f"and {left} older", Tone.FAINT))
    return facts


def _record(record: Record, glyphs: Glyphs, now: float) -> tuple[str, Tone]:
    then, today = time.localtime(record.time), time.localtime(now)
    style = "%H:%M:%S" if then[:3] == today[:3] else "%b %d %H:%M"
    name = clean(record.state)
    state = next((each for each in State if each.value == record.state), None)
    glyph, tone = (glyphs.badges[state], STATE_TONES[state]) if state else ("?", Tone.DIM)
    why = f"  {clean(record.text)}" if record.text else ""
    return f"{time.strftime(style, then):<13}{glyph} {name:<11}{why}", tone


def _last_day(more: TunnelDetails, now: float) -> str:
    summary = more.summary
    if summary is None:
        return ""
    parts = []
    if summary.uptime is not None:
        share = summary.uptime * 100
        parts.append(f"up {share:.0f} %" if share in {0, 100} else f"up {share:.1f} %")
    times = "time" if summary.reconnects == 1 else "times"
    parts.append(f"came back {summary.reconnects} {times}")
    if failure := summary.last_failure:
        why = f": {clean(failure.text)}" if failure.text else ""
        parts.append(f"last failure {duration(now - failure.time)} ago{why}")
    return ", ".join(parts)


def reach(status: TunnelStatus, mode: DirectionMode) -> str:
    """Say who can connect to the listener."""
    forward = forward_of(status.spec, mode)
    if forward is None:
        return ""
    end, host = forward.listener, host_label(status.spec.remote_host)
    where = "this machine" if forward.listens_here else host
    if end.path:
        return f"who may open that socket on {where}"
    if end.bind_host in LOCAL:
        return f"only programs on {where}"
    if end.bind_host in EVERYWHERE:
        may = "" if forward.listens_here else ", if its sshd has GatewayPorts"
        return f"everybody who reaches {where}{may}"
    return f"who reaches {clean(end.bind_host)} of {where}"


def _state(status: TunnelStatus, glyphs: Glyphs, now: float) -> str:
    parts = [badge(status, glyphs), clean(status.detail)]
    if status.state is State.INTERACTIVE and not status.detail:
        parts.append(NEEDS_LOGIN)
    if status.since is not None and status.state is not State.STOPPED:
        parts.append(f"for {duration(now - status.since)}")
    if not status.confirmed:
        parts.append("not confirmed: its log does not say when the forward stands")
    return f" {glyphs.dot} ".join(part for part in parts if part)


def climb(layers: Sequence[Layer], status: TunnelStatus, glyphs: Glyphs) -> list[CheckLine]:
    """Mark the rung that broke; what lies beyond it was not reached."""
    reason = status.reason
    down = status.state in {State.DEAD, State.STARTING}
    broken = next((i for i, layer in enumerate(layers) if layer.ok is False), None)
    if down and reason is not None:
        broken = BROKEN_AT.get(reason.code, 0)
    elif status.state in {State.STOPPED, State.INTERACTIVE}:
        broken = None
    rungs = []
    for index, layer in enumerate(layers):
        name, detail = clean(layer.name), clean(layer.detail)
        if index == broken:
            advice = clean(reason.advice) if reason else ""
            text = clean(reason.text) if down and reason and index else detail
            rungs.append(CheckLine(glyphs.bad, name, text, Tone.DEAD, advice))
        elif layer.ok and not (down and broken is not None and index > broken):
            rungs.append(CheckLine(glyphs.good, name, detail, Tone.RUNNING))
        elif broken is not None and index < broken:
            rungs.append(CheckLine(glyphs.open, name, detail, Tone.DIM))
        else:
            unasked = detail if layer.ok is None else ""
            rungs.append(CheckLine(glyphs.dot, name, unasked, Tone.FAINT))
    return rungs
