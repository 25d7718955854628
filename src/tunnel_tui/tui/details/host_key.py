"""Accepting a host key that has changed: never by one key, always by typing the host's name."""

from shlex import join
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Input, Static

from tunnel_tui.model import ReasonCode, TunnelSpec
from tunnel_tui.ssh.host_keys import ChangedKey
from tunnel_tui.tui.details.view import Details
from tunnel_tui.tui.format.text import clean
from tunnel_tui.tui.shell.pane_tabs import Tab
from tunnel_tui.tui.tunnels.bulk_actions import ManyActions


class AcceptKey(ModalScreen[bool]):
    """Shows both fingerprints and waits for the host's name."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "leave", "leave", id="accept-key.leave", show=False)
    ]

    def __init__(self, key: ChangedKey) -> None:
        super().__init__()
        self._key = key

    def compose(self) -> ComposeResult:
        """Lay out the dialog."""
        key = self._key
        lines = [
            f"known  {clean(key.known) or 'not readable'}",
            f"new    {clean(key.offered) or 'not in the log any more'}",
            "",
            "Ask its owner whether the new one is right. If nobody reinstalled that host,",
            "somebody may be listening in.",
            f"Forgets the known key in {clean(key.file)} and starts what waits for it.",
        ]
        with Vertical(id="dialog"):
            whose = f"the jump host {clean(key.name)}" if key.hop else clean(key.name)
            yield Static(f"Accept another key of {whose}?", id="question", markup=False)
            yield Static("\n".join(lines), id="consequences", markup=False)
            yield Input(placeholder=f"type {clean(key.name)} to accept, esc leaves", compact=True)

    @on(Input.Submitted)
    def _decide(self, event: Input.Submitted) -> None:
        if event.value.strip() == self._key.name:
            self.dismiss(True)
        else:
            self.notify("that is not its name", markup=False, severity="warning", timeout=3)

    def action_leave(self) -> None:
        """Leave everything as it is."""
        self.dismiss(False)


class HostKeyActions(ManyActions):
    """What the main screen adds for changed host keys."""

    details: Details

    def action_accept_key(self) -> None:
        """Show a changed host key, and accept it if the person types the host's name."""
        row = self.selected
        reason = row.status.reason if row else None
        if row is None or reason is None or reason.code is not ReasonCode.HOST_KEY_CHANGED:
            self.refuse("No key to accept", "only where a host key has changed")
            return
        if self.rule.tab is not Tab.DETAILS:
            # No toast: it would cover the keys. What K does stands below them, and in the footer.
            self.rule.tab = Tab.DETAILS
            return
        key, specs = self.details.more.key, self._waiting_for(row.status.spec)
        if key is None:
            self.refuse("Cannot accept the key", "its log names no known key of this host")
        elif not key.ours:
            why = f"it stands in {clean(key.file)}, which is yours: {join(key.remedy)}"
            self.refuse("Cannot accept the key", clean(why))
        else:

            def decide(agreed: bool | None) -> None:
                if agreed:
                    self.context.operations.accept_key(specs, key)

            self.app.push_screen(AcceptKey(key), decide)

    def _waiting_for(self, chosen: TunnelSpec) -> list[TunnelSpec]:
        """List what was refused for the key of the same host, as whoever it logs in."""
        host = chosen.remote_host.rpartition("@")[2]
        return [
            spec
            for row in self.context.rows.rows
            if (spec := row.status.spec).remote_host.rpartition("@")[2] == host
            and row.status.reason is not None
            and row.status.reason.code is ReasonCode.HOST_KEY_CHANGED
        ]
