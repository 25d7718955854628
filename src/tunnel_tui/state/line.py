"""The lines of the state file: seven columns between tabs, as the shell scripts write them."""

from functools import lru_cache

from tunnel_tui.model import TunnelEntry, parse_endpoint

MAX_PID = 1 << 22
"""The kernel's own limit, PID_MAX_LIMIT (proc(5), pid_max)."""
MAX_LENGTH = 4096
"""Characters of a line that says anything."""
_HEX = frozenset("0123456789abcdef")


def parse_line(line: str) -> TunnelEntry | None:
    """Read one line of the state file; None where it cannot be acted on."""
    return _parse(line) if len(line) <= MAX_LENGTH else None


@lru_cache(maxsize=8192)
def _parse(line: str) -> TunnelEntry | None:
    fields = line.split("\t")
    if len(fields) != 7:
        return None
    remote_host, remote_port, local_port, direction, name, tunnel_hash, pid_text = fields
    if not (pid_text.isascii() and pid_text.isdigit() and len(pid_text) <= 7):
        return None
    pid = int(pid_text)
    if not 1 < pid <= MAX_PID or len(tunnel_hash) != 32 or not _HEX.issuperset(tunnel_hash):
        return None
    if not remote_host or not (line.replace("\t", "").isprintable() or _is_harmless(line)):
        return None
    try:
        parse_endpoint(remote_port)
        parse_endpoint(local_port)
    except ValueError:
        return None
    return TunnelEntry(remote_host, remote_port, local_port, direction, name, tunnel_hash, pid)


def _is_harmless(line: str) -> bool:
    # Control characters and lone surrogates (bytes that are no UTF-8) make a line unfit to act
    # on; joiners and other format characters are part of honest names.
    return not any(
        (character < " " and character != "\t")
        or "\x7f" <= character <= "\x9f"
        or "\ud800" <= character <= "\udfff"
        for character in line
    )


def format_line(entry: TunnelEntry) -> str:
    """Write one entry the way the shell scripts do: seven columns, tab separated."""
    return "\t".join((*entry[:6], str(entry.pid)))


def parse_text(text: str) -> tuple[list[TunnelEntry], list[str]]:
    """Split the file into entries (duplicates included) and lines that are none."""
    entries: list[TunnelEntry] = []
    malformed: list[str] = []
    for line in text.split("\n"):
        if not line:
            continue
        entry = parse_line(line)
        if entry is None:
            malformed.append(line)
        else:
            entries.append(entry)
    return entries, malformed
