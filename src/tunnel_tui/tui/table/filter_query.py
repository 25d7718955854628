"""What a person types to find tunnels: words, and words for one field. Pure."""

from collections.abc import Callable
from typing import NamedTuple

from tunnel_tui.model import State, TunnelStatus, parse_endpoint

FIELDS = ("name", "host", "port", "state", "group", "reason", "hash")
"""What may stand before a colon; any other word with a colon is looked for as it is."""


class Term(NamedTuple):
    """One word of a filter: any of `texts` in `field`, or anywhere where that is empty."""

    field: str
    texts: tuple[str, ...]
    negated: bool = False


def parse_query(text: str) -> tuple[Term, ...]:
    """Read a filter: all its terms must hold.

    `state:dead,starting` takes either, `-host:edge` takes what is not there. A term that is not
    finished yet (`state:`) asks for nothing.
    """
    terms = []
    for word in text.casefold().split():
        negated = len(word) > 1 and word.startswith("-")
        field, colon, value = word.removeprefix("-" if negated else "").partition(":")
        if colon and field in FIELDS:
            texts = tuple(part for part in value.split(",") if part)
        else:
            field, texts = "", (word.removeprefix("-") if negated else word,)
        if texts:
            terms.append(Term(field, texts, negated))
    return tuple(terms)


def matches(status: TunnelStatus, terms: tuple[Term, ...]) -> bool:
    """Say whether every term holds for a tunnel."""
    return all(_holds(status, term) is not term.negated for term in terms)


def _holds(status: TunnelStatus, term: Term) -> bool:
    find = _FINDERS.get(term.field, _anywhere)
    return any(find(status, text) for text in term.texts)


def _state(status: TunnelStatus, text: str) -> bool:
    if text in {"up", "down"}:
        return (status.state is State.RUNNING) is (text == "up")
    return status.state.value.casefold().startswith(text)


def _port(status: TunnelStatus, text: str) -> bool:
    return any(port.startswith(text) for port in _ports(status))


def _ports(status: TunnelStatus) -> list[str]:
    ports = []
    for end in (status.spec.local_port, status.spec.remote_port):
        try:
            ports.append(str(parse_endpoint(end).port))
        except ValueError:
            ports.append(end)
    return ports


def _reason(status: TunnelStatus) -> str:
    return status.reason.text.casefold() if status.reason else ""


def _anywhere(status: TunnelStatus, text: str) -> bool:
    spec = status.spec
    parts = (
        spec.name,
        spec.remote_host,
        spec.remote_port,
        spec.local_port,
        spec.group,
        spec.description,
        spec.hash,
        status.state.value,
    )
    return any(text in part.casefold() for part in parts) or text in _reason(status)


_FINDERS: dict[str, Callable[[TunnelStatus, str], bool]] = {
    "name": lambda status, text: text in status.spec.name.casefold(),
    "host": lambda status, text: text in status.spec.remote_host.casefold(),
    "port": _port,
    "state": _state,
    "group": lambda status, text: text in status.spec.group.casefold(),
    "reason": lambda status, text: text in _reason(status),
    "hash": lambda status, text: status.spec.hash.startswith(text),
}
