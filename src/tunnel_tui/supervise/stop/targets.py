"""What is to be stopped: the tunnel's processes, or its place on a login that others share."""

from collections.abc import Collection, Sequence

from tunnel_tui.errors import TunnelTuiError
from tunnel_tui.model import TunnelEntry
from tunnel_tui.observe import identity
from tunnel_tui.settings import Settings
from tunnel_tui.state.state_file import StateFile
from tunnel_tui.supervise.login import control_master
from tunnel_tui.supervise.process.process_tree import ProcessTable, registered
from tunnel_tui.system import proc
from tunnel_tui.system.proc import ProcessStat


class Target:
    """A tunnel that is to be stopped, and what was found of it.

    Attributes:
        family: the processes to end.
        strangers: pids in the state file that are not this tunnel's.
        foreign: the user who runs this tunnel, neither we nor root; "": nobody. It is theirs.
        detached: the login that it was taken off and that lives on; 0: none.
        failure: why it could not be taken off.
    """

    __slots__ = ("detached", "entries", "failure", "family", "foreign", "hash", "name", "strangers")

    def __init__(self, tunnel_hash: str, name: str, entries: Sequence[TunnelEntry]) -> None:
        self.hash = tunnel_hash
        self.name = name or (entries[-1].name if entries else "") or tunnel_hash[:8]
        self.entries = tuple(entries)
        self.family: list[ProcessStat] = []
        self.strangers: list[int] = []
        self.foreign = ""
        self.detached = 0
        self.failure: TunnelTuiError | None = None

    def look(self, census: ProcessTable) -> None:
        """Find the tunnel's processes, and the pids in the state file that are not its own."""
        self.family = census.family(self.hash, self.entries)
        self.strangers = [
            entry.pid
            for entry in self.entries
            if proc.is_alive(entry.pid) and registered(entry, census.state_file) is None
        ]
        self.foreign = next(filter(None, map(identity.foreign_owner, self.entries)), "")

    def logins(self) -> list[TunnelEntry]:
        """List the entries whose process is a login that other tunnels may ride on."""
        return [entry for entry in self.entries if control_master.rides(entry)]


def detach(
    settings: Settings,
    state: StateFile,
    targets: Sequence[Target],
    keep: Collection[str] = (),
) -> None:
    """Take tunnels off the logins that others still need, so that nothing is left to end there.

    Args:
        settings: where things are.
        state: the state file; the caller holds the locks of the targets and of their logins.
        targets: what is to be stopped; a login that only these ride on is ended like a process.
        keep: remote hosts whose login stays even without a tunnel on it.
    """
    stopping = {target.hash for target in targets}
    entries = state.read().entries
    riders: dict[int, set[str]] = {}
    for target in targets:
        for entry in target.logins():
            if entry.pid not in riders:
                riders[entry.pid] = control_master.riders(settings, entries, entry.pid)
            others = riders[entry.pid] - stopping
            if others or entry.remote_host in keep:
                _take_off(settings, target, entry)


def _take_off(settings: Settings, target: Target, entry: TunnelEntry) -> None:
    spared = {entry.pid, *proc.descendants(entry.pid)}
    target.family = [stat for stat in target.family if stat.pid not in spared]
    socket = settings.login_socket(entry.remote_host)
    if not control_master.is_attached(settings, entry):
        target.detached = entry.pid
        return
    try:
        control_master.request(settings, entry.spec(), socket, "cancel")
    except TunnelTuiError as error:
        target.failure = error
    else:
        target.detached = entry.pid
