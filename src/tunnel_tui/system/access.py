"""What may not be read: which file or directory keeps us out, and whose it is."""

import os
import stat
from collections.abc import Iterator
from typing import NamedTuple


class Closed(NamedTuple):
    """A file or directory that keeps us out.

    Attributes:
        path: it, or the directory on the way to what was wanted.
        owner: whose it is.
        mode: its permissions.
        skipped: who wants it passes over it in silence, and may know enough without.
    """

    path: str
    owner: int
    mode: int
    skipped: bool = False

    def __str__(self) -> str:
        whose = f"belongs to user {self.owner} (mode {self.mode:o})"
        return f"{self.path} {whose}, and user {os.geteuid()} may not read it"

    @property
    def advice(self) -> str:
        """What helps, in a container and elsewhere."""
        me = os.geteuid()
        if self.owner > 0:
            return (
                f"run as user {self.owner} (in a container: PUID={self.owner}), or give it to {me}"
            )
        return f"give user {me} a copy of its own of what is needed there (chown -R {me})"


def closed_at(path: str) -> Closed | None:
    """Find the first that keeps us from reading `path`; None: nothing does, or there is none."""
    real = os.path.realpath(path)
    way = [directory for directory in _parents(real) if not os.access(directory, os.X_OK)]
    for place, right in ((way[0] if way else "", os.X_OK), (real, os.R_OK)):
        if place and not os.access(place, right):
            try:
                status = os.lstat(place)
            except OSError:
                return None  # there is none
            return Closed(place, status.st_uid, stat.S_IMODE(status.st_mode))
    return None


def _parents(path: str) -> Iterator[str]:
    """`/a/b/c` → `/`, `/a`, `/a/b`."""
    for at, character in enumerate(path):
        if character == "/":
            yield path[: at or 1]
