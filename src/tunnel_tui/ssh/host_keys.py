"""A host key that has changed: which one was known, which one came, and how to accept it.

A server can write into a log. So what stands there only selects among the hosts and the files
that ssh's own configuration names for this tunnel; neither ever comes from the log itself.
"""

import os
from collections.abc import Iterable
from typing import NamedTuple

from tunnel_tui.errors import TunnelTuiError
from tunnel_tui.logs.tail import open_for_reading, read_tail
from tunnel_tui.model import Outcome, TunnelSpec
from tunnel_tui.settings import Settings
from tunnel_tui.ssh.client_config import Host, hosts
from tunnel_tui.ssh.log.phrases import CHANGED_KEY_OF, OFFENDING_KEY, OFFERED_KEY
from tunnel_tui.ssh.log.tunnel_log import own_lines
from tunnel_tui.state.run_record import read_record

_LINES = 400
_TAIL = 32 * 1024
_LARGEST = 16 * 1024 * 1024
"""Bytes of a known-hosts file that are read."""
_LONGEST = 64 * 1024
"""Bytes of a line in it."""


class ChangedKey(NamedTuple):
    """What ssh said of it.

    Attributes:
        name: the host as the known-hosts file has it: `host` or `[host]:port`.
        kind: of the known key, as `ED25519`; may be empty.
        known, offered: fingerprints as ssh writes them, `SHA256:…`; "": not found.
        file, line: where the known key stands.
        ours: True where that file is tunnel-tui's own, which we may change.
        hop: True where it is a jump host's key, not that of the tunnel's own host.
    """

    name: str
    kind: str
    known: str
    offered: str
    file: str
    line: int
    ours: bool
    hop: bool = False

    @property
    def remedy(self) -> tuple[str, ...]:
        """The command that forgets the known key."""
        return ("ssh-keygen", "-R", self.name, "-f", self.file)


def find_changed_key(settings: Settings, spec: TunnelSpec) -> ChangedKey | None:
    """Read which key ssh refused, its own or that of a jump host, and look up the one it knew.

    Of the tunnel's own host only its own ssh tells. What the ssh of a jump host says comes with
    whatever that host writes: it can speak of no other host, so of one jump there is no doubt.
    """
    checked = hosts(settings, spec)
    record = read_record(settings, spec.hash)
    lines = own_lines(settings, spec.hash, _LINES, record.pid if record else 0)
    own = [host for host in checked if not host.hop]
    found = read_changed_key(settings, "\n".join(lines), own)
    hops = [host for host in checked if host.hop]
    if found is not None or len(hops) != 1:
        return found
    said = read_tail(settings.stderr_file(spec.hash), _TAIL).decode("utf-8", "replace")
    return read_changed_key(settings, said, hops)


def read_changed_key(settings: Settings, text: str, checked: Iterable[Host]) -> ChangedKey | None:
    """Read it from what ssh wrote; the last warning that can be true counts.

    Args:
        settings: say which known-hosts file is ours.
        text: the end of a log; anybody may have written parts of it.
        checked: the hosts whose keys ssh checks for this tunnel, its own first.

    Returns:
        None where no warning names one of these hosts and a line of its own files for it.
    """
    of_name = {host.name: host for host in reversed(tuple(checked))}
    names = [name for name in CHANGED_KEY_OF.findall(text) if name in of_name]
    if not names:
        return None
    host = of_name[names[-1]]
    read: dict[str, list[bytes]] = {}
    for kind, file, line in dict.fromkeys(reversed(OFFENDING_KEY.findall(text))):
        if file not in host.files:
            continue
        if file not in read:
            read[file] = _lines(file)
        known = known_fingerprint(read[file], int(line), host.name)
        if known:
            ours = os.path.realpath(file) == os.path.realpath(settings.known_hosts_file)
            offers = OFFERED_KEY.findall(text)
            offered = offers[-1] if offers else ""
            return ChangedKey(host.name, kind, known, offered, file, int(line), ours, host.hop)
    return None


def _lines(file: str) -> list[bytes]:
    """Read a known-hosts file; [] where it is no regular file, a pipe or a device for instance."""
    descriptor = open_for_reading(file, follow=True)
    if descriptor is None:
        return []
    with os.fdopen(descriptor, "rb") as known:
        try:
            return known.read(_LARGEST).split(b"\n")
        except OSError:
            return []


def known_fingerprint(lines: list[bytes], line: int, name: str) -> str:
    """Compute the SHA256 fingerprint of the key in a line of a known-hosts file (sshd(8)).

    Returns:
        "" where there is no such line, or it is not about the host `name`.
    """
    import base64
    import hashlib

    if not 0 < line <= len(lines):
        return ""
    words = lines[line - 1][:_LONGEST].split()
    words = words[1:] if words and words[0].startswith(b"@") else words
    if len(words) < 3 or not _is_about(words[0].decode("utf-8", "replace"), name):
        return ""
    try:
        digest = hashlib.sha256(base64.b64decode(words[2], validate=True)).digest()
    except ValueError:
        return ""
    return "SHA256:" + base64.b64encode(digest).decode("ascii").rstrip("=")


def _is_about(patterns: str, name: str) -> bool:
    """Tell whether the first field of a line names this host: in clear or hashed (sshd(8))."""
    import base64
    import hmac

    if not patterns.startswith("|1|"):
        return name.lower() in patterns.lower().split(",")
    try:
        salt, digest = (base64.b64decode(word) for word in patterns[3:].split("|"))
    except ValueError:
        return False
    return hmac.compare_digest(hmac.digest(salt, name.encode(), "sha1"), digest)


def forget_key(settings: Settings, key: ChangedKey) -> Outcome:
    """Remove a host's keys from our own known-hosts file, so that the next start takes the new one.

    Raises:
        TunnelTuiError: the file is not ours, or ssh-keygen cannot do it.
    """
    import subprocess

    title = f"Cannot forget the key of {key.name}"
    if os.path.realpath(key.file) != os.path.realpath(settings.known_hosts_file):
        raise TunnelTuiError(title, f"it stands in {key.file}", "remove it there yourself")
    if key.name.startswith("-"):
        raise TunnelTuiError(title, "its name would be read as an option")
    try:
        done = subprocess.run(
            key.remedy, stdin=subprocess.DEVNULL, capture_output=True, timeout=10, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise TunnelTuiError(title, str(error), "is ssh-keygen installed?") from None
    if done.returncode:
        raise TunnelTuiError(title, done.stderr.decode("utf-8", "replace").strip())
    return Outcome("", key.name, True, "removed", f"the key of {key.name} is forgotten")
