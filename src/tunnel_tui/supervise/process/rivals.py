"""Tunnels that listen at the same place here: the first of them wins, before any has bound."""

from collections.abc import Iterable

from tunnel_tui.config.schema.shared_listeners import overlap
from tunnel_tui.errors import PortBusyError
from tunnel_tui.model import Endpoint, TunnelEntry, TunnelSpec
from tunnel_tui.settings import Settings
from tunnel_tui.supervise.process.process_tree import registered


class Rivals:
    """The local listeners of the tunnels that run or have just been started."""

    def __init__(self, settings: Settings, entries: Iterable[TunnelEntry]) -> None:
        self._mode = settings.direction_mode
        self._state_file = settings.state_file
        self._taken: dict[object, list[tuple[Endpoint, TunnelEntry]]] = {}
        for entry in entries:
            self.add(entry, entry.spec())

    def add(self, entry: TunnelEntry, spec: TunnelSpec) -> None:
        """Take note of a tunnel that has a process; `spec` says the same as its entry."""
        listener = self._listener(spec)
        if listener is not None:
            self._taken.setdefault(listener.path or listener.port, []).append((listener, entry))

    def check(self, spec: TunnelSpec) -> None:
        """See that no other live tunnel of ours wants to listen where `spec` does.

        Its ssh may still be on its way to the server: then nobody listens there yet.

        Raises:
            PortBusyError: one does; the detail names it.
        """
        listener = self._listener(spec)
        if listener is None:
            return
        key = listener.path or listener.port
        # Many lines of the state file may name one port: of those that are dead one look is enough.
        taken = self._taken.get(key, ())
        self._taken[key] = [one for one in taken if registered(one[1], self._state_file)]
        for other, entry in self._taken[key]:
            if entry.hash == spec.hash or not overlap(listener, other):
                continue
            place = listener.path or f"local port {listener.port}"
            raise PortBusyError(
                f"{spec.name}: {place} is in use",
                f"the same listener as your tunnel {entry.name} (pid {entry.pid})",
                "change local_port of one of them",
            )

    def _listener(self, spec: TunnelSpec) -> Endpoint | None:
        try:
            forward = spec.forward(self._mode)
        except ValueError:  # an entry of the state file may say anything
            return None
        return forward.listener if forward.listens_here else None
