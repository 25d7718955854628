"""From what a person types to one tunnel."""

from collections.abc import Sequence

from tunnel_tui.errors import AmbiguousTunnelError, UnknownTunnelError
from tunnel_tui.model import TunnelEntry, TunnelSpec

MIN_PREFIX = 8
"""Digits of a hash that are enough to name a tunnel, as for the shell scripts."""
_HEX = frozenset("0123456789abcdef")


def find_tunnel(
    text: str, specs: Sequence[TunnelSpec], entries: Sequence[TunnelEntry] = ()
) -> TunnelSpec | TunnelEntry:
    """Find the tunnel by its full hash, a prefix of it (8 digits or more) or its exact name.

    A spec comes before the entry of the same hash.

    Raises:
        UnknownTunnelError: nothing matches; the advice names the nearest names.
        AmbiguousTunnelError: several tunnels match; the detail lists them all.
    """
    known: dict[str, TunnelSpec | TunnelEntry] = {entry.hash: entry for entry in entries}
    known.update((spec.hash, spec) for spec in specs)
    digits = text.lower()
    if digits in known:
        return known[digits]
    matches = {tunnel.hash: tunnel for tunnel in known.values() if tunnel.name == text}
    if len(digits) >= MIN_PREFIX and _HEX.issuperset(digits):
        matches.update((key, known[key]) for key in known if key.startswith(digits))
    if len(matches) == 1:
        return next(iter(matches.values()))
    if matches:
        lines = "\n".join(f"  {tunnel.hash}  {tunnel.name}" for tunnel in matches.values())
        by_name = any(tunnel.name == text for tunnel in matches.values())
        advice = "name it by its hash" if by_name else "use more digits of the hash"
        raise AmbiguousTunnelError(f"{text!r} names {len(matches)} tunnels", f"\n{lines}\n", advice)
    raise UnknownTunnelError(f"no tunnel is called {text!r}", "", _advice(text, digits, known))


def _advice(text: str, digits: str, known: dict[str, TunnelSpec | TunnelEntry]) -> str:
    short = len(digits) < MIN_PREFIX and _HEX.issuperset(digits)
    if short and any(key.startswith(digits) for key in known):
        return f"a hash prefix needs at least {MIN_PREFIX} digits"
    from difflib import get_close_matches

    names = sorted({tunnel.name for tunnel in known.values()})
    near = get_close_matches(text, names, 3, 0.5)
    if near:
        return "did you mean " + " or ".join(repr(name) for name in near) + "?"
    return "`tunnel-tui list` shows all tunnels" if known else "there are no tunnels configured"
