"""Reading the configuration once whoever writes it has finished."""

from collections.abc import Callable

from tunnel_tui.config.config import Config
from tunnel_tui.config.load import load_config, read_bytes
from tunnel_tui.config.parse import parse_config
from tunnel_tui.model import DirectionMode, digest_of

QUIET = 0.07
"""Seconds between two equal reads that make a file settled."""
EMPTY_QUIET = 2.0
"""The same where nothing is left in the file: an editor may be about to write it anew."""
_PATIENCE = 5.0
"""Seconds after which a file that never rests is taken as it is, if it has no mistakes."""

Content = bytes | str


def read_settled(
    path: str,
    mode: DirectionMode,
    pause: Callable[[float], bool],
    now: Callable[[], float],
    *,
    had_tunnels: bool,
) -> Config | None:
    """Read a file until two reads are equal; what would stop everything is read longer.

    Args:
        path: the configuration file.
        mode: see `load_config`.
        pause: sleeps so many seconds; False: give up.
        now: a steady clock, in seconds.
        had_tunnels: something is in force that an empty file would stop.

    Returns:
        None where `pause` gave up.
    """
    begin = since = now()
    last = content(path)
    while pause(QUIET):
        latest = content(path)
        moment = now()
        if latest != last:
            last, since = latest, moment
            if moment - begin < _PATIENCE:
                continue
        config = _parse(path, last, mode)
        settled = moment - since >= (EMPTY_QUIET if had_tunnels and _is_bare(config) else 0.0)
        if settled and (latest == last or config.valid):
            return config
    return None


def content(path: str) -> Content:
    """Return the bytes of a file, or why it cannot be read; equal for equal content."""
    try:
        return read_bytes(path)
    except OSError as error:
        return f"{error.errno} {error.strerror or error}"


def fingerprint(config: Config) -> tuple[str, ...]:
    """Make what tells one state of the file from another, also where it cannot be read."""
    fatal = [str(problem) for problem in config.problems if problem.fatal]
    return (config.text_digest, *fatal)


def is_other(config: Config, path: str) -> bool:
    """Say whether the file is another now than the one that `config` was read from."""
    now = content(path)
    return (digest_of(now) if isinstance(now, bytes) else "") != config.text_digest


def _parse(path: str, found: Content, mode: DirectionMode) -> Config:
    if isinstance(found, bytes):
        return parse_config(path, found, mode)
    return load_config(path, mode)


def _is_bare(config: Config) -> bool:
    return config.valid and not config.tunnels
