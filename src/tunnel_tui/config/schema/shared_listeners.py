"""Tunnels that want to listen at the same place of the same machine."""

from collections.abc import Iterable, Mapping
from itertools import islice

from tunnel_tui.model import DirectionMode, Endpoint, Forward, Problem, TunnelSpec

_ANY = frozenset({"", "*", "0.0.0.0", "::"})
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


def shared_listeners(
    file: str, specs: list[TunnelSpec], mode: DirectionMode = DirectionMode.DEFAULT
) -> list[Problem]:
    """Warn of each tunnel whose listener an earlier one has already.

    Listeners here are compared with listeners here, those at a remote host only with others
    of the same `remote_host` text.
    """
    by_port: dict[str, list[TunnelSpec]] = {}
    for spec in specs:
        for text in (spec.remote_port, spec.local_port):
            by_port.setdefault(text.rpartition(":")[2].lstrip("0"), []).append(spec)
    problems: dict[TunnelSpec, Problem] = {}
    for rivals in by_port.values():
        # hardly any port comes up twice: only those that do are looked at closely
        if len(rivals) > 1:
            for problem, spec in _collisions(file, rivals, mode):
                problems.setdefault(spec, problem)
    return list(problems.values())


def _collisions(
    file: str, rivals: list[TunnelSpec], mode: DirectionMode
) -> list[tuple[Problem, TunnelSpec]]:
    found: list[tuple[Problem, TunnelSpec]] = []
    taken: dict[tuple[str, ...], dict[str, tuple[int, TunnelSpec]]] = {}
    for number, spec in enumerate(dict.fromkeys(rivals)):
        forward = spec.forward(mode)
        machine = "" if forward.listens_here else spec.remote_host
        listener = forward.listener
        place = (forward.kind.value, machine, listener.path, str(listener.port))
        owners = taken.setdefault(place, {})
        host = listener.bind_host.lower()
        if rival := min((owners[key] for key in _excluded(host, owners)), default=None):
            found.append((_warning(file, spec, rival[1], forward), spec))
        owners.setdefault(host, (number, spec))
    return found


def _excluded(host: str, owners: Mapping[str, object]) -> Iterable[str]:
    """Name the bind addresses in `owners` that exclude `host` on the same port, as `overlap`."""
    if host in _ANY:
        return islice(owners, 1)  # the earliest
    wanted = {host, *_ANY}
    if host in _LOOPBACK:
        wanted |= _LOOPBACK if host == "localhost" else {"localhost"}
    return wanted & owners.keys()


def _warning(file: str, spec: TunnelSpec, owner: TunnelSpec, forward: Forward) -> Problem:
    machine = "on this machine" if forward.listens_here else f"at {spec.remote_host}"
    return Problem(
        file,
        spec.line,
        spec.name,
        f"listens at {forward.listener} {machine}, where {owner.name} (line {owner.line})"
        " listens too: only one of them can run",
        fatal=False,
    )


def overlap(one: Endpoint, other: Endpoint) -> bool:
    """Tell whether two listeners of the same machine exclude each other."""
    if one.path or other.path:
        return one.path == other.path
    if one.port != other.port:
        return False
    first, second = one.bind_host.lower(), other.bind_host.lower()
    if first == second or first in _ANY or second in _ANY:
        return True
    pair = {first, second}
    return "localhost" in pair and pair <= _LOOPBACK
