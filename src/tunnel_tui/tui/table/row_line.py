"""One row of the table as spans. Pure: the widget gives row, layout and time."""

from tunnel_tui.model import State
from tunnel_tui.tui.format.glyphs import Glyphs
from tunnel_tui.tui.format.text import (
    STATE_TONES,
    Ends,
    Span,
    Tone,
    amount,
    badge,
    clean,
    cut,
    cut_end,
    duration,
    fit,
    host_label,
    reason_spans,
    round_trip,
    sparkline,
    width_of,
)
from tunnel_tui.tui.table.columns import BADGE, BRIEF, Columns
from tunnel_tui.tui.table.rows import Row
from tunnel_tui.tui.table.tree import LAST, MIDDLE

STUMP = 10
"""Cells below which the beginning of an advice says nothing."""


def draw_heads(columns: Columns, glyphs: Glyphs) -> list[Span]:
    """Name the columns of a layout."""
    titles = {
        "up": "UP",
        "rtt": "RTT",
        "down": f"{glyphs.down}/s",
        "sent": f"{glyphs.up}/s",
        "again": glyphs.again,
        "hash": "HASH",
        "spark": "TRAFFIC",
    }
    gap = " " * columns.gap
    text = "  " + "STATE".ljust(BADGE) + gap + "NAME".ljust(columns.name) + gap
    if columns.listener:
        text += "LISTENER".ljust(columns.listener)
    if columns.arrow:
        text += " " * columns.arrow + "TARGET".ljust(columns.target)
    text += gap if columns.listener else ""
    if columns.via:
        text += "VIA".ljust(columns.via) + gap
    figures = "".join(titles[name].rjust(size) for name, size in columns.figures)
    return [Span(text + figures.rjust(columns.reason), Tone.FAINT)]


def draw_row(
    row: Row, both: Ends, columns: Columns, glyphs: Glyphs, now: float, *, chosen: bool
) -> list[Span]:
    """Draw a row: cursor, badge, who, from where to where, by what way, and how it fares."""
    status = row.status
    quiet = status.state is State.STOPPED
    text_tone = Tone.DIM if quiet else Tone.PLAIN
    space = Span(" " * columns.gap)
    bar = Span(glyphs.cursor if chosen else " ", Tone.ACCENT)
    spans = [
        bar,
        Span("+" if row.marked else " ", Tone.ACCENT),
        Span(fit(badge(status, glyphs), BADGE, glyphs), STATE_TONES[status.state]),
        space,
        *_name(row, columns.name, glyphs),
        space,
    ]
    if columns.listener:
        listener = cut_end(both.listener, columns.listener, glyphs)
        spans.append(Span(fit(listener, columns.listener, glyphs), text_tone))
    if columns.arrow:
        live = Tone.ACCENT if status.state is State.RUNNING else Tone.FAINT
        target = cut_end(both.target, columns.target, glyphs)
        spans += [
            Span(f" {glyphs.arrow} ", live),
            Span(fit(target, columns.target, glyphs), Tone.DIM if quiet else text_tone),
        ]
    if columns.listener:
        spans.append(space)
    if columns.via:
        via = host_label(status.spec.remote_host)
        spans += [Span(fit(via, columns.via, glyphs), Tone.DIM), space]
    return spans + _fare(row, columns, glyphs, now)


def age(row: Row, now: float) -> str:
    """Spell all of a row that changes with the time alone."""
    status = row.status
    if status.state is not State.RUNNING or status.since is None:
        return ""
    return duration(now - status.since)


def _name(row: Row, width: int, glyphs: Glyphs) -> list[Span]:
    """Show the name, hanging from its branch where the rows are a tree."""
    status = row.status
    guide = {MIDDLE: f"{glyphs.middle} ", LAST: f"{glyphs.last} "}.get(row.guide, "")
    tone = Tone.NAME
    if row.marked:
        tone = Tone.KEY
    elif status.state is State.STOPPED or not status.configured:
        tone = Tone.DIM
    name = fit(clean(status.spec.name), max(0, width - len(guide)), glyphs)
    return [Span(guide, Tone.FAINT), Span(name, tone)]


def _fare(row: Row, columns: Columns, glyphs: Glyphs, now: float) -> list[Span]:
    """Show the figures, or why there are none."""
    reason = reason_spans(
        row.status, row.busy, glyphs, brief=columns.reason < BRIEF, login=row.login
    )
    if not reason:
        return _figures(row, columns, glyphs, now)
    spans, room = [], columns.reason
    for index, span in enumerate(reason):
        if index and room < STUMP:
            break
        text = cut(span.text, room, glyphs)
        spans.append(span._replace(text=text))
        room -= width_of(text)
    return spans


def _figures(row: Row, columns: Columns, glyphs: Glyphs, now: float) -> list[Span]:
    status, rate = row.status, row.rate
    if status.state is not State.RUNNING:
        return []
    shown: dict[str, Span] = {"hash": Span(row.key[:8], Tone.FAINT)}
    if up := age(row, now):
        shown["up"] = Span(up, Tone.DIM)
    if status.traffic is not None:
        shown["rtt"] = Span(round_trip(status.traffic.rtt), Tone.DIM)
    if rate is not None:
        shown["down"] = _rate(rate.received)
        shown["sent"] = _rate(rate.sent)
        shown["spark"] = Span(sparkline(rate.history, 12, glyphs), Tone.ACCENT)
    if status.reconnects:
        shown["again"] = Span(str(status.reconnects), Tone.WARNING)
    else:
        shown["again"] = Span("0", Tone.FAINT)
    used = sum(size for _, size in columns.figures)
    spans = [Span(" " * max(0, columns.reason - used))]
    for name, size in columns.figures:
        text, tone, _ = shown.get(name, Span(""))
        spans.append(Span(fit(text, size, glyphs, right=True), tone))
    return spans


def _rate(value: float) -> Span:
    return Span(amount(value), Tone.PLAIN if value >= 0.5 else Tone.FAINT)
