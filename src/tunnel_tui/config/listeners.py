"""Tunnels that want to listen at the same place of the same machine."""

from tunnel_tui.model import DirectionMode, Endpoint, Problem, TunnelSpec

_ANY = frozenset({"", "*", "0.0.0.0", "::"})
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


def shared_listeners(
    file: str, specs: list[TunnelSpec], mode: DirectionMode = DirectionMode.DEFAULT
) -> list[Problem]:
    """Warn of each tunnel whose listener an earlier one has already.

    Listeners here are compared with listeners here, those at a remote host only with others
    of the same `remote_host` text.
    """
    problems: list[Problem] = []
    taken: dict[tuple[str, str], list[tuple[Endpoint, TunnelSpec]]] = {}
    for spec in specs:
        forward = spec.forward(mode)
        where = "" if forward.listens_here else spec.remote_host
        listener = forward.listener
        rivals = taken.setdefault((where, listener.path or str(listener.port)), [])
        for other, owner in rivals:
            if _overlap(listener, other):
                machine = f"at {where}" if where else "on this machine"
                problems.append(
                    Problem(
                        file,
                        spec.line,
                        spec.name,
                        f"listens at {listener} {machine}, as {owner.name} on line {owner.line}"
                        " does: only one of them can run",
                        fatal=False,
                    )
                )
                break
        rivals.append((listener, spec))
    return problems


def _overlap(one: Endpoint, other: Endpoint) -> bool:
    first, second = one.bind_host.lower(), other.bind_host.lower()
    if one.path or first == second or first in _ANY or second in _ANY:
        return True
    pair = {first, second}
    return "localhost" in pair and pair <= _LOOPBACK
