"""The words of an advice: commands made of our own configuration and of what this machine has.

What stands in a log selects among these and never brings a word along: a server, a banner or a
stranger may have written it, and people type what an advice says.
"""

import re
from collections.abc import Mapping, Sequence
from shlex import quote

from tunnel_tui.model import TunnelSpec
from tunnel_tui.ssh.client_config import SshClient
from tunnel_tui.ssh.log.phrases import CHANGED_KEY_OF, OFFENDING_KEY

_FINGERPRINT = re.compile(r"(?:^|\s)(SHA256:[A-Za-z0-9+/]{43})\b")
_KEY = re.compile(r"^Permissions 0?\d{1,6} for '([^']+)'|^Load key \"([^\"]+)\": bad permissions")


def words(
    template: str, lines: Sequence[str], spec: TunnelSpec | None, client: SshClient | None
) -> Mapping[str, str]:
    """Find the values of an advice's {words} for a tunnel, given the lines of one attempt."""
    found = {"host": quote(spec.remote_host) if spec else "the host"}
    if "{listening}" in template:
        found["listening"] = _listening(spec)
    if "{fingerprint}" in template:
        shown = next((match[1] for line in lines if (match := _FINGERPRINT.search(line))), "")
        found["fingerprint"] = f" (it now shows {shown})" if shown else ""
    if "{chmod}" in template:
        found["chmod"] = _chmod(lines, client)
    if "{remove}" in template:
        found["remove"] = _remove(lines, client)
    return found


def _listening(spec: TunnelSpec | None) -> str:
    port = spec.local_port.rpartition(":")[2] if spec else ""
    return f": ss -ltnp 'sport = :{port}'" if port.isascii() and port.isdigit() else ""


def _chmod(lines: Sequence[str], client: SshClient | None) -> str:
    """Tell how to close a key file, by name where ssh would use a file of that name."""
    ours = client.identity_files() if client else ()
    for line in reversed(lines):
        match = _KEY.match(line)
        path = match and (match[1] or match[2])
        if path and path in ours:
            return f"chmod 600 {quote(path)}"
    return "chmod 600 that file"


def _remove(lines: Sequence[str], client: SshClient | None) -> str:
    """Tell how to forget the known key of the own host or a hop, in a file that ssh reads."""
    known = client.hosts() if client else ()
    name = next((m[1] for line in reversed(lines) if (m := CHANGED_KEY_OF.match(line))), "")
    file = next((m[2] for line in reversed(lines) if (m := OFFENDING_KEY.match(line))), "")
    for host in known:
        if host.name.lower() == name.lower() and file in host.files:
            return f"remove the old key: ssh-keygen -R {quote(host.name)} -f {quote(file)}"
    return "remove the old key from known_hosts (K in the app)"
