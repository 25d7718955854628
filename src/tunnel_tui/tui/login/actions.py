"""Logging in, as the main screen does it: which prompt is in front, what follows its end."""

from textual import on
from textual.widgets import Input

from tunnel_tui.model import State, TunnelSpec
from tunnel_tui.supervise.login.sibling_policy import Siblings, siblings_after_login
from tunnel_tui.tui.format.text import clean, host_label
from tunnel_tui.tui.keys.availability import why_not
from tunnel_tui.tui.login.offer_siblings import OfferSiblings
from tunnel_tui.tui.login.pane import LoginPane
from tunnel_tui.tui.login.session import LoginSession, Phase
from tunnel_tui.tui.login.terminal_view import TerminalView
from tunnel_tui.tui.notify.death_toasts import explain_death
from tunnel_tui.tui.notify.toasts import dismiss
from tunnel_tui.tui.shell.header_notice import count
from tunnel_tui.tui.shell.messages import LoginChanged, LoginEnded
from tunnel_tui.tui.shell.pane_tabs import Tab
from tunnel_tui.tui.tunnels.actions import Actions

WAITS, ASKS = "waits", "asks"
"""How the titles of toasts end that lead to a prompt."""
DOWN = frozenset({State.INTERACTIVE, State.DEAD, State.STOPPED})


class LoginActions(Actions):
    """What the main screen adds for logins."""

    login_pane: LoginPane

    # Keys ------------------------------------------------------------------------------------

    def action_log_in(self) -> None:
        """Log in for the selected tunnel, or go back to the prompt that waits."""
        row = self.selected
        spec = row.status.spec if row else None
        session = self.context.logins.of(spec)
        if session is not None and session.takes_keys:
            self._bring_to_front(session)
            return
        why = why_not("log_in", row) or self.context.logins.why_not()
        if why or spec is None:
            name = f" for {clean(spec.name)}" if spec else ""
            self.refuse(f"Cannot log in{name}", why)
            return
        self.context.logins.begin(spec).wants_front = True

    def action_log_in_all(self) -> None:
        """Log in to every host that needs it, one prompt at a time."""
        logins = self.context.logins
        waiting = [session for session in logins.alive() if session.takes_keys]
        specs = self._in_need()
        why = logins.why_not() or ("" if specs else "every interactive tunnel is up")
        if waiting:
            self._bring_to_front(waiting[0])
        elif why:
            self.refuse("Cannot log in", why)
        else:
            logins.begin_all(specs)

    def _in_need(self) -> list[TunnelSpec]:
        """List the interactive tunnels that are down, in the order of the table."""
        return [
            row.status.spec
            for row in self.context.rows.rows
            if row.status.spec.interactive and row.status.configured and row.status.state in DOWN
        ]

    def action_open(self) -> None:
        """Log in where that is what the selected tunnel needs; else show its details."""
        row = self.selected
        if row is not None and not why_not("log_in", row) and not self.context.read_only:
            self.action_log_in()
        else:
            self.action_details()

    def action_start(self) -> None:
        """Start the selected tunnel; one that needs a login gets its prompt."""
        row = self.selected
        if row is not None and not why_not("log_in", row):
            self.action_log_in()
        else:
            super().action_start()

    def action_stop(self) -> None:
        """Stop the selected tunnel, or end the login that is under way for it."""
        row = self.selected
        session = self.context.logins.of(row.status.spec) if row and row.login else None
        if session is not None and session.alive and row is not None:
            if not self.context.logins.cancel(session):
                self.refuse(f"Cannot cancel {clean(row.status.spec.name)}", "it has just logged in")
        else:
            super().action_stop()

    # The pane --------------------------------------------------------------------------------

    def show_login(self) -> None:
        """Show the login of the selected tunnel's host.

        What has the keyboard stays, whatever becomes of the selection: no password may end up
        at another host than the one it was begun for.
        """
        row = self.selected
        status = row.status if row else None
        terminal = self.login_pane.terminal
        held = terminal.session
        if held is None or not terminal.has_focus or self.context.logins.of(held.spec) is not held:
            held = self.context.logins.of(status.spec if status else None)
        if held is not None or terminal.session is not None or self.rule.tab is Tab.LOGIN:
            self.login_pane.show(held, status)

    def _has_keyboard(self) -> LoginSession | None:
        """Tell which login the keys go to."""
        terminal = self.login_pane.terminal
        return terminal.session if terminal.has_focus else None

    def _bring_to_front(self, session: LoginSession) -> None:
        """Turn to a prompt and give it the keyboard, unless somebody is typing elsewhere."""
        session.wants_front = False
        current = self._has_keyboard()
        busy = current is not None and current is not session and current.alive
        if busy or self.app.screen is not self or isinstance(self.focused, Input):
            host = host_label(session.spec.remote_host)
            self.notify("a goes to its prompt", title=f"{host} {ASKS}", markup=False, timeout=6)
            return
        self.table.select(session.spec.hash)
        row = self.context.rows.get(session.spec.hash)
        self.login_pane.show(session, row.status if row else None)
        self.rule.tab = Tab.LOGIN
        self.body.current = Tab.LOGIN.value
        self.login_pane.focus()

    @on(TerminalView.Released)
    def _take_keyboard_back(self) -> None:
        """Leave the prompt; it goes on in the background."""
        self.zoom(False)
        self.table.focus()
        session = self.login_pane.session
        if session is not None and session.takes_keys:
            text = "a goes back to its prompt, x ends it"
            host = host_label(session.spec.remote_host)
            self.notify(text, title=f"The login to {host} {WAITS}", markup=False, timeout=5)

    @on(TerminalView.TooEarly)
    def _ask_to_wait(self) -> None:
        self.login_pane.say_too_early()

    def action_again(self) -> None:
        """Try once more what failed."""
        self._try_again()

    @on(TerminalView.Again)
    def _try_again(self) -> None:
        failed = self.login_pane.session
        if failed is not None and not failed.alive:
            fresh = self.context.logins.again(failed)
            fresh.wants_front = True
            self.login_pane.show(fresh, None)

    # What becomes of logins ------------------------------------------------------------------

    @on(LoginChanged)
    def _follow_login(self, event: LoginChanged) -> None:
        session = event.session
        self._mark_rows(session)
        if session.takes_keys and session.wants_front:
            self._bring_to_front(session)
        self.show_rows()

    def _mark_rows(self, session: LoginSession) -> None:
        """Let the rows of a login say how far it is, or why it failed."""
        rows = self.context.rows
        current = self.context.logins.of(session.spec) in {session, None}
        if not current:
            return
        text = session.describe() if session.alive else ""
        for spec in (session.spec, *session.riders):
            rows.set_login(spec.hash, text)
        if session.prompted and session.phase is not Phase.CANCELLED:
            rows.set_failure(session.spec.hash, session.reason)

    @on(LoginEnded)
    def _end_login(self, event: LoginEnded) -> None:
        session = event.session
        self._mark_rows(session)
        had_keyboard = self._has_keyboard() is session
        shown = self.login_pane.session is session
        keeps_text = session.phase is Phase.FAILED and session.prompted
        if not keeps_text:
            self.context.logins.dismiss(session)
        if shown and not keeps_text:
            self._close_pane(had_keyboard)
        self.show_rows()
        if session.phase is Phase.UP:
            self._tell_of_success(session)
            self._offer(session, event.others, in_front=had_keyboard)
        elif session.phase is Phase.FAILED and not (had_keyboard and keeps_text):
            self._tell_of_failure(session)
        elif session.phase is Phase.CANCELLED:
            host = host_label(session.spec.remote_host)
            self.notify("nothing was started", title=f"Login to {host} cancelled", markup=False)

    def forget_waiting(self) -> None:
        """Take away the toasts that say how to get back to a prompt: here it is."""
        session = self.login_pane.session
        host = host_label(session.spec.remote_host) if session is not None else ""
        dismiss(
            self.app,
            lambda note: note.title.endswith(f" {WAITS}") or note.title == f"{host} {ASKS}",
        )

    def _close_pane(self, had_keyboard: bool) -> None:
        """Give the lower pane back to the log, and the keyboard to the table."""
        self.zoom(False)
        self.login_pane.show(None, None)
        self.rule.tab = Tab.LOG
        self.body.current = Tab.LOG.value
        if had_keyboard or self.focused is None:
            self.table.focus()

    def _tell_of_success(self, session: LoginSession) -> None:
        host, name = host_label(session.spec.remote_host), clean(session.spec.name)
        text = f"logged in to {host}" if session.prompted else f"on the login to {host}: no code"
        self.notify(text, title=f"{name} is up", markup=False, timeout=5)

    def _tell_of_failure(self, session: LoginSession) -> None:
        reason = session.reason
        if reason is None:
            return
        title = f"Cannot log in to {host_label(session.spec.remote_host)}"
        shown = reason._replace(text=": ".join(filter(None, (reason.text, reason.evidence))))
        text = explain_death(shown if not session.prompted else reason)
        self.notify(text, title=title, severity="error", timeout=10, markup=False)

    def _offer(self, session: LoginSession, others: list[TunnelSpec], *, in_front: bool) -> None:
        """Bring up what else was wanted; ask about the rest."""
        decided = siblings_after_login(self.context.settings)
        wanted = {spec.hash for spec in session.riders}
        everything = session.everything or (session.prompted and decided is Siblings.ALWAYS)
        now = [spec for spec in others if everything or spec.hash in wanted]
        rest = [spec for spec in others if spec not in now]
        if now:
            self.context.operations.bring_up(now)
        if not rest or not session.prompted or decided is Siblings.NEVER:
            return
        if in_front and self.app.screen is self:

            def decide(agreed: bool | None) -> None:
                if agreed:
                    self.context.operations.bring_up(rest)

            self.app.push_screen(OfferSiblings(self.context.settings, rest), decide)
        else:
            text = f"{count(len(rest), 'more tunnel')} could come up without a code: A"
            host = host_label(session.spec.remote_host)
            self.notify(text, title=f"Logged in to {host}", markup=False)
