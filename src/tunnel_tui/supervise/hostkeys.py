"""A host key that has changed: which one was known, which one came, and how to accept it."""

import os
import re
from typing import NamedTuple

from tunnel_tui.errors import TunnelTuiError
from tunnel_tui.model import Outcome, TunnelSpec
from tunnel_tui.observe.tail import read_tail
from tunnel_tui.settings import Settings

_OFFERED = re.compile(r"key sent by the remote host is\s+(SHA256:\S+?)\.?\s")
_OFFENDING = re.compile(r"^Offending (?:(\S+) )?key in (.+):(\d+)\r?$", re.MULTILINE)
_NAME = re.compile(r"^Host key for (\S+) has changed", re.MULTILINE)
_TAIL = 32 * 1024


class ChangedKey(NamedTuple):
    """What ssh said of it.

    Attributes:
        name: the host as the known-hosts file has it: `host` or `[host]:port`.
        kind: of the known key, as `ED25519`; may be empty.
        known, offered: fingerprints as ssh writes them, `SHA256:…`; "": not found.
        file, line: where the known key stands.
        ours: True where that file is tunnel-tui's own, which we may change.
    """

    name: str
    kind: str
    known: str
    offered: str
    file: str
    line: int
    ours: bool

    @property
    def remedy(self) -> tuple[str, ...]:
        """The command that forgets the known key."""
        return ("ssh-keygen", "-R", self.name, "-f", self.file)


def find_changed_key(settings: Settings, spec: TunnelSpec) -> ChangedKey | None:
    """Read from a tunnel's log which key ssh refused, and look up the one it knew."""
    text = read_tail(settings.log_file(spec.hash), _TAIL).decode("utf-8", "replace")
    return read_changed_key(settings, text)


def read_changed_key(settings: Settings, text: str) -> ChangedKey | None:
    """Read it from what ssh wrote; the last warning counts. None where there is none."""
    places, names = _OFFENDING.findall(text), _NAME.findall(text)
    offers = _OFFERED.findall(text)
    if not places or not names:
        return None
    kind, file, line = places[-1]
    ours = os.path.realpath(file) == os.path.realpath(settings.known_hosts_file)
    offered = offers[-1] if offers else ""
    return ChangedKey(
        names[-1], kind, known_fingerprint(file, int(line)), offered, file, int(line), ours
    )


def known_fingerprint(file: str, line: int) -> str:
    """Compute the SHA256 fingerprint of the key in a line of a known-hosts file (sshd(8))."""
    import base64
    import hashlib

    try:
        with open(file, "rb") as known:
            text = known.read().splitlines()[line - 1]
    except (OSError, IndexError):
        return ""
    words = text.split()
    words = words[1:] if words and words[0].startswith(b"@") else words
    if len(words) < 3:
        return ""
    try:
        digest = hashlib.sha256(base64.b64decode(words[2], validate=True)).digest()
    except ValueError:
        return ""
    return "SHA256:" + base64.b64encode(digest).decode("ascii").rstrip("=")


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
