"""The configuration in force: the newest good one, whatever becomes of the file."""

import os
import time

from tunnel_tui.config.config import Config
from tunnel_tui.config.load import load_config
from tunnel_tui.model import digest_of
from tunnel_tui.settings import Settings
from tunnel_tui.supervise.monitor.stable_read import EMPTY_QUIET

_MOST_LINKS = 40
"""As path_resolution(7)."""
_NOTHING = digest_of(b"")


def trace(path: str) -> list[str]:
    """List what leads to a file: each symlink on the way, and the file's real path.

    Kubernetes updates a mounted ConfigMap by replacing a symlink (`..data`) between the two.
    """
    way: list[str] = []
    done, left = "/", [part for part in path.split("/") if part]
    while left:
        part = left.pop(0)
        if part in (".", ".."):
            done = os.path.dirname(done) if part == ".." else done
            continue
        done = os.path.join(done, part)
        if len(way) >= _MOST_LINKS or not os.path.islink(done):
            continue
        way.append(done)
        try:
            target = os.readlink(done)
        except OSError:
            break
        done = "/" if target.startswith("/") else os.path.dirname(done)
        left = [part for part in target.split("/") if part] + left
    return [*way, done]


class ConfigFile:
    """Follows the file.

    Attributes:
        good: the last configuration without a fatal problem.
        broken: the newest one, where it has a fatal problem.
        changed: True after the tunnels in the file have become others, until `settle`.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._path = settings.config_file
        self._seen: tuple[int, ...] | None = None
        self._emptied = 0.0
        self.good = Config(self._path, (), (), "")
        self.broken: Config | None = None
        self.changed = False
        self._loaded = False
        self._way = trace(self._path)

    @property
    def directories(self) -> set[str]:
        """Where to watch for changes: editors replace files, and a symlink leads elsewhere."""
        return {os.path.dirname(path) for path in self._way}

    def concerns(self, path: str) -> bool:
        """Say whether a change of `path` may be one of the configuration."""
        return path in self._way or path in self.directories

    def refresh(self) -> bool:
        """Read the file if it is not the one that was read; True: something is new."""
        seen = self._stamp()
        if self._loaded and seen == self._seen:
            return False
        config = load_config(self._path, self._settings.direction_mode)
        if self._is_being_written(config):
            return False
        # The stamp comes from before the reading: what is written meanwhile is read next time.
        self._seen = seen
        self._way = trace(self._path)
        if config.valid:
            fresh = config.text_digest != self.good.text_digest or self.broken is not None
            self.changed |= self._loaded and config.tunnels != self.good.tunnels
            self.good, self.broken, self._loaded = config, None, True
            return fresh
        fresh = config != self.broken
        self.broken, self._loaded = config, True
        return fresh

    def settle(self) -> None:
        """Take note that what runs agrees with the file."""
        self.changed = False

    def _is_being_written(self, config: Config) -> bool:
        """Say whether nothing at all is in the file, where tunnels were until a moment ago.

        Who saves by emptying and writing is seen in between; if what follows is broken, the last
        good configuration would be the empty one.
        """
        if not self.good.tunnels or config.text_digest != _NOTHING:
            self._emptied = 0.0
            return False
        self._emptied = self._emptied or time.monotonic()
        return time.monotonic() - self._emptied < EMPTY_QUIET

    def _stamp(self) -> tuple[int, ...] | None:
        try:
            status = os.stat(self._path)
        except OSError as error:
            return (error.errno or 0,)
        return (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)
