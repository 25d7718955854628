"""What is true of every tunnel now, read from the kernel and from what ssh itself said."""

import os
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

from tunnel_tui.logs.tail import read_tail
from tunnel_tui.model import UP, Forward, Layer, TunnelEntry, TunnelSpec, TunnelStatus
from tunnel_tui.observe.fast_path import by_word
from tunnel_tui.observe.identity import OurProcess, find_tagged, identify, is_of_another
from tunnel_tui.observe.look import Look
from tunnel_tui.observe.tunnel_process import TunnelProcess
from tunnel_tui.observe.unconfigured import choose
from tunnel_tui.settings import Settings
from tunnel_tui.ssh.log.forward_state import ForwardStateReader
from tunnel_tui.ssh.log.tunnel_log import open_own_log
from tunnel_tui.state.state_file import StateFile, StateRead
from tunnel_tui.system.proc import ProcessStat, read_stat

if TYPE_CHECKING:
    from tunnel_tui.ssh.log.attempts import AttemptHistory

_PAST_BYTES = 32 * 1024
_OTHERS_BYTES = 4 * 1024


class Observer:
    """Tells the state of tunnels. It remembers what cannot change, so looking again is cheap.

    Not thread-safe: one per thread.

    Attributes:
        state: what the state file said at the last look.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.state = StateRead()
        self._file = StateFile.of(settings)
        self._subjects: dict[tuple[str, int], TunnelProcess] = {}
        self._readers: dict[str, ForwardStateReader] = {}
        self._pasts: dict[str, tuple[tuple[int, int, int], AttemptHistory]] = {}
        self._tagged: dict[str, list[OurProcess]] = {}
        self._watched: set[int] = set()
        self._dead: set[tuple[str, int]] = set()
        self._strayed: list[tuple[str, int]] = []

    def observe(
        self, specs: Sequence[TunnelSpec], *, traffic: bool = False, rescan: bool = True
    ) -> list[TunnelStatus]:
        """Look at every configured tunnel, then at those that only the state file knows.

        Args:
            specs: the configuration, in order.
            traffic: read round trip time and counters too (one netlink dump).
            rescan: look for processes of ours that the state file has lost.
        """
        self.state = self._file.read()
        entries = {entry.hash: entry for entry in self.state.entries}
        # Not a login: it lives on for others after a tunnel was taken from it.
        self._strayed = [
            key
            for key, known in self._subjects.items()
            if key[0] not in entries and not known.login
        ]
        look = Look(self, traffic, rescan)
        # Those that are registered first: a search for the others can leave them out.
        found = {
            spec.hash: look.at(spec, entries[spec.hash]) for spec in specs if spec.hash in entries
        }
        statuses = [found.get(spec.hash) or look.at(spec, None) for spec in specs]
        for spec in specs:
            entries.pop(spec.hash, None)
        others, left = choose(entries.values(), self.settings.state_file)
        if left:
            problem = f"{left:,} more lines of tunnels that are not configured are not shown"
            self.state = self.state._replace(problem=self.state.problem or problem)
        statuses += [look.at(entry.spec(), entry)._replace(configured=False) for entry in others]
        self._remember(look, statuses)
        return statuses

    def layers(self, status: TunnelStatus) -> list[Layer]:
        """Climb the ladder from process to traffic for one tunnel (its details pane).

        Takes up to a second where the tunnel has `check: tcp`.
        """
        from tunnel_tui.observe.diagnose import climb

        return climb(self.settings, status)

    def connections(self) -> frozenset[int]:
        """List the inodes of the connections found so far."""
        subjects = self._subjects.values()
        return frozenset(found for subject in subjects if (found := subject.connection))

    def processes(self) -> set[int]:
        """List the live pids of the last look whose death would change something."""
        return set(self._watched)

    def liveness_changed(self) -> bool:
        """Say whether a process of the last look has since been frozen, let go on, or ended.

        One small read each; a frozen process is what the kernel does not report to a stranger.
        """
        for subject in self._subjects.values():
            was = subject.frozen
            if not subject.lives() or subject.frozen != was:
                return True
        return False

    def identify(self, spec: TunnelSpec, entry: TunnelEntry) -> TunnelProcess | ProcessStat | None:
        """Prove who runs `entry`: our process, a stranger (its stat), or nobody (None)."""
        key = (entry.hash, entry.pid)
        known = self._subjects.get(key)
        if known is not None and known.lives():
            return known
        self._subjects.pop(key, None)
        known = by_word(entry, spec, self.settings.direction_mode, self.reader(entry.hash))
        if known is not None and not is_of_another(entry.pid, self.settings.state_file):
            self._subjects[key] = known
            return known
        stat = read_stat(entry.pid)
        if stat is None or not stat.alive:
            return None
        argv = identify(entry, self.settings.state_file)
        if argv is None:
            return stat
        known = TunnelProcess.of(stat, argv, spec, self.settings.direction_mode)
        self._subjects[key] = known
        return known

    def reader(self, tunnel_hash: str) -> ForwardStateReader:
        """Return the reader of a tunnel's log."""
        reader = self._readers.get(tunnel_hash)
        if reader is None:
            reader = ForwardStateReader(self.settings, tunnel_hash)
            self._readers[tunnel_hash] = reader
        return reader

    def past(
        self, spec: TunnelSpec, forward: Forward, holder: int = 0, leader: int = 0
    ) -> "AttemptHistory":
        """Read the story from the end of a tunnel's log; remembered until the log changes.

        Args:
            spec: the tunnel.
            forward: what it carries.
            holder: a live process of it; 0: there is none.
            leader: the process that was started, alive or not; 0: none is known.
        """
        # Only a tunnel that does not stand has a story: the patterns are compiled for it alone.
        from tunnel_tui.ssh.client_config import SshClient
        from tunnel_tui.ssh.log.attempts import AttemptHistory, tell
        from tunnel_tui.ssh.log.own_words import own_words
        from tunnel_tui.state.run_record import starter_of

        fd = open_own_log(self.settings, spec.hash, holder)
        if fd is None:
            return AttemptHistory()
        try:
            status = os.fstat(fd)
            seen = (status.st_ino, status.st_size, status.st_mtime_ns)
            cached = self._pasts.get(spec.hash)
            if cached is not None and cached[0] == seen:
                return cached[1]
            data = os.pread(fd, _PAST_BYTES, max(0, status.st_size - _PAST_BYTES))
        except OSError:
            return AttemptHistory()
        finally:
            os.close(fd)
        others = read_tail(self.settings.stderr_file(spec.hash), _OTHERS_BYTES)
        whole = status.st_size <= _PAST_BYTES
        starter = starter_of(self.settings, spec.hash, leader)
        found = tell(
            own_words(_lines(data), leader, starter, whole=whole),
            spec,
            remote=not forward.listens_here,
            others=_lines(others),
            client=SshClient(self.settings, spec),
        )
        self._pasts[spec.hash] = (seen, found)
        return found

    def tagged(self, tunnel_hash: str) -> Sequence[OurProcess]:
        """List the live processes that carry a tunnel's tag, from the last scan."""
        return self._tagged.get(tunnel_hash, ())

    def previous_pids(self, tunnel_hash: str) -> Sequence[int]:
        """Name the processes that ran a tunnel at the last look, where its entry is gone now."""
        return [pid for known, pid in self._strayed if known == tunnel_hash]

    def unregistered(self, statuses: Sequence[TunnelStatus]) -> frozenset[str]:
        """Name (by hash) the tunnels that are up although the state file no longer has them."""
        known = {entry.hash for entry in self.state.entries}
        return frozenset(
            status.spec.hash
            for status in statuses
            if status.spec.hash not in known and status.state in UP
        )

    def scan(self, among: Collection[int] | None = None) -> None:
        """Look for processes of ours anew; or for more of them, only `among` some pids."""
        if among is None:
            self._tagged = {}
        known = {pid for subject in self._subjects.values() for pid in subject.pids()}
        for process in find_tagged(self.settings.state_file, known, among):
            found = self._tagged.setdefault(process.hash, [])
            if process not in found:
                found.append(process)

    def is_known_dead(self, entry: TunnelEntry) -> bool:
        """True where the last look already found this process dead."""
        return (entry.hash, entry.pid) in self._dead

    def _remember(self, look: Look, statuses: Sequence[TunnelStatus]) -> None:
        self._watched, self._dead = look.watched, look.dead
        if len(self._subjects) > len(look.used):
            self._subjects = {key: self._subjects[key] for key in look.used}
        if len(self._readers) > len(statuses):
            hashes = {status.spec.hash for status in statuses}
            for gone in self._readers.keys() - hashes:
                del self._readers[gone]
                self._pasts.pop(gone, None)


def _lines(data: bytes) -> list[str]:
    from tunnel_tui.logs.sanitise import LINE_LIMIT, sanitise

    text = data.decode("utf-8", "replace")
    return [sanitise(line.removesuffix("\r"), LINE_LIMIT) for line in text.split("\n")]
