"""The app: composes the main screen and routes what the engine and its workers report."""

import os
import socket
import time
from collections.abc import Callable, Mapping, Sequence
from typing import ClassVar

from rich.segment import Segments
from rich.traceback import Traceback
from textual import on
from textual.binding import BindingType
from textual.driver import Driver
from textual.notifications import SeverityLevel
from textual.screen import Screen

from tunnel_tui.config.preferences import load_preferences
from tunnel_tui.settings import Settings
from tunnel_tui.supervise.info.open_apps import OtherApp, Presence
from tunnel_tui.supervise.login.sibling_policy import preferences_file
from tunnel_tui.supervise.monitor.monitor import Change, Snapshot
from tunnel_tui.tui.config.mistakes import Mistakes
from tunnel_tui.tui.dialogs.help import Help
from tunnel_tui.tui.engine.background_watcher import OWN
from tunnel_tui.tui.engine.engine import Engine
from tunnel_tui.tui.engine.snapshot_inbox import Inbox, RateLimit
from tunnel_tui.tui.format.glyphs import ASCII, UNICODE, choose_glyphs
from tunnel_tui.tui.format.text import clean, clean_lines
from tunnel_tui.tui.format.theme import BY_WORD, THEMES, choose_theme
from tunnel_tui.tui.keys import bindings
from tunnel_tui.tui.keys.availability import why_not
from tunnel_tui.tui.keys.key_queue import KeysInOrder
from tunnel_tui.tui.keys.terminal_input import forgetful
from tunnel_tui.tui.notify.death_toasts import Announcer
from tunnel_tui.tui.notify.toasts import list_failures, sweep
from tunnel_tui.tui.shell import gc_tuning
from tunnel_tui.tui.shell.context import Context
from tunnel_tui.tui.shell.header import HeaderState
from tunnel_tui.tui.shell.header_notice import choose_notice, count
from tunnel_tui.tui.shell.main_screen import MainScreen
from tunnel_tui.tui.shell.messages import (
    BatchFinished,
    ProgressMade,
    ScreenBuilt,
    SnapshotTaken,
    TunnelHandled,
)
from tunnel_tui.tui.shell.other_apps import ask_to_end, describe, looks_forgotten
from tunnel_tui.tui.shell.palette import ActionProvider
from tunnel_tui.tui.shell.run import show

PATIENCE = 5.0
"""Seconds for the app's own watch to apply a plan before it is offered to the person."""
SETTLED = 1.0
"""Seconds after which all is built that stays."""
READ_ONLY = "read-only: nothing can be changed here"
TOAST_DELAY = 0.08
"""Seconds by which a toast comes after the change in the table."""


class TunnelApp(KeysInOrder):
    """See, start and stop every tunnel of this machine. Leaving it touches none."""

    TITLE = "tunnel-tui"
    ESCAPE_TO_MINIMIZE = False
    # Textual does not load the style sheet of a default screen: all are loaded here.
    CSS_PATH: ClassVar[list[str]] = ["app.tcss", "main_screen.tcss", "../dialogs/dialogs.tcss"]  # type: ignore[assignment]
    BINDINGS: ClassVar[list[BindingType]] = [*bindings.APP]
    COMMANDS: ClassVar[set[type[ActionProvider]]] = {ActionProvider}  # type: ignore[assignment]

    def __init__(
        self,
        engine: Engine,
        demo_hint: str = "",
        environment: Mapping[str, str] | None = None,
        login_hint: Callable[[], str] | None = None,
        *,
        read_only: bool = False,
    ) -> None:
        """Make the app.

        Args:
            engine: the tunnels.
            demo_hint: a line for the header that says how to try the demo out.
            environment: decides colours and characters; by default this process's.
            login_hint: says what the demo's bastion expects at this moment.
            read_only: the keys that change anything are off.
        """
        environment = dict(os.environ if environment is None else environment)
        # We have a theme without colours; Textual's own filter makes black on black of it.
        os.environ.pop("NO_COLOR", None)
        super().__init__()
        self.engine = engine
        preferences = self.preferences = load_preferences(
            preferences_file(engine.settings), bindings.IDS
        )
        glyphs = choose_glyphs(environment)
        if preferences.ascii is not None:
            glyphs = ASCII if preferences.ascii else UNICODE
        self.context = Context(self, engine, glyphs, read_only=read_only)
        self._demo_hint = demo_hint
        self._login_hint = login_hint
        self._inbox = Inbox()
        self._pace, self._pace_of_deaths = RateLimit(), RateLimit()
        self._announcer = Announcer(self, preferences.bell)
        self._progress: tuple[str, int, int] | None = None
        self._begun = False
        self.presence: Presence | None = None
        self._planned_at: float | None = None
        for theme in THEMES:
            self.register_theme(theme)
        theme = BY_WORD.get(preferences.theme) or choose_theme(environment)
        self.theme = theme.name
        bindings.use_keys(preferences.keys)
        self.set_keymap(dict(preferences.keys))

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Leave out what a read-only app has not (Textual asks before every action)."""
        del parameters
        return not (self.context.read_only and action in bindings.CHANGES)

    def get_driver_class(self) -> type[Driver]:
        """Take the driver that forgets what it has read, where Textual would take its own."""
        return forgetful(super().get_driver_class())

    def _fatal_error(self) -> None:
        """Say what went wrong and leave, without the values of variables: a password is one.

        Overrides a private method of Textual 8.2, which prints them.
        """
        self.bell()
        traceback = Traceback(show_locals=False, width=None, suppress=["rich", "textual"])
        shown = self.console.render(traceback, self.console.options)
        self._exit_renderables.append(Segments(shown))
        self._close_messages_no_wait()

    def begin(self) -> None:
        """Let the engine look already while the screen is being built."""
        if not self._begun:
            self._begun = True
            self.engine.watch(self._inbox.put)

    def get_default_screen(self) -> Screen[None]:
        """Show the tunnels."""
        return MainScreen(self.context)

    def on_mount(self) -> None:
        """Begin, if nobody has begun already."""
        self.set_class(self.context.glyphs.ascii, "-ascii")
        self.begin()
        if self._login_hint is not None:
            self.set_interval(1.0, self._show_header)
        self.run_worker(self._look_for_programs, thread=True, exit_on_error=False)
        self._report_preferences()
        if self.presence is not None:
            self.run_worker(self._meet_others, thread=True, exit_on_error=False)

    def _report_preferences(self) -> None:
        """Tell what is wrong with the settings file; it is ignored."""
        preferences = self.preferences
        lines = [str(problem) for problem in preferences.problems]
        lines += bindings.find_clashes(preferences.keys)
        if lines:
            title = count(len(lines), "mistake") + " in the settings"
            more = [f"and {len(lines) - 4} more"] if len(lines) > 4 else []
            text = "\n".join(clean(line) for line in [*lines[:4], *more])
            self.notify(text, title=title, severity="warning", timeout=12, markup=False)

    @on(ScreenBuilt)
    def _listen(self) -> None:
        self._inbox.listen(lambda: self.post_message(SnapshotTaken()))
        self._show_header()
        self.set_timer(SETTLED, gc_tuning.resume)
        self.set_interval(gc_tuning.PAUSE, gc_tuning.tidy)

    async def on_unmount(self) -> None:
        """Leave; every tunnel stays as it is, a login at its prompt ends."""
        if self.presence is not None:
            self.presence.forget()
        await self.context.logins.close()
        self.engine.close()

    def _look_for_programs(self) -> None:
        missing = self.engine.missing_programs()
        if missing:
            self.context.missing = missing
            self.post_message(SnapshotTaken())

    def _meet_others(self) -> None:
        if self.presence is not None:
            self.presence.note()
            self.call_from_thread(self._tell_of_others, self.presence.others())

    def _tell_of_others(self, others: list[OtherApp]) -> None:
        forgotten = [other for other in others if looks_forgotten(other)]
        if forgotten and self.presence is not None:
            ask_to_end(self, self.presence, forgotten)
        elif others:
            lines = [describe(other, time.time()) for other in others[:3]]
            text = "\n".join([*lines, "both show the same; O ends it"])
            self.notify(text, title="Another tunnel-tui is open", markup=False, timeout=6)

    def action_end_other(self) -> None:
        """End another app that was left open."""
        others = self.presence.others() if self.presence is not None else []
        if others and self.presence is not None:
            ask_to_end(self, self.presence, others)
        else:
            self.notify("no other tunnel-tui is open here", markup=False, timeout=3)

    @property
    def _left(self) -> bool:
        """Whether the screens are gone; work that ends only then has nobody left to tell."""
        return not self.screen_stack

    @property
    def _main(self) -> MainScreen:
        screen = self.screen_stack[0]
        assert isinstance(screen, MainScreen)
        return screen

    @on(SnapshotTaken)
    def _take_snapshot(self) -> None:
        if self._left:
            return
        now = time.monotonic()
        wait = self._pace.wait(now)
        if wait > 0 and not (self._inbox.urgent and not self._pace_of_deaths.wait(now)):
            self.set_timer(wait, lambda: self.post_message(SnapshotTaken()))
            return
        delivery = self._inbox.take()
        if delivery is None:
            self._show_header()
            return
        snapshot = self.context.snapshot = delivery.snapshot
        self.context.rows.update(snapshot.statuses, snapshot.taken_at)
        self._main.take_in()
        self._show_header()
        if delivery.changes:
            # A toast is laid out anew each time: the badge must not wait for it.
            self.set_timer(TOAST_DELAY, lambda: self._announce(delivery.changes))
        if isinstance(self.screen, Mistakes) and self.screen.is_mended(snapshot):
            self.screen.dismiss(False)

    def _announce(self, changes: Sequence[Change]) -> None:
        """Tell of deaths; whoever started a tunnel hears it from that."""
        rows, many = self.context.rows, self.context.operations.under_way
        single = {change.hash for change in changes if rows.busy(change.hash)}
        self._announcer.announce(changes, many | single)

    def _show_header(self) -> None:
        if self._left:
            return
        snapshot, context = self.context.snapshot, self.context
        dot = context.glyphs.dot
        offered = self._offered(snapshot)
        notice = choose_notice(offered, context.missing, dot, self._hint())
        state = HeaderState(
            host=socket.gethostname(),
            config=clean(context.settings.config_file),
            counts=context.rows.counts(),
            watcher=(snapshot.watcher or "off") if snapshot else "",
            notice=notice,
            progress=self._progress,
        )
        self._main.header.show(state)

    def _hint(self) -> str:
        """Say how to try the demo out: at its bastion, what to type there."""
        row = self._main.selected
        at_bastion = row is not None and not why_not("log_in", row)
        if self._login_hint is not None and (at_bastion or self.context.logins.alive()):
            return self._login_hint()
        return self._demo_hint

    def _offered(self, snapshot: Snapshot | None) -> Snapshot | None:
        """Leave the plan to who watches; what our own watch leaves undone is offered again."""
        if snapshot is None or snapshot.plan is None or not snapshot.watcher:
            self._planned_at = None
            return snapshot
        now = time.monotonic()
        if self._planned_at is None:
            self._planned_at = now
            self.set_timer(PATIENCE, self._show_header)
        if snapshot.watcher == OWN and now - self._planned_at >= PATIENCE:
            return snapshot
        return snapshot._replace(plan=None)

    @on(TunnelHandled)
    def _tell_of_tunnel(self, event: TunnelHandled) -> None:
        if self._left:
            return
        self.context.rows.set_busy(event.key, "")
        self._main.show_rows()
        outcome, error = event.outcome, event.error
        reason = outcome.message if outcome is not None and not outcome.ok else ""
        if event.verb == "stop":
            reason = reason or "stopped"
        self._announcer.note_told(event.key, reason or (error.title if error else ""))
        if error is not None:
            self._complain(f"{clean(event.name)}: {error.title}", error.detail, error.advice)
        elif outcome is not None and not outcome.ok:
            title = f"Cannot {event.verb} {clean(event.name)}"
            self._complain(title, outcome.message, outcome.advice)

    def _complain(self, title: str, detail: str, advice: str) -> None:
        text = "\n".join(clean_lines(part) for part in (detail, advice) if part)
        self.notify(text or " ", title=title, severity="error", timeout=10, markup=False)

    @on(ProgressMade)
    def _show_progress(self, event: ProgressMade) -> None:
        self._progress = (event.what, event.done, event.total)
        self._show_header()

    @on(BatchFinished)
    def _tell_of_batch(self, event: BatchFinished) -> None:
        self._progress = None
        self._show_header()
        self.context.operations.settle(event.starts)
        self._announcer.settle(event.outcomes)
        if event.error is not None:
            self._complain(event.error.title, event.error.detail, event.error.advice)
            return
        failed = [outcome for outcome in event.outcomes if not outcome.ok]
        if failed:
            title = f"{event.what.capitalize()}: {len(failed)} of {len(event.outcomes)} failed"
            self._complain(title, list_failures(failed), "")
        elif event.what == "cleaning up":
            self._tell_of_cleaning(event)

    def _tell_of_cleaning(self, event: BatchFinished) -> None:
        done = event.outcomes
        lines = [clean(f"{outcome.verb} {outcome.name}: {outcome.message}") for outcome in done]
        title = count(len(done), "thing") + " cleaned up" if done else "Nothing to clean up"
        more = [f"and {len(lines) - 5} more"] if len(lines) > 5 else []
        self.notify("\n".join(lines[:5] + more) or "all is tidy", title=title, markup=False)

    def notify(
        self,
        message: str,
        *,
        title: str = "",
        severity: SeverityLevel = "information",
        timeout: float | None = None,
        markup: bool = False,
    ) -> None:
        """Show a toast. Whatever it says of others is shown as text: no markup, no controls."""
        del markup
        message, title = clean_lines(message), clean(title)
        super().notify(message, title=title, severity=severity, timeout=timeout, markup=False)

    def on_notify(self) -> None:
        """Make room before another toast comes."""
        sweep(self)

    def action_help(self) -> None:
        """Show all keys."""
        self.push_screen(Help(self.context.glyphs))

    def action_help_quit(self) -> None:
        """Answer ctrl+c: nothing here needs interrupting."""
        self.notify("q leaves; every tunnel stays as it is", markup=False, timeout=3)


def run(settings: Settings, demo_hint: str = "", *, read_only: bool = False) -> int:
    """Open the app on this machine's tunnels and return its exit code.

    Args:
        settings: where things are.
        demo_hint: a line for the header that says how to try the demo out.
        read_only: it shows and changes nothing.
    """
    from tunnel_tui.tui.engine.live_engine import LiveEngine, ReadOnlyEngine

    if read_only:
        return show(TunnelApp(ReadOnlyEngine(settings), READ_ONLY, read_only=True))
    preferences = load_preferences(preferences_file(settings))
    app = TunnelApp(LiveEngine(settings, watching=preferences.watch), demo_hint)
    app.presence = Presence(settings)
    return show(app)
