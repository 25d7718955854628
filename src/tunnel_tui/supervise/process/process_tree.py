"""The processes of a tunnel, each one proven to be of it before anybody signals it.

Each runs for ourselves or for root, and proof is one of these: the registered pid with a command
line that is the entry's; our tag in the
command line of a process that was started for our state file; a descendant of either; a member
of the registered process group that carries the tag in its environment; an ssh that lost the
autossh of a shell script and has the entry's forward and host.
"""

from collections.abc import Container, Iterable

from tunnel_tui.model import TunnelEntry
from tunnel_tui.observe import identity
from tunnel_tui.observe.identity import OurProcess
from tunnel_tui.settings import Settings
from tunnel_tui.ssh.marks import TAG
from tunnel_tui.system import proc
from tunnel_tui.system.proc import ProcessStat

Tagged = dict[str, list[OurProcess]]
"""Live processes with our tag, by hash."""


def find_tagged(settings: Settings, only: Container[str] | None = None) -> Tagged:
    """Find the live processes that carry our tag and were started for this state file.

    Another state file on the same machine (a demo, a second user, a container that shares the
    process table) may hold tunnels of the same hash: they are not ours to touch.

    Args:
        settings: name the state file.
        only: hashes of the tunnels that matter; None: all.
    """
    found: Tagged = {}
    for process in identity.find_tagged(settings.state_file, only=only):
        found.setdefault(process.hash, []).append(process)
    return found


def registered(entry: TunnelEntry, state_file: str) -> ProcessStat | None:
    """Return the entry's process if it lives and is proven to be the entry's."""
    stat = proc.read_stat(entry.pid) if entry.pid > 1 else None
    if stat is None or not stat.alive:
        return None
    return stat if identity.identify(entry, state_file) else None


def leaders(tagged: Iterable[OurProcess]) -> list[OurProcess]:
    """Those that run a tunnel: an autossh, or an ssh that was started without one.

    Not the child of an autossh that is about to become its ssh: between fork(2) and execve(2)
    it has the same arguments.
    """
    ours = list(tagged)
    pids = {process.stat.pid for process in ours}
    return [process for process in ours if process.leads and process.stat.ppid not in pids]


class ProcessTable:
    """One look at all processes, from which the families of many tunnels are put together.

    Args:
        settings: name the state file.
        only: hashes of the tunnels that matter; None: all.
    """

    def __init__(self, settings: Settings, only: Container[str] | None = None) -> None:
        self.tagged = find_tagged(settings, only)
        self.state_file = settings.state_file
        self._groups: dict[int, list[ProcessStat]] | None = None
        self._bare: list[tuple[ProcessStat, tuple[str, ...]]] | None = None

    def family(self, tunnel_hash: str, entries: Iterable[TunnelEntry]) -> list[ProcessStat]:
        """List the live processes of a tunnel, those that run it first."""
        tagged = self.tagged.get(tunnel_hash, [])
        first: list[ProcessStat] = [process.stat for process in leaders(tagged)]
        rest: list[ProcessStat] = [process.stat for process in tagged if not process.leads]
        for entry in entries:
            leader = registered(entry, self.state_file)
            if leader is not None:
                first.append(leader)
            rest += self._group(entry.pid, tunnel_hash)
            rest += self._lost(entry)
        found = {stat.pid: stat for stat in [*first, *rest]}
        for pid in tuple(found):
            for descendant in proc.descendants(pid):
                stat = proc.read_stat(descendant)
                if stat is not None and stat.alive:
                    found.setdefault(descendant, stat)
        return list(found.values())

    def _group(self, pgrp: int, tunnel_hash: str) -> list[ProcessStat]:
        """Members of a group whose leader is gone: helpers such as a ProxyCommand's."""
        if self._groups is None:
            self._groups = {}
            for pid in proc.pids():
                stat = proc.read_stat(pid)
                if stat is not None and stat.alive:
                    self._groups.setdefault(stat.pgrp, []).append(stat)
        members = self._groups.get(pgrp, [])
        return [
            stat
            for stat in members
            if proc.runs_for(stat.pid, proc.trusted_users())
            and identity.variable(stat.pid, TAG) == tunnel_hash
            and not identity.is_of_another(stat.pid, self.state_file)
        ]

    def _lost(self, entry: TunnelEntry) -> list[ProcessStat]:
        """An ssh whose autossh (of a shell script, without tag) was killed."""
        if self._bare is None:
            stats = proc.scan(frozenset({"ssh"}))
            lines = [(stat, proc.command_line(stat.pid)) for stat in stats]
            self._bare = [
                (stat, argv)
                for stat, argv in lines
                if "-N" in argv
                and stat.session != stat.pid
                and identity.tag_of(argv) is None
                and proc.runs_for(stat.pid, proc.trusted_users())
            ]
        return [
            stat
            for stat, argv in self._bare
            if identity.is_ours(entry, stat.pid, argv)
            and not identity.is_of_another(stat.pid, self.state_file)
            and not _has_autossh(stat)
        ]


def _has_autossh(stat: ProcessStat) -> bool:
    return identity.program(proc.command_line(stat.ppid)) == "autossh"
