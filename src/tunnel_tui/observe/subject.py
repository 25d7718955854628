"""A registered process whose identity is proven, its ssh, and what its sockets show."""

import time

from tunnel_tui.model import DirectionMode, Forward, Traffic, TunnelSpec
from tunnel_tui.observe.identity import control_socket_of, forwards_of, is_login, program, speaks
from tunnel_tui.observe.transport import Sockets, find_connection, holds_listener, traffic_of
from tunnel_tui.system.proc import ProcessStat, children, read_stat

_ANSWER_LASTS = 2.0
"""Seconds for which a master that has answered need not be asked again; its death is noticed."""


class Subject:
    """One live process of a tunnel: autossh, a plain ssh, or an interactive master.

    Attributes:
        forward: what its command line really carries.
        login: the control socket of a login that several tunnels share; "" for anything else.
        speaks: its ssh was told to print when the forward stands.
        ssh: the ssh that carries the forward, as of the last `find_ssh`.
    """

    __slots__ = (
        "_answered",
        "_connection",
        "argv",
        "forward",
        "is_autossh",
        "login",
        "speaks",
        "ssh",
        "stat",
    )

    def __init__(
        self, stat: ProcessStat, argv: tuple[str, ...], spec: TunnelSpec, mode: DirectionMode
    ) -> None:
        self.stat = stat
        self.argv = argv
        self.forward = _forward(spec, argv, mode)
        self.login = control_socket_of(argv) if is_login(spec.remote_host, argv) else ""
        self.is_autossh = program(argv) == "autossh"
        self.speaks = speaks(argv)
        self.ssh: ProcessStat | None = None
        self._connection: int | None = None
        self._answered = float("-inf")

    def find_ssh(self) -> ProcessStat | None:
        """Find the live ssh: itself, or autossh's child; None while autossh waits."""
        if not self.is_autossh:
            self.ssh = self.stat
            return self.ssh
        if self.ssh is not None:
            now = read_stat(self.ssh.pid)
            if now is not None and now.alive and now.start_ticks == self.ssh.start_ticks:
                return self.ssh
        self.ssh = self._connection = None
        for pid in children(self.stat.pid):
            stat = read_stat(pid)
            # By parenthood, not by name: between fork and exec it is still called autossh.
            if stat is not None and stat.alive and stat.ppid == self.stat.pid:
                self.ssh = stat
        return self.ssh

    def stands_by_sockets(self, sockets: Sockets) -> tuple[bool, bool]:
        """Judge without a success line: (the forward stands, that is certain).

        `-L`: ssh listens only once it is logged in. `-R`: its connection stands, which says
        nothing of what the far end made of the forward.
        """
        if self.ssh is None:
            return False, False
        if self.forward.listens_here:
            return holds_listener(self.ssh.pid, self.forward, sockets), True
        return find_connection(self.ssh.pid, sockets) is not None, False

    def answers(self) -> bool:
        """Ask the master of a login whether it answers; a frozen one carries no traffic."""
        from tunnel_tui.system.mux import master_pid

        now = time.monotonic()
        if now - self._answered > _ANSWER_LASTS:
            if master_pid(self.login, 0.2) != self.stat.pid:
                return False
            self._answered = now
        return True

    def traffic(self, sockets: Sockets) -> Traffic | None:
        """Say what the kernel counted on ssh's connection; None where it cannot be seen."""
        if self.ssh is None:
            return None
        if self._connection is None or self._connection not in sockets.connected:
            self._connection = find_connection(self.ssh.pid, sockets)
        return None if self._connection is None else traffic_of(self._connection, sockets)


def _forward(spec: TunnelSpec, argv: tuple[str, ...], mode: DirectionMode) -> Forward:
    """Choose the forward that the command line has, in whatever direction mode it was started."""
    given = set(forwards_of(argv))
    forwards = [spec.forward(candidate) for candidate in (mode, *DirectionMode)]
    for forward in forwards:
        if (forward.kind.value[1:], forward.argument) in given:
            return forward
    # Spelt differently (socket paths are made absolute): go by the kind.
    kinds = {kind for kind, _ in given}
    return next((found for found in forwards if found.kind.value[1:] in kinds), forwards[0])
