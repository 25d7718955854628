"""A tunnel's truth in words and figures for a person. Pure: no widget, no clock of its own."""

import shlex
from enum import StrEnum
from typing import NamedTuple

from rich.cells import cell_len, set_cell_size

from tunnel_tui.model import (
    DirectionMode,
    Endpoint,
    Forward,
    State,
    TunnelSpec,
    TunnelStatus,
)
from tunnel_tui.tui.format.glyphs import Glyphs

LOOPBACKS = frozenset({"", "localhost", "127.0.0.1", "::1"})
EVERYWHERE = frozenset({"0.0.0.0", "::", "[::]", "*"})
NEEDS_LOGIN = "needs a login"


class Tone(StrEnum):
    """What a piece of text means; the style sheet decides what that looks like."""

    PLAIN = "plain"
    NAME = "name"
    DIM = "dim"
    FAINT = "faint"
    ACCENT = "accent"
    KEY = "key"
    WARNING = "warning"
    DEAD = "dead"
    STARTING = "starting"
    INTERACTIVE = "interactive"
    RUNNING = "running"
    STOPPED = "stopped"
    MATCH = "match"
    ASKING = "asking"


class Span(NamedTuple):
    """A piece of a line in one tone. A click on it runs `action`, if there is one."""

    text: str
    tone: Tone = Tone.PLAIN
    action: str = ""


STATE_TONES = {state: Tone(state.value.lower()) for state in State}


def clean(text: str) -> str:
    """Make every character of a foreign text harmless and visible on one line."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)


def clean_lines(text: str) -> str:
    """Make a text of several lines harmless and keep its lines."""
    return "\n".join(map(clean, text.split("\n")))


def is_plain(text: str, *, quoted: bool) -> bool:
    """Tell whether a text may be put on the clipboard: no terminal acts on it where it is pasted.

    Args:
        text: an address or a command.
        quoted: False for what strangers may have written: no shell may act on it either.
    """
    return text.isprintable() and (quoted or shlex.quote(text) == text)


def width_of(text: str) -> int:
    """Count the terminal cells that `text` takes."""
    return len(text) if text.isascii() else cell_len(text)


def cut(text: str, width: int, glyphs: Glyphs) -> str:
    """Shorten `text` to at most `width` cells, showing that something is missing."""
    if width_of(text) <= width:
        return text
    if width <= 0:
        return ""
    return set_cell_size(text, width - 1).rstrip() + glyphs.cut


def fit(text: str, width: int, glyphs: Glyphs, *, right: bool = False) -> str:
    """Make `text` exactly `width` cells: cut or padded."""
    shown = cut(text, width, glyphs)
    padding = " " * (width - width_of(shown))
    return padding + shown if right else shown + padding


def cut_end(text: str, width: int, glyphs: Glyphs) -> str:
    """Shorten an endpoint: the port, or the file name of a socket, always stays.

    A bare `:5433` would say that it listens everywhere: a loopback address becomes `lo:5433`.
    """
    if width_of(text) <= width:
        return text
    if text.startswith(("/", "./", "~")):
        return glyphs.cut + text[-(width - 1) :] if width > 1 else cut(text, width, glyphs)
    host, _, port = text.rpartition(":")
    if host and host in LOOPBACKS:
        return cut(f"lo:{port}" if len(port) + 3 <= width else f":{port}", width, glyphs)
    room = width - len(port) - 1
    if not host or room < 2:
        return cut(text, width, glyphs)
    if host in EVERYWHERE:
        return f"*:{port}"
    return f"{cut(host, room, glyphs)}:{port}"


def host_label(remote_host: str) -> str:
    """Name a remote host without its user."""
    return clean(remote_host.rpartition("@")[2])


def _there(end: Endpoint, host: str) -> str:
    """Show an endpoint at the remote host: its loopback goes by the host's own name."""
    if end.path or end.host not in LOOPBACKS:
        return clean(str(end))
    return f"{host}:{end.port}"


class Ends(NamedTuple):
    """Both ends of a tunnel as the table shows them."""

    listener: str
    target: str
    listens_here: bool


def forward_of(spec: TunnelSpec, mode: DirectionMode) -> Forward | None:
    """Compute the forward, or None where an endpoint is malformed (entries of others)."""
    try:
        return spec.forward(mode)
    except ValueError:
        return None


def ends(spec: TunnelSpec, mode: DirectionMode) -> Ends:
    """Show `listener` and `target` so that a reader sees which end is here.

    The end at the remote host bears that host's name where it is bound to loopback:
    `localhost:3000 ⇒ edge-3:3000`, not `localhost:3000 ⇒ localhost:3000`.
    """
    forward = forward_of(spec, mode)
    if forward is None:
        return Ends(clean(spec.local_port), clean(spec.remote_port), True)
    host = host_label(spec.remote_host)
    if forward.listens_here:
        return Ends(clean(str(forward.listener)), _there(forward.target, host), True)
    return Ends(_there(forward.listener, host), clean(str(forward.target)), False)


def explain(spec: TunnelSpec, mode: DirectionMode) -> str:
    """Say in a sentence which way the connections go."""
    forward = forward_of(spec, mode)
    host = host_label(spec.remote_host)
    if forward is None:
        return "its endpoints cannot be read"
    if forward.listens_here:
        return f"connect here to {forward.listener}; {host} passes it on to {forward.target}"
    return f"connect at {host} to {forward.listener}; it comes out here at {forward.target}"


def badge(status: TunnelStatus, glyphs: Glyphs) -> str:
    """Show a state as glyph and word; `?` where RUNNING rests on circumstance."""
    doubt = " ?" if status.state is State.RUNNING and not status.confirmed else ""
    return f"{glyphs.badges[status.state]} {status.state.value}{doubt}"


def duration(seconds: float) -> str:
    """Show a span of time in at most seven characters: `38s`, `12m`, `2h 11m`, `6d 4h`."""
    whole = max(0, int(seconds))
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m"
    if whole < 86400:
        return f"{whole // 3600}h {whole % 3600 // 60}m"
    days, hours = whole // 86400, whole % 86400 // 3600
    return f"{days}d {hours}h" if days < 1000 else f"{days}d"


def round_trip(seconds: float) -> str:
    """Show a round trip time: `0.4 ms`, `41 ms`, `1.2 s`."""
    milliseconds = seconds * 1000
    if milliseconds < 9.95:
        return f"{milliseconds:.1f} ms"
    return f"{milliseconds:.0f} ms" if milliseconds < 999.5 else f"{seconds:.1f} s"


def amount(count: float) -> str:
    """Show a number of bytes in at most seven characters: `0`, `512 B`, `38 kB`, `4.1 MB`."""
    if count < 0.5:
        return "0"
    value, units = float(count), ["B", "kB", "MB", "GB", "TB", "PB"]
    unit = units.pop(0)
    while value >= 999.5 and units:
        value, unit = value / 1000, units.pop(0)
    return f"{value:.1f} {unit}" if unit != "B" and value < 9.95 else f"{value:.0f} {unit}"


def sparkline(samples: tuple[float, ...], width: int, glyphs: Glyphs) -> str:
    """Draw the last `width` samples, the highest as a full block; silence is a blank line."""
    shown = samples[-width:]
    top = max(shown, default=0.0)
    steps = len(glyphs.spark) - 1
    if top < 1:
        return " " * width
    bars = [glyphs.spark[0 if s < 0.5 else max(1, round(s / top * steps))] for s in shown]
    return "".join(bars).rjust(width)


def reason_spans(
    status: TunnelStatus, busy: str, glyphs: Glyphs, *, brief: bool = False, login: str = ""
) -> tuple[Span, ...]:
    """Say why there are no figures: empty where there are some, or nothing to say."""
    if busy:
        return (Span(f"{busy}{'...' if glyphs.ascii else '…'}", Tone.ACCENT),)
    if login:
        return (Span(login, Tone.INTERACTIVE),)
    tone = STATE_TONES[status.state]
    reason = status.reason
    separator = f" {glyphs.dot} "
    if status.state is State.DEAD:
        text = clean(reason.text) if reason else "died, and left no reason"
        advice = clean(reason.advice) if reason and not brief else ""
        return (Span(text, tone), Span(separator + advice if advice else "", Tone.DIM))
    if status.state is State.STARTING:
        text = clean(status.detail) or "connecting"
        if brief and reason:
            return (Span(clean(reason.text), tone),)
        return (
            Span(text, tone),
            Span(separator + clean(reason.text) if reason else "", Tone.DIM),
        )
    if status.state is State.INTERACTIVE:
        note = clean(reason.text) if reason else clean(status.detail)
        if reason:
            return (Span(note, tone), Span("" if brief else separator + NEEDS_LOGIN, Tone.DIM))
        note = "" if brief else note
        return (Span(NEEDS_LOGIN, tone), Span(separator + note if note else "", Tone.DIM))
    if reason:  # a start that came to nothing
        advice = "" if brief else separator + clean(reason.advice)
        return (Span(clean(reason.text), Tone.WARNING), Span(advice, Tone.DIM))
    return ()


def log_level_tone(name: str) -> Tone:
    """Map a class of log line to its tone."""
    return {
        "failure": Tone.DEAD,
        "warning": Tone.WARNING,
        "success": Tone.RUNNING,
        "marker": Tone.ACCENT,
        "dim": Tone.DIM,
    }.get(name, Tone.PLAIN)
