"""After a login: asks whether the other tunnels of the host are to come up on it."""

from collections.abc import Sequence
from typing import ClassVar

from textual.binding import Binding, BindingType

from tunnel_tui.errors import TunnelTuiError
from tunnel_tui.model import TunnelSpec
from tunnel_tui.settings import Settings
from tunnel_tui.supervise.login.sibling_policy import Siblings, preferences_file, remember_siblings
from tunnel_tui.tui.dialogs.confirm import Confirm
from tunnel_tui.tui.format.text import clean, host_label
from tunnel_tui.tui.shell.header_notice import count

ALWAYS = Binding("a", "always", "always", id="offer.always", show=False, key_display="a")
MOST = 8
"""Names that are listed; of more, the number."""


class OfferSiblings(Confirm):
    """Yes, no, or always from now on."""

    BINDINGS: ClassVar[list[BindingType]] = [ALWAYS]

    def __init__(self, settings: Settings, others: Sequence[TunnelSpec]) -> None:
        self._settings = settings
        many = count(len(others), "more tunnel")
        host = host_label(others[0].remote_host)
        it = "it" if len(others) == 1 else "them"
        names = [clean(spec.name) for spec in others[:MOST]]
        more = [f"and {len(others) - MOST} more"] if len(others) > MOST else []
        lines = [*names, *more, "", "They need no further code: the login carries them."]
        if len(others) == 1:
            lines[-1] = "It needs no further code: the login carries it."
        super().__init__(f"{many} through {host}: bring {it} up?", lines, "yes", "no")
        self._keys = (*self._keys, ALWAYS)

    def action_always(self) -> None:
        """Do it, now and after every login."""
        try:
            remember_siblings(self._settings, Siblings.ALWAYS)
        except (OSError, TunnelTuiError) as error:
            self.app.notify(str(error), title="Not remembered", severity="warning", markup=False)
        else:
            text = f"undo: attach_siblings: ask in {preferences_file(self._settings)}"
            self.app.notify(text, title="Remembered", markup=False)
        self.dismiss(True)
