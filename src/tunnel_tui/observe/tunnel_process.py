"""A registered process whose identity is proven, its ssh, and what its sockets show."""

import time

from tunnel_tui.model import DirectionMode, Forward, Traffic, TunnelSpec
from tunnel_tui.observe.identity import (
    control_socket_of,
    forwards_of,
    has_own_stream,
    is_login,
    logs_forward_state,
    program,
)
from tunnel_tui.observe.liveness import FROZEN, read_liveness
from tunnel_tui.observe.ssh_sockets import Sockets, find_connection, find_listener, traffic_of
from tunnel_tui.system.proc import ProcessStat, children, read_stat

_ANSWER_LASTS = 2.0
"""Seconds for which a master that has answered need not be asked again; its death is noticed."""

_SEEK_FIRST, _SEEK_LAST = 5.0, 120.0
"""Seconds between searches for a connection that could not be found (another user's ssh): they
get rarer, since each reads the descriptors of a process."""


class TunnelProcess:
    """One live process of a tunnel: autossh, a plain ssh, or an interactive master.

    Attributes:
        pid: the registered process.
        forward: what its command line really carries.
        login: the control socket of a login that several tunnels share; "" for anything else.
        logs_forward_state: its ssh was told to print when the forward stands.
        has_own_stream: what it prints comes where no server or proxy program can write.
        ssh: the ssh that carries the forward, as of the last `find_ssh`.
        frozen: SIGSTOP holds that ssh (or, while there is none, its autossh): nothing passes.
        told: what the last status rested on, and that status.
    """

    __slots__ = (
        "_answered",
        "_connection",
        "_listener",
        "_seek_pause",
        "_sought",
        "_stat",
        "forward",
        "frozen",
        "has_own_stream",
        "is_autossh",
        "login",
        "logs_forward_state",
        "pid",
        "ssh",
        "told",
    )

    def __init__(
        self,
        pid: int,
        forward: Forward,
        *,
        stat: ProcessStat | None = None,
        ssh: ProcessStat | None = None,
        login: str = "",
        is_autossh: bool = True,
        logs_forward_state: bool = True,
        has_own_stream: bool = True,
    ) -> None:
        self.pid = pid
        self.forward = forward
        self.login = login
        self.is_autossh = is_autossh
        self.logs_forward_state = logs_forward_state
        self.has_own_stream = has_own_stream
        self.ssh = ssh
        self.frozen = stat is not None and stat.state == FROZEN
        self.told: tuple[object, ...] | None = None
        self._stat = stat
        self._connection: int | None = None
        self._listener = 0
        self._sought, self._seek_pause = float("-inf"), _SEEK_FIRST
        self._answered = float("-inf")

    @classmethod
    def of(
        cls, stat: ProcessStat, argv: tuple[str, ...], spec: TunnelSpec, mode: DirectionMode
    ) -> "TunnelProcess":
        """Make a subject of a process that its command line has proven to be the tunnel's."""
        return cls(
            stat.pid,
            _forward(spec, argv, mode),
            stat=stat,
            login=control_socket_of(argv) if is_login(spec.remote_host, argv) else "",
            is_autossh=program(argv) == "autossh",
            logs_forward_state=logs_forward_state(argv),
            has_own_stream=has_own_stream(argv),
        )

    @property
    def stat(self) -> ProcessStat:
        """Its process; of an autossh that was proven by its ssh it is read when asked for."""
        if self._stat is None:
            stat = read_stat(self.pid)
            if stat is None or not stat.alive:
                return self.ssh or ProcessStat(self.pid, "", "X", 0, 0, 0, 0)
            self._stat = stat
        return self._stat

    def lives(self) -> bool:
        """Tell whether this is still the process that was proven, and forget an ssh that is gone.

        An ssh that lives under the same parent proves that its autossh lives as well.
        """
        if self.is_autossh and self.ssh is not None:
            if state := read_liveness(self.ssh, same_parent=True):
                self.frozen = state == FROZEN
                return True
            self.ssh = self._connection = self.told = None
            self._listener = 0
            self._sought, self._seek_pause = float("-inf"), _SEEK_FIRST
        state = read_liveness(self._stat) if self._stat is not None else ""
        self.frozen = state == FROZEN
        return bool(state)

    def find_ssh(self) -> ProcessStat | None:
        """Find the live ssh: itself, or autossh's child; None while autossh waits."""
        if not self.is_autossh:
            self.ssh = self.stat
        if self.ssh is not None:
            return self.ssh
        for pid in children(self.pid):
            stat = read_stat(pid)
            # By parenthood, not by name: between fork and exec it is still called autossh.
            if stat is not None and stat.alive and stat.ppid == self.pid:
                self.ssh = stat
                self.frozen = stat.state == FROZEN
        return self.ssh

    def listens(self, sockets: Sockets) -> bool:
        """Tell whether its ssh holds the listener of `-L`: the kernel says so, nobody else."""
        if self.ssh is None:
            return False
        if not self._listener or not sockets.listens(self._listener, self.forward):
            self._listener = find_listener(self.ssh.pid, self.forward, sockets)
        return self._listener != 0

    def is_connected(self, sockets: Sockets) -> bool:
        """Tell whether its ssh has a connection, which says nothing of a forward with `-R`."""
        return self.ssh is not None and find_connection(self.ssh.pid, sockets) is not None

    def answers(self) -> bool:
        """Ask the master of a login whether it answers; a frozen one carries no traffic."""
        from tunnel_tui.ssh.control_socket import master_pid

        now = time.monotonic()
        if now - self._answered > _ANSWER_LASTS:
            if master_pid(self.login, 0.2) != self.pid:
                return False
            self._answered = now
        return True

    def traffic(self, sockets: Sockets) -> Traffic | None:
        """Say what the kernel counted on ssh's connection; None where it cannot be seen."""
        if self.ssh is None:
            return None
        found = traffic_of(self._connection, sockets) if self._connection else None
        if found is None and time.monotonic() - self._sought > self._seek_pause:
            self._sought = time.monotonic()
            self._connection = find_connection(self.ssh.pid, sockets)
            later = min(4 * self._seek_pause, _SEEK_LAST)
            self._seek_pause = _SEEK_FIRST if self._connection else later
            found = traffic_of(self._connection, sockets) if self._connection else None
        return found

    @property
    def log_holder(self) -> int:
        """The process that shows the tunnel's log; 0: a login, which writes to none."""
        return 0 if self.login else self.pid

    def pids(self) -> tuple[int, ...]:
        """List its process and its ssh."""
        return (self.pid, self.ssh.pid) if self.ssh else (self.pid,)

    @property
    def connection(self) -> int | None:
        """The inode of ssh's connection, where it has been found."""
        return self._connection


def _forward(spec: TunnelSpec, argv: tuple[str, ...], mode: DirectionMode) -> Forward:
    """Choose the forward that the command line has, in whatever direction mode it was started."""
    given = set(forwards_of(argv))
    forwards = []
    for candidate in (mode, *(other for other in DirectionMode if other is not mode)):
        forward = spec.forward(candidate)
        if (forward.kind.value[1:], forward.argument) in given:
            return forward
        forwards.append(forward)
    # Spelt differently (socket paths are made absolute): go by the kind.
    kinds = {kind for kind, _ in given}
    return next((found for found in forwards if found.kind.value[1:] in kinds), forwards[0])
