"""What putting a configuration into force would do: start, stop, restart, keep, log in."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from tunnel_tui.model import TunnelEntry, TunnelSpec


class Plan(NamedTuple):
    """The difference between what is configured and what runs.

    Attributes:
        start: configured, not alive, and startable: not interactive, or logged in already.
        stop: registered but no longer configured, alive or dead.
        keep: alive with the command line that they would be started with now; also every
            interactive one that is alive, because ending it would cost a person a login.
        login: interactive, not alive, and nobody is logged in: a person must.
        restart: alive, but to be started with another command line.
    """

    start: tuple[TunnelSpec, ...] = ()
    stop: tuple[TunnelEntry, ...] = ()
    keep: tuple[TunnelSpec, ...] = ()
    login: tuple[TunnelSpec, ...] = ()
    restart: tuple[TunnelSpec, ...] = ()

    @property
    def empty(self) -> bool:
        """True where applying it would do nothing (logins are left to people)."""
        return not (self.start or self.stop or self.restart)

    def summary(self) -> str:
        """Put it into one line: `start 2, stop 1, keep 9, 1 needs a login`."""
        counts = (
            ("start", len(self.start)),
            ("stop", len(self.stop)),
            ("restart", len(self.restart)),
            ("keep", len(self.keep)),
        )
        parts = [f"{verb} {count}" for verb, count in counts if count]
        if self.login:
            parts.append(f"{len(self.login)} {'needs' if len(self.login) == 1 else 'need'} a login")
        return ", ".join(parts) or "nothing to do"


def make_plan(
    specs: Sequence[TunnelSpec],
    entries: Sequence[TunnelEntry],
    alive: Callable[[TunnelEntry], bool],
    same_command: Callable[[TunnelSpec, TunnelEntry], bool],
    logged_in: Callable[[TunnelSpec], bool] = lambda _: False,
) -> Plan:
    """Compare what is configured with what is registered.

    Args:
        specs: the tunnels of a valid configuration.
        entries: the state file.
        alive: whether the process of an entry lives and is ours.
        same_command: whether it runs with the command line that we would start it with now.
        logged_in: whether an interactive tunnel can be attached without a new login.
    """
    wanted = {spec.hash: spec for spec in specs}
    running = {entry.hash: entry for entry in entries if entry.hash in wanted and alive(entry)}
    start: list[TunnelSpec] = []
    keep: list[TunnelSpec] = []
    login: list[TunnelSpec] = []
    restart: list[TunnelSpec] = []
    for spec in wanted.values():
        entry = running.get(spec.hash)
        if entry is None:
            (login if spec.interactive and not logged_in(spec) else start).append(spec)
        elif spec.interactive or same_command(spec, entry):
            keep.append(spec)
        else:
            restart.append(spec)
    stop = tuple(entry for entry in entries if entry.hash not in wanted)
    return Plan(tuple(start), stop, tuple(keep), tuple(login), tuple(restart))
