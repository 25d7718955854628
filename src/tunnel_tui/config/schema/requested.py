"""What a person wants a tunnel's keys to be: as given, as written, and as it must come out."""

from collections.abc import Mapping

from tunnel_tui.config.schema.tunnel import DIRECTIONS, KEYS, TRUE_WORDS
from tunnel_tui.config.yaml_text.splice import Value
from tunnel_tui.errors import ConfigError
from tunnel_tui.model import DEFAULT_NAME, Direction, TunnelSpec

Values = Mapping[str, object]
"""By key: text, number, truth value or list of texts; None takes a key away."""


def says(
    tunnel: TunnelSpec, wanted: Mapping[str, Value | None], original: TunnelSpec | None
) -> bool:
    """Tell whether a tunnel has what was wanted, and in all other keys what `original` has."""
    for key in KEYS:
        if key in wanted:
            if getattr(tunnel, key) != effective(key, wanted[key]):
                return False
        elif original is not None and getattr(tunnel, key) != getattr(original, key):
            return False
    return True


def effective(key: str, value: Value | None) -> object:
    """What a spec has for a value that is written so."""
    if key == "ssh_options":
        return value or ()
    if key == "interactive":
        return isinstance(value, str) and value.lower() in TRUE_WORDS
    if key == "direction":
        return DIRECTIONS.get(str(value)) if value else Direction.REMOTE_TO_LOCAL
    if key == "name":
        return value or DEFAULT_NAME
    return value or ""


def as_written(values: Values) -> dict[str, Value | None]:
    """Turn values into what is written, in the usual order of keys.

    Raises:
        ConfigError: a key that we do not know, or a value of the wrong kind.
    """
    unknown = [key for key in values if key not in KEYS]
    if unknown:
        raise ConfigError("no such key", ", ".join(unknown), f"known: {', '.join(KEYS)}")
    return {key: _one(key, values[key]) for key in KEYS if key in values}


def _one(key: str, value: object) -> Value | None:
    if value is None:
        return None
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str | int):
        return str(value)
    if key == "ssh_options" and isinstance(value, list | tuple):
        return tuple(str(item) for item in value)
    raise ConfigError("a value of the wrong kind", f"{key}: {value!r}")
