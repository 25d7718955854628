"""What the server is told: address, keys, limits. Read from the environment, once at start."""

import re
from collections.abc import Mapping, MutableMapping
from typing import NamedTuple
from urllib.parse import urlsplit

from tunnel_tui.errors import TunnelTuiError
from tunnel_tui.ssh.command import SECRETS
from tunnel_tui.web import names

DEFAULT_HOST = "127.0.0.1"
DEFAULT_PORT = 8080
DEFAULT_CONNECTIONS = 10
DEFAULT_IDLE = 30 * 60.0
DEFAULT_DURATION = 12 * 3600.0

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_PART = re.compile(r"(\d{1,12}(?:\.\d{1,12})?)(ms|s|m|h)")


class Options(NamedTuple):
    """How to serve.

    Attributes:
        port: 0 lets the kernel choose.
        keys: any of them opens. Empty: none was given, the caller has to take the kept one.
        key_file: where the kept key is; "": it was given.
        base_url: the public address behind a proxy, without a slash at the end; or "".
        origins: `scheme://host[:port]` that pages may come from besides our own address.
        connections: browser sessions at a time.
        idle: seconds without a key or a click after which a session ends.
        duration: seconds after which any session ends.
        read_only: nothing can be changed through this server.
    """

    host: str = DEFAULT_HOST
    port: int = DEFAULT_PORT
    keys: tuple[str, ...] = ()
    key_file: str = ""
    base_url: str = ""
    origins: tuple[str, ...] = ()
    connections: int = DEFAULT_CONNECTIONS
    idle: float = DEFAULT_IDLE
    duration: float = DEFAULT_DURATION
    read_only: bool = False

    @property
    def local(self) -> bool:
        """True where only this machine can connect."""
        return names.is_loopback(self.host.strip("[]").lower())


def load_options(
    environment: Mapping[str, str], host: str | None = None, port: str | None = None
) -> Options:
    """Read the options: argument before environment before default.

    Raises:
        TunnelTuiError: a value is not understood.
    """
    get = environment.get
    base_url = _base_url(get("WS_BASE_URL", ""))
    listed = [text.strip() for text in get("WS_ALLOWED_ORIGINS", "").split(",")]
    origins = [_origin("WS_ALLOWED_ORIGINS", text) for text in listed if text]
    return Options(
        host=host or get("API_HOST") or DEFAULT_HOST,
        port=_number("the port", port or get("API_PORT") or str(DEFAULT_PORT), 0, 65535),
        keys=tuple(key for text in get("API_KEY", "").split(",") if (key := text.strip())),
        base_url=base_url,
        origins=(*origins, *((_origin("WS_BASE_URL", base_url),) if base_url else ())),
        connections=_number(
            "WS_MAX_CONNECTIONS", get("WS_MAX_CONNECTIONS") or str(DEFAULT_CONNECTIONS), 1, 10_000
        ),
        idle=_seconds("WS_IDLE_TIMEOUT", get("WS_IDLE_TIMEOUT"), DEFAULT_IDLE),
        duration=_seconds("WS_MAX_DURATION", get("WS_MAX_DURATION"), DEFAULT_DURATION),
    )


def forget_secrets(environment: MutableMapping[str, str]) -> None:
    """Take the keys out of what every child process inherits."""
    for name in SECRETS:
        environment.pop(name, None)


def _number(what: str, text: str, least: int, most: int) -> int:
    if text.isascii() and text.isdigit() and least <= int(text[:12]) <= most:
        return int(text)
    raise TunnelTuiError(
        f"{what} is not understood", f"found {text!r}", f"a number from {least} to {most}"
    )


def _seconds(what: str, text: str | None, default: float) -> float:
    """Read `90`, `90s`, `30m`, `1h30m`."""
    if not text:
        return default
    found = _PART.findall(text)
    total = sum(float(number) * _UNITS[unit] for number, unit in found)
    if text.isascii() and text.isdigit():
        total = float(text)
    elif "".join(number + unit for number, unit in found) != text:
        total = 0.0
    if not 0 < total < 1e9:
        raise TunnelTuiError(
            f"{what} is not understood", f"found {text!r}", "seconds, or a duration such as 30m"
        )
    return total


def _base_url(text: str) -> str:
    if not text:
        return ""
    if text.startswith("ws"):
        text = "http" + text.removeprefix("ws")
    _origin("WS_BASE_URL", text)
    return text.rstrip("/")


def _origin(what: str, text: str) -> str:
    try:
        parts = urlsplit(text)
    except ValueError:
        parts = urlsplit("")
    found = names.parse_origin(f"{parts.scheme}://{parts.netloc}")
    if not found:
        raise TunnelTuiError(
            f"{what} is not understood", f"found {text!r}", "an address as https://tunnels.example"
        )
    return found
