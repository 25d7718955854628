"""Host and Origin headers: the whole text follows the grammar, or it names nobody."""

import ipaddress
import re
from typing import NamedTuple

_AUTHORITY = r"(?:\[([0-9a-f:.]{2,45})\]|([a-z0-9_-]+(?:\.[a-z0-9_-]+)*))(?::([1-9][0-9]{0,4}))?"
_HOST = re.compile(_AUTHORITY)
_ORIGIN = re.compile(r"(https?)://" + _AUTHORITY)
_LONGEST = 300
"""Characters: a name has 253 at most (RFC 1035)."""
_USUAL = {"http": 80, "https": 443}


class Authority(NamedTuple):
    """`host[:port]`; the host in lower case, IPv6 without brackets; port None: not given."""

    host: str
    port: int | None


def parse_host(text: str) -> Authority | None:
    """Read a Host header (RFC 9110, section 7.2); None: it is none.

    Stricter than the standard where nothing that calls us differs: no empty port, no dot at the
    end, no percent-encoding, nothing but ASCII.
    """
    found = _HOST.fullmatch(_lower(text))
    return _authority(*found.groups()) if found else None


def parse_origin(text: str) -> str:
    """Read an Origin header (RFC 6454, section 6.2) with one origin and spell it as browsers do.

    Returns:
        `scheme://host[:port]`, in lower case, without the scheme's usual port; "": it is none.
    """
    found = _ORIGIN.fullmatch(_lower(text))
    where = _authority(*found.groups()[1:]) if found else None
    return spell_origin(found[1], where) if found and where else ""


def spell_origin(scheme: str, where: Authority) -> str:
    """Say which origin a page has that was loaded from there."""
    host = f"[{where.host}]" if ":" in where.host else where.host
    port = "" if where.port in (None, _USUAL[scheme]) else f":{where.port}"
    return f"{scheme}://{host}{port}"


def is_loopback(host: str) -> bool:
    """Say whether a host can be reached from this machine only."""
    if host == "localhost":
        return True
    address = as_address(host)
    return address is not None and address.is_loopback


def as_address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """Read an IP address; None: it is a name."""
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def _lower(text: str) -> str:
    # Not everything becomes ASCII that is not: the Kelvin sign's lower case is a k.
    return text.lower() if text.isascii() and len(text) <= _LONGEST else ""


def _authority(v6: str | None, name: str | None, port: str | None) -> Authority | None:
    number = int(port) if port else None
    if number is not None and number > 65535:
        return None
    if v6 is None:
        return Authority(name or "", number)
    address = as_address(v6)
    if address is None or address.version != 6:
        return None
    return Authority(str(address), number)
