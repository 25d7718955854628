"""What screens and app share: the engine, the rows, the newest snapshot."""

from collections.abc import Sequence
from typing import Any

from textual.app import App

from tunnel_tui.model import TunnelSpec
from tunnel_tui.settings import Settings
from tunnel_tui.supervise.monitor.monitor import Snapshot
from tunnel_tui.tui.engine.engine import Engine
from tunnel_tui.tui.format.glyphs import Glyphs
from tunnel_tui.tui.login.logins import Logins
from tunnel_tui.tui.shell.operations import Operations
from tunnel_tui.tui.table.rows import RowModel


class Context:
    """One per app.

    Attributes:
        read_only: nothing can be changed from this app.
    """

    def __init__(
        self, app: App[Any], engine: Engine, glyphs: Glyphs, *, read_only: bool = False
    ) -> None:
        self.read_only = read_only
        self.engine = engine
        self.settings: Settings = engine.settings
        self.glyphs = glyphs
        self.rows = RowModel()
        self.operations = Operations(app, engine)
        self.logins = Logins(app, engine, self.configured)
        self.snapshot: Snapshot | None = None
        self.missing: frozenset[str] = frozenset()

    def configured(self) -> Sequence[TunnelSpec]:
        """List the tunnels of the configuration in force."""
        return self.snapshot.config.tunnels if self.snapshot is not None else ()
