"""The login tab: who asks, for what, the terminal, and how it ended."""

from collections.abc import Sequence
from typing import ClassVar, Self

from rich.text import Text
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.widgets import Static

from tunnel_tui.model import UP, DirectionMode, Reason, ReasonCode, TunnelSpec, TunnelStatus
from tunnel_tui.tui.format.glyphs import Glyphs
from tunnel_tui.tui.format.line import TONE_CLASSES, LineWidget, Toned, spans_width
from tunnel_tui.tui.format.text import Span, Tone, clean, clean_lines, cut, ends, width_of
from tunnel_tui.tui.login.session import LAST_WORDS, LoginSession, Phase
from tunnel_tui.tui.login.terminal_view import TerminalView

HIDDEN = "typing is hidden"


GETS_IT = "gets what you type"


class LoginHead(LineWidget):
    """The line above the terminal: who asks, what will be forwarded, whether typing shows.

    A server can draw anything into the terminal, and push away what ssh said of it. It cannot
    reach this line, nor the edge to the left of the terminal.
    """

    def __init__(self, mode: DirectionMode, glyphs: Glyphs) -> None:
        super().__init__(id="login-head")
        self._mode = mode
        self._glyphs = glyphs
        self._spec: TunnelSpec | None = None
        self._note = Span("")
        self._askers = ""

    def show(self, spec: TunnelSpec | None, note: Span, askers: str = "") -> None:
        """Say what is being logged in for, and what there is to know.

        Args:
            spec: the tunnel; None leaves the line empty.
            note: what stands at the right.
            askers: who gets what is typed; "" where nothing is asked.
        """
        self._spec, self._note, self._askers = spec, note, askers
        self.update_line()

    def spans(self, width: int) -> Sequence[Span]:
        """Draw host and forward to the left, the note to the right."""
        if self._spec is None:
            return ()
        if self._askers:
            return self._warning(width)
        both, glyphs = ends(self._spec, self._mode), self._glyphs
        note = self._note
        room = width - width_of(note.text) - 4
        host = cut(clean(self._spec.remote_host), max(8, room), glyphs)
        forward = f"{both.listener} {glyphs.arrow} {both.target}"
        left = [Span("  "), Span(host, Tone.NAME)]
        spare = room - spans_width(left) - 3
        if spare >= 12:
            left += [Span("   "), Span(cut(forward, spare, glyphs), Tone.DIM)]
        gap = max(1, width - spans_width(left) - width_of(note.text) - 2)
        return [*left, Span(" " * gap), note]

    def _warning(self, width: int) -> Sequence[Span]:
        """Fill the whole line: who gets what is typed must not be overlooked."""
        note, glyphs = self._note.text, self._glyphs
        room = width - width_of(note) - width_of(GETS_IT) - 4
        text = f"  {cut(clean(self._askers), max(8, room), glyphs)} {GETS_IT}"
        spare = width - width_of(text) - width_of(note)
        if self._spec is not None and spare >= 16:
            both = ends(self._spec, self._mode)
            forward = f"{both.listener} {glyphs.arrow} {both.target}"
            text += "   " + cut(forward, spare - 4, glyphs)
        gap = max(1, width - width_of(text) - width_of(note))
        return [Span(cut(text + " " * gap + note, width, glyphs), Tone.ASKING)]


class LoginPane(Vertical):
    """What the lower pane shows of a login."""

    def __init__(self, mode: DirectionMode, glyphs: Glyphs) -> None:
        super().__init__(id="login")
        self.head, self.word = LoginHead(mode, glyphs), LoginWord(glyphs)
        self.terminal = TerminalView()

    def compose(self) -> ComposeResult:
        """Lay out from top to bottom."""
        yield self.head
        yield self.terminal
        yield self.word

    @property
    def session(self) -> LoginSession | None:
        """The login that is shown."""
        return self.terminal.session

    def focus(self, scroll_visible: bool = True) -> Self:
        """Give the keyboard to the terminal."""
        self.terminal.focus(scroll_visible)
        return self

    def say_too_early(self) -> None:
        """Say that what was typed went nowhere; until the next question comes."""
        if self.session is not None:
            note = Span("nothing is asked yet ", Tone.WARNING)
            self.head.show(self.session.spec, note, askers_of(self.session))

    def show(self, session: LoginSession | None, status: TunnelStatus | None) -> None:
        """Show a login, or what there is to say of one that has not begun.

        Args:
            session: the login, under way or failed.
            status: of the selected tunnel; it matters only where there is no login.
        """
        self.terminal.show(session)
        head, word = self.head, self.word
        if session is None:
            needed = status is not None and status.spec.interactive
            head.show(status.spec if status is not None and needed else None, Span(""))
            word.say(teach(status))
        else:
            head.show(session.spec, note_of(session), askers_of(session))
            word.say(tell_failure(session.reason) if session.reason is not None else ())
        self.terminal.display = session is not None


class LoginWord(Static, Toned):
    """Below the terminal: why it failed and what to do; or how to begin."""

    COMPONENT_CLASSES: ClassVar[set[str]] = set(TONE_CLASSES)

    def __init__(self, glyphs: Glyphs) -> None:
        super().__init__(id="login-word")
        self._glyphs = glyphs
        self._said: tuple[Span, ...] | None = None

    def say(self, spans: Sequence[Span]) -> None:
        """Say this, or be gone where there is nothing to say."""
        said = tuple(spans)
        if said == self._said:
            return
        self._said = said
        self.display = bool(said)
        mark = (
            [Span(f"{self._glyphs.bad} ", Tone.DEAD)]
            if said[:1] and said[0].tone is Tone.DEAD
            else []
        )
        self.update(
            Text.assemble(*((clean_lines(s.text), self.tone_style(s.tone)) for s in [*mark, *said]))
        )


def askers_of(session: LoginSession) -> str:
    """Say who gets what is typed; "" where nobody does."""
    return session.askers if session.takes_keys else ""


def note_of(session: LoginSession) -> Span:
    """Say what a person must know while typing: above all whether it shows."""
    if session.phase is Phase.OPENING:
        return Span("connecting ", Tone.DIM)
    if session.phase is Phase.PROVING:
        return Span("logged in, attaching ", Tone.RUNNING)
    if not session.takes_keys:
        return Span("")
    left = session.seconds_left
    if left < LAST_WORDS:
        return Span(f"type something, or it ends in {max(0, left):.0f} s ", Tone.WARNING)
    return Span(f"{HIDDEN} ", Tone.WARNING) if session.asks_unseen else Span("")


def tell_failure(reason: Reason) -> list[Span]:
    """Put reason, what there is to know, and what to do into a few lines."""
    spans = [Span(clean(reason.text), Tone.DEAD)]
    # What ssh said stands in the terminal already.
    detail = clean(reason.evidence) if reason.code is ReasonCode.UNKNOWN else ""
    if detail:
        spans.append(Span(f": {detail}" if len(detail) < 90 else f": {detail[:90]}", Tone.DIM))
    if reason.advice:
        spans.append(Span(f"\n  {clean(reason.advice)}", Tone.PLAIN))
    return spans


def teach(status: TunnelStatus | None) -> list[Span]:
    """Say how a login begins, or why the selected tunnel needs none."""
    if status is None:
        return []
    spec = status.spec
    if not spec.interactive:
        name = clean(spec.name)
        return [Span(f"{name} logs in by key: it never asks. s starts it.", Tone.DIM)]
    if status.state in UP:
        return [Span("logged in; it stays so when you leave this app", Tone.DIM)]
    return [
        Span("a", Tone.KEY),
        Span(" logs in: password, code and host key are asked here, ", Tone.DIM),
        Span("and nothing you type is kept.", Tone.DIM),
    ]
