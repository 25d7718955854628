"""The form for one tunnel: checks while one types, and says in words what it will do."""

from collections.abc import Sequence
from enum import Enum
from typing import ClassVar

from textual import events, on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.message import Message
from textual.screen import ModalScreen
from textual.suggester import SuggestFromList
from textual.widget import Widget
from textual.widgets import Input, Static

from tunnel_tui.config.config import Config
from tunnel_tui.config.edit import Edited, add_tunnel, change_tunnel, duplicate_tunnel
from tunnel_tui.config.load import load_config
from tunnel_tui.errors import ConfigChangedError, TunnelTuiError
from tunnel_tui.model import DirectionMode, TunnelSpec
from tunnel_tui.settings import Settings
from tunnel_tui.ssh.config_files import host_aliases
from tunnel_tui.tui.config import tunnel_draft
from tunnel_tui.tui.config.choice import Choice
from tunnel_tui.tui.dialogs.confirm import Confirm
from tunnel_tui.tui.format.glyphs import Glyphs
from tunnel_tui.tui.format.text import clean
from tunnel_tui.tui.shell.footer import KeyBar

HINTS = {
    "name": "what you call it",
    "remote_host": "user@host, or a Host of your ssh config",
    "remote_port": "the end there: 5432, or db:5432 seen from the host",
    "local_port": "the end here: 8001, or 0.0.0.0:8001 for other machines",
    "group": "optional",
    "description": "optional",
    "ssh_options": "optional: Port=2222 'ProxyCommand=ssh -W %h:%p gate'",
}
SMALL = 22
"""Below this many lines the form does without the empty ones."""
SAVE = Binding("ctrl+s", "save", "save", id="form.save", show=False, key_display="ctrl+s")
CANCEL = Binding("escape", "cancel", "cancel", id="form.cancel", show=False, key_display="esc")
RELOAD = Binding("ctrl+r", "reload", "take theirs", id="form.reload", show=False)
NEXT = Binding("tab", "app.focus_next", "next field", key_display="tab")


class HostInput(Input):
    """Takes what is suggested by tab, too, as a shell does."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("tab", "complete", "complete", id="form.complete", show=False)
    ]

    def action_complete(self) -> None:
        """Take what is suggested; without a suggestion, go to the next field."""
        before = self.value
        if self.cursor_position == len(before):
            self.action_cursor_right()
        if self.value == before:
            self.screen.focus_next()


class Purpose(Enum):
    """What the form is for."""

    ADD = "Add a tunnel"
    CHANGE = "Change"
    DUPLICATE = "Duplicate"


class TunnelForm(ModalScreen[Edited | None]):
    """Fills in one tunnel and saves it; what somebody else saves meanwhile is never overwritten."""

    BINDINGS: ClassVar[list[BindingType]] = [
        SAVE,
        CANCEL,
        RELOAD,
        Binding("down", "app.focus_next", "next field", id="form.next", show=False),
        Binding("up", "app.focus_previous", "field before", id="form.previous", show=False),
    ]

    class Refused(Message):
        """The file was not written."""

        def __init__(self, error: TunnelTuiError, newest: Config | None) -> None:
            super().__init__()
            self.error = error
            self.newest = newest

    class Written(Message):
        """The file was written."""

        def __init__(self, edited: Edited) -> None:
            super().__init__()
            self.edited = edited

    def __init__(
        self,
        settings: Settings,
        glyphs: Glyphs,
        purpose: Purpose,
        config: Config,
        original: TunnelSpec | None = None,
    ) -> None:
        super().__init__()
        self._settings = settings
        self._mode: DirectionMode = settings.direction_mode
        self._glyphs = glyphs
        self._purpose = purpose
        self._config = config
        self._original = original
        self._before = dict(tunnel_draft.texts_of(original) if original else tunnel_draft.BLANK)
        self._begin = dict(self._before)
        if purpose is Purpose.DUPLICATE and original is not None:
            self._begin["name"] = _copy_name(original.name, config.tunnels)
        self._touched: set[str] = set()
        self._newest: Config | None = None
        self._saving = False
        self._fields: dict[str, Input | Choice] = {}
        self._errors: dict[str, Static] = {}
        self._labels: dict[str, Static] = {}
        self._way = Static("", id="form-way", markup=False)
        self._words = Static("", id="form-words", markup=False)
        self._trouble = Static("", id="form-trouble", markup=False)
        self._key_bar = KeyBar()

    # What it looks like ----------------------------------------------------------------------

    def compose(self) -> ComposeResult:
        """Lay out the fields, and under them what they come to."""
        hosts = list(dict.fromkeys([*self._hosts_in_use(), *self._aliases()]))
        with Vertical(id="form") as box:
            name = f" {clean(self._original.name)}" if self._original else ""
            box.border_title = f"{self._purpose.value}{name}".replace("[", "\\[")
            with VerticalScroll(id="form-fields", can_focus=False):
                for key in tunnel_draft.KEYS:
                    yield from self._row(key, self._control(key, hosts))
            yield self._way
            yield self._words
            yield self._trouble
            yield self._key_bar

    def _aliases(self) -> Sequence[str]:
        return host_aliases(self._settings.ssh_config_file)

    def _hosts_in_use(self) -> Sequence[str]:
        return [spec.remote_host for spec in self._config.tunnels]

    def _control(self, key: str, hosts: Sequence[str]) -> Input | Choice:
        options = self._options(key)
        if options:
            return Choice(options, self._begin[key], self._glyphs, name=f"field-{key}")
        suggester = SuggestFromList(hosts, case_sensitive=True) if key == "remote_host" else None
        kind = HostInput if key == "remote_host" else Input
        return kind(
            self._begin[key],
            placeholder=HINTS[key],
            compact=True,
            suggester=suggester,
            select_on_focus=False,
            id=f"field-{key}",
        )

    def _options(self, key: str) -> Sequence[tuple[str, str]]:
        if key == "direction":
            labels = ("at the host (-R)", "listens here (-L)")
            order = ("remote_to_local", "local_to_remote")
            return [(name, labels[tunnel_draft.is_inward(name, self._mode)]) for name in order]
        if key == "interactive":
            return [("false", "starts by itself"), ("true", "a person logs in")]
        if key == "check":
            return [("", "none"), ("tcp", "tcp: does the far end answer?")]
        return ()

    def _row(self, key: str, control: Input | Choice) -> ComposeResult:
        label = Static(key, classes="form-label", markup=False)
        error = Static("", classes="form-error", markup=False)
        error.display = False
        self._fields[key], self._errors[key], self._labels[key] = control, error, label
        with Horizontal(classes="form-row"):
            yield label
            yield control
        yield error

    def on_mount(self) -> None:
        """Begin in the field that most likely changes."""
        self._fields["name"].focus()
        self._show()

    def on_resize(self, event: events.Resize) -> None:
        """Let the fields scroll where there is no room for all; the rest always shows."""
        small = event.size.height < SMALL
        self.set_class(small, "-small")
        spare = event.size.height - (6 if small else 13)
        self.query_one("#form-fields").styles.max_height = max(3, spare)

    def on_descendant_focus(self, event: events.DescendantFocus) -> None:
        """Mark the field that has the keys."""
        self._mark(event.widget, True)

    def on_descendant_blur(self, event: events.DescendantBlur) -> None:
        """Unmark the field that had them; what it lacks may be told now."""
        self._mark(event.widget, False)
        self._show()

    def _mark(self, widget: Widget, live: bool) -> None:
        key = (widget.id or "").removeprefix("field-")
        if key in self._labels:
            self._labels[key].set_class(live, "-live")
            if not live and self._texts[key]:
                self._touched.add(key)

    @property
    def _texts(self) -> dict[str, str]:
        return {key: field.value for key, field in self._fields.items()}

    @property
    def is_dirty(self) -> bool:
        """True after something was typed that is not saved."""
        return self._texts != self._begin

    def _show(self) -> None:
        """Bring errors and words in line with what is typed."""
        texts = self._texts
        wrong = tunnel_draft.find_mistakes(texts)
        for key, error in self._errors.items():
            mistake = wrong.get(key) if key in self._touched else None
            error.display = mistake is not None
            if mistake is not None:
                text = ": ".join(filter(None, (mistake.message, mistake.allowed)))
                error.update(clean(text))
        way, words = tunnel_draft.tell_way(texts, self._mode)
        self._way.update(clean(way.replace("=>", self._glyphs.arrow)))
        self._words.update(clean(words))
        if not self._newest:
            self._tell("" if wrong else self._doubt(texts))
        self._key_bar.show((SAVE, NEXT, CANCEL) if not self._newest else (RELOAD, CANCEL), ())

    def _doubt(self, texts: tunnel_draft.Texts) -> str:
        spec = tunnel_draft.spec_of(texts)
        others = [s for s in self._config.tunnels if not self._is_original(s)]
        twin = tunnel_draft.find_twin(spec, others)
        if twin is not None:
            return f"the same tunnel as {twin.name} in line {twin.line}: another name, or ports"
        warning = tunnel_draft.warn(spec, others, self._mode)
        return f"warning: {warning}" if warning else ""

    def _is_original(self, spec: TunnelSpec) -> bool:
        original = self._original
        changing = self._purpose is Purpose.CHANGE
        return changing and original is not None and spec.hash == original.hash

    def _tell(self, text: str) -> None:
        self._trouble.update(clean(text))
        self._trouble.display = bool(text)

    # What a person does ----------------------------------------------------------------------

    @on(Input.Changed)
    def _type(self, event: Input.Changed) -> None:
        event.stop()
        key = (event.input.id or "").removeprefix("field-")
        if event.value:
            self._touched.add(key)
        self._show()

    @on(Choice.Changed)
    def _choose(self) -> None:
        self._show()

    @on(Input.Submitted)
    def _submit(self, event: Input.Submitted) -> None:
        event.stop()
        self.focus_next()

    def action_cancel(self) -> None:
        """Leave without saving; asks where something would be lost."""
        if not self.is_dirty:
            self.dismiss(None)
            return

        def decide(agreed: bool | None) -> None:
            if agreed:
                self.dismiss(None)

        lines = ["What you typed is not saved."]
        self.app.push_screen(Confirm("Leave the form?", lines, "leave", "go on typing"), decide)

    def action_save(self) -> None:
        """Write it into the file, unless something is wrong."""
        if self._saving or self._newest:
            return
        self._touched = set(tunnel_draft.KEYS)
        self._show()
        wrong = tunnel_draft.find_mistakes(self._texts)
        if wrong:
            self._fields[next(iter(wrong))].focus()
            return
        doubt = self._doubt(self._texts)
        if doubt and not doubt.startswith("warning"):
            self._fields["name"].focus()
            return
        self._saving = True
        texts = self._texts
        self.run_worker(lambda: self._write(texts), thread=True, exit_on_error=False)

    def _write(self, texts: tunnel_draft.Texts) -> None:
        path, digest = self._settings.config_file, self._config.text_digest
        original = self._original
        values = tunnel_draft.changed_values(texts, self._before)
        try:
            if self._purpose is Purpose.CHANGE and original is not None:
                edited = change_tunnel(path, original.hash, values, digest)
            elif self._purpose is Purpose.DUPLICATE and original is not None:
                edited = duplicate_tunnel(path, original.hash, values, digest)
            else:
                values = tunnel_draft.changed_values(texts, tunnel_draft.BLANK)
                edited = add_tunnel(path, values, digest)
        except ConfigChangedError as error:
            self.post_message(self.Refused(error, load_config(path, self._mode)))
        except TunnelTuiError as error:
            self.post_message(self.Refused(error, None))
        except Exception as error:  # a person must read of it whatever it is
            self.post_message(self.Refused(TunnelTuiError("Not saved", repr(error)), None))
        else:
            self.post_message(self.Written(edited))

    @on(Written)
    def _leave(self, event: Written) -> None:
        self.dismiss(event.edited)

    @on(Refused)
    def _stay(self, event: Refused) -> None:
        self._saving = False
        self._newest = event.newest
        if event.newest is None:
            self._tell(f"not saved: {event.error}")
            return
        news = _differences(self._config.tunnels, event.newest.tunnels)
        self._tell(
            f"Not saved: somebody else has saved the file meanwhile ({news}). "
            "ctrl+r goes on with their version; what you typed stays."
        )
        self._show()

    def action_reload(self) -> None:
        """Go on with the file as it is now; what was typed stays."""
        newest = self._newest
        if newest is None:
            return
        if not newest.valid:
            first = next(problem for problem in newest.problems if problem.fatal)
            self._tell(f"their version has a mistake: {first}. Wait until it is mended; ctrl+r")
            self._newest = load_config(self._settings.config_file, self._mode)
            return
        self._newest = None
        self._rebase(newest)
        self._show()

    def _rebase(self, newest: Config) -> None:
        """Fields that were not typed in follow the file."""
        self._config = newest
        original = self._original
        if original is None:
            return
        theirs = _find_again(original, newest.tunnels)
        if theirs is None:
            self._purpose = Purpose.ADD
            self._original = None
            self.query_one("#form").border_title = "Add (it is gone from the file)"
            return
        after, typed = tunnel_draft.texts_of(theirs), self._texts
        for key in tunnel_draft.KEYS:
            if typed[key] == self._begin[key] and self._begin[key] == self._before[key]:
                self._fields[key].value = after[key]
                self._begin[key] = after[key]
        self._original, self._before = theirs, dict(after)


def _copy_name(name: str, others: Sequence[TunnelSpec]) -> str:
    names = {spec.name for spec in others}
    candidates = (f"{name}-{number}" for number in range(2, len(names) + 3))
    return next(candidate for candidate in candidates if candidate not in names)


def _find_again(spec: TunnelSpec, others: Sequence[TunnelSpec]) -> TunnelSpec | None:
    """Find a tunnel in another version of the file: by its hash, else by a name of its own."""
    same = next((other for other in others if other.hash == spec.hash), None)
    named = [other for other in others if other.name == spec.name]
    return same or (named[0] if len(named) == 1 else None)


def _differences(before: Sequence[TunnelSpec], after: Sequence[TunnelSpec]) -> str:
    old, new = {spec.hash: spec for spec in before}, {spec.hash: spec for spec in after}
    gone = [clean(spec.name) for key, spec in old.items() if key not in new]
    come = [clean(spec.name) for key, spec in new.items() if key not in old]
    parts = [f"+ {name}" for name in come[:3]] + [f"- {name}" for name in gone[:3]]
    return ", ".join(parts) or "the same tunnels"
