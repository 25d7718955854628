"""The lines above the log that say why the selected tunnel is not up, and what to do."""

from collections.abc import Sequence
from typing import ClassVar

from rich.text import Text
from textual.widgets import Static

from tunnel_tui.model import ReasonCode, State, TunnelStatus
from tunnel_tui.tui.format.glyphs import Glyphs
from tunnel_tui.tui.format.line import TONE_CLASSES, Toned
from tunnel_tui.tui.format.text import STATE_TONES, Span, Tone, clean, clean_lines, reason_spans
from tunnel_tui.tui.keys.bindings import TUNNEL, key_text

UNCONFIGURED = "not in the config: x stops it, and it cannot be started from here"


class Verdict(Static, Toned):
    """Reason and advice of one tunnel; hidden where there is nothing to say."""

    COMPONENT_CLASSES: ClassVar[set[str]] = set(TONE_CLASSES)

    def __init__(self, glyphs: Glyphs) -> None:
        super().__init__(id="verdict")
        self._glyphs = glyphs
        self._shown: tuple[Span, ...] = ()
        self.display = False

    def show(self, status: TunnelStatus | None) -> None:
        """Say what there is to say of this tunnel."""
        spans = tuple(compose_verdict(status, self._glyphs)) if status else ()
        if spans == self._shown:
            return
        self._shown = spans
        self.display = bool(spans)
        self.update(
            Text.assemble(*((clean_lines(span.text), self.tone_style(span.tone)) for span in spans))
        )


def compose_verdict(status: TunnelStatus, glyphs: Glyphs) -> Sequence[Span]:
    """Put reason, advice and whatever else needs saying into one line."""
    reason = status.reason
    if reason is not None and reason.code is ReasonCode.HOST_KEY_CHANGED:
        # Its command is long; the details have it, and the key that spares typing it.
        key = key_text(next(key for key in TUNNEL if key.action == "accept_key"))
        advice = f"{key} compares the keys; {key} again accepts the new one"
        status = status._replace(reason=reason._replace(advice=advice))
        reason = status.reason
    spans = [span for span in reason_spans(status, "", glyphs) if span.text]
    separator = f" {glyphs.dot} "
    if status.state is State.STARTING and reason and reason.advice:
        spans.append(Span(separator + clean(reason.advice), Tone.DIM))
    if not status.configured:
        spans.append(Span((separator if spans else "") + UNCONFIGURED, Tone.DIM))
    if not spans:
        return ()
    return [Span(f"{glyphs.badges[status.state]} ", STATE_TONES[status.state]), *spans]
