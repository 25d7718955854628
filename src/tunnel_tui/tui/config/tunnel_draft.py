"""A tunnel as it is being typed: what is wrong with it, and what it would do. Pure."""

import shlex
from collections.abc import Mapping, Sequence

from tunnel_tui.config.schema.field_check import check_field, check_options
from tunnel_tui.config.schema.shared_listeners import shared_listeners
from tunnel_tui.config.schema.values import Mistake
from tunnel_tui.model import (
    DEFAULT_NAME,
    Direction,
    DirectionMode,
    TunnelSpec,
    parse_endpoint,
    tunnel_hash,
)

KEYS = (
    "name",
    "remote_host",
    "direction",
    "remote_port",
    "local_port",
    "interactive",
    "group",
    "description",
    "ssh_options",
    "check",
)
IDENTITY = frozenset(KEYS[:6])
"""Another value for one of these makes another tunnel."""
Texts = Mapping[str, str]
BLANK: Texts = dict.fromkeys(KEYS, "") | {
    "direction": Direction.REMOTE_TO_LOCAL.value,
    "interactive": "false",
}


def texts_of(spec: TunnelSpec) -> dict[str, str]:
    """Put a tunnel into the fields of a form."""
    return {
        "name": spec.name,
        "remote_host": spec.remote_host,
        "direction": spec.direction.value,
        "remote_port": spec.remote_port,
        "local_port": spec.local_port,
        "interactive": "true" if spec.interactive else "false",
        "group": spec.group,
        "description": spec.description,
        "ssh_options": shlex.join(spec.ssh_options),
        "check": spec.check,
    }


def changed_values(texts: Texts, before: Texts) -> dict[str, object]:
    """Make values for the file of the fields that say something else now."""
    values: dict[str, object] = {}
    for key in KEYS:
        text = texts[key].strip()
        if text == before[key]:
            continue
        if key == "ssh_options":
            values[key] = options_of(text) or None
        elif key == "interactive":
            values[key] = text == "true"
        else:
            values[key] = text or None
    return values


def options_of(text: str) -> tuple[str, ...]:
    """Split options as a shell would.

    Raises:
        ValueError: a quotation mark has no partner.
    """
    return tuple(shlex.split(text))


def find_mistakes(texts: Texts) -> dict[str, Mistake]:
    """Check every field by the rules of the file."""
    found: dict[str, Mistake] = {}
    for key in KEYS:
        text = texts[key].strip()
        if key == "ssh_options":
            try:
                wrong = check_options(options_of(text))
            except ValueError:
                wrong = Mistake("a quotation mark has no partner", "Port=2222 'Keyword=a b'")
        else:
            wrong = check_field(key, text)
        if wrong is not None:
            found[key] = wrong
    return found


def spec_of(texts: Texts) -> TunnelSpec:
    """Make a tunnel of fields without mistakes."""
    get = {key: texts[key].strip() for key in KEYS}
    name, host = get["name"] or DEFAULT_NAME, get["remote_host"]
    remote, local, direction = get["remote_port"], get["local_port"], get["direction"]
    interactive = get["interactive"]
    return TunnelSpec(
        name,
        host,
        remote,
        local,
        Direction(direction),
        interactive == "true",
        tunnel_hash(name, host, remote, local, direction, interactive),
        get["group"],
        get["description"],
        options_of(get["ssh_options"]),
        get["check"],
    )


def find_twin(spec: TunnelSpec, others: Sequence[TunnelSpec]) -> TunnelSpec | None:
    """Find the tunnel that is the same one already."""
    return next((other for other in others if other.hash == spec.hash), None)


def warn(spec: TunnelSpec, others: Sequence[TunnelSpec], mode: DirectionMode) -> str:
    """Say what is allowed but hardly meant; "" where nothing is."""
    for problem in shared_listeners("", [*others, spec], mode):
        if problem.key == spec.name:
            return problem.message
    named = next((other for other in others if other.name == spec.name), None)
    if named is not None and spec.name != DEFAULT_NAME:
        return f"another tunnel is called {spec.name}, too: commands will ask which"
    return ""


def tell_way(texts: Texts, mode: DirectionMode) -> tuple[str, str]:
    """Tell where connections enter and come out: as `listener => target`, and in words.

    What is not typed yet, or wrong, is named by its key.
    """
    listens_here = is_inward(texts["direction"], mode)
    remote, local = _end(texts, "remote_port"), _end(texts, "local_port")
    host = texts["remote_host"].strip() or "remote_host"
    if listens_here:
        words = f"listens here on {local}, comes out at {remote} seen from {host}"
        return f"{local} => {remote}", words
    return f"{remote} => {local}", f"listens at {host} on {remote}, comes out here at {local}"


def is_inward(direction: str, mode: DirectionMode) -> bool:
    """Say whether a direction listens here."""
    inward = direction != Direction.LOCAL_TO_REMOTE.value
    return inward != (mode is DirectionMode.SSH_STANDARD)


def _end(texts: Texts, key: str) -> str:
    try:
        return str(parse_endpoint(texts[key].strip()))
    except ValueError:
        return key
