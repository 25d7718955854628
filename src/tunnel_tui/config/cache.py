"""What a configuration file said when it was last read, so that its text need not be parsed again.

An answer is given only for the very same bytes, read by the very same program, and only where the
file had no problems at all. It is kept beside the text that it belongs to; no answer of another
user's, and none that is damaged, is ever taken. Without a place to keep it nothing changes but the
time.
"""

import os
import stat
import sys
from collections.abc import Sequence

from tunnel_tui import __version__
from tunnel_tui.errors import FileRefusedError
from tunnel_tui.model import Direction, DirectionMode, TunnelSpec, digest_of
from tunnel_tui.settings import is_strict
from tunnel_tui.system import files

MAX_BYTES = 4 * 1024 * 1024
"""A bigger answer is not kept: ten thousand tunnels take less."""

_HERE = os.path.dirname(__file__)
_READERS = (
    "cache.py",
    "load.py",
    "parse.py",
    "schema/document.py",
    "schema/shared_listeners.py",
    "schema/tunnel.py",
    "schema/values.py",
    "yaml_text/merge_keys.py",
    "yaml_text/tree.py",
    "../model.py",
)
"""The modules that decide what a text says: where one of them has changed, so may the answer."""
_LIST = "\x1f"
"""Stands between the ssh options of a tunnel; no text of a valid file contains it."""
_DIRECTIONS = {direction.value: direction for direction in Direction}


def recall(
    directory: str, path: str, data: bytes, mode: DirectionMode
) -> tuple[TunnelSpec, ...] | None:
    """Say what the file at `path` says, if it is known for these bytes; None: read them."""
    try:
        kept = _read(_file(directory, path))
        head = _head(data, mode)
    except OSError:
        return None
    if not kept.startswith(head):
        return None
    digest, _, rest = kept[len(head) :].partition(b"\n")
    if not rest.endswith(data) or digest != digest_of(rest).encode("ascii"):
        return None
    try:
        text = rest[: len(rest) - len(data)].decode("utf-8")
        return tuple(map(_spec, text.split("\n")[:-1]))
    except (ValueError, KeyError):
        return None


def remember(
    directory: str, path: str, data: bytes, mode: DirectionMode, specs: Sequence[TunnelSpec]
) -> None:
    """Keep what a file without problems says. Where that is not possible, nothing happens."""
    try:
        rest = "".join(map(_line, specs)).encode("utf-8") + data
        digest = digest_of(rest).encode("ascii")
        kept = b"%b%b\n%b" % (_head(data, mode), digest, rest)
        if len(kept) <= MAX_BYTES and _prepare(directory):
            # What a crash tears is noticed by its digest.
            files.replace_file(_file(directory, path), kept, 0o600, durable=False)
    except (OSError, ValueError):
        return


def _file(directory: str, path: str) -> str:
    return os.path.join(directory, f"config-{digest_of(os.fsencode(path))}")


def _head(data: bytes, mode: DirectionMode) -> bytes:
    """Name who reads, and how much text: an answer for another of these is of no use."""
    stamps = [os.stat(os.path.join(_HERE, name)) for name in _READERS]
    text = " ".join(f"{stamp.st_size}:{stamp.st_mtime_ns}" for stamp in stamps)
    program = f"tunnel-tui {__version__} {sys.hexversion:x}{' strict' if is_strict() else ''}"
    words = f"{program} {mode.value} {len(data)} {text}\n"
    return words.encode("ascii")


def _line(spec: TunnelSpec) -> str:
    """Spell a spec. No text of a valid file has a tab or a line break (`values.check_text`)."""
    options = _LIST.join(spec.ssh_options)
    fields = (*spec[:9], options, spec.check, spec.line, len(spec.ssh_options))
    words = [str(field) for field in fields]
    if any(sign in word for word in words for sign in ("\t", "\n")):
        raise ValueError("not a text of a valid file")
    return "\t".join(words) + "\n"


def _spec(line: str) -> TunnelSpec:
    name, host, remote, local, way, interactive, known, group, about, options, check, at, count = (
        line.split("\t")
    )
    chosen = tuple(options.split(_LIST)) if count != "0" else ()
    if len(chosen) != int(count) or interactive not in ("True", "False"):
        raise ValueError("not a line of ours")
    return TunnelSpec(
        name,
        host,
        remote,
        local,
        _DIRECTIONS[way],
        interactive == "True",
        known,
        group,
        about,
        chosen,
        check,
        int(at),
    )


def _read(path: str) -> bytes:
    """Read a file that nobody but we can have written; empty where it is not one."""
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
    descriptor = os.open(path, flags)
    try:
        found = os.fstat(descriptor)
        ours = stat.S_ISREG(found.st_mode) and found.st_uid == os.geteuid()
        if not ours or found.st_mode & 0o077 or found.st_nlink != 1 or found.st_size > MAX_BYTES:
            return b""
        return os.read(descriptor, found.st_size)
    finally:
        os.close(descriptor)


def _prepare(directory: str) -> bool:
    """Make the directory; False where that is somebody else's house.

    With `sudo` the home may be that of the person who called: nothing of root's is left there, nor
    where a link of that person's leads to.
    """
    missing = []
    there = os.path.abspath(directory)
    while not os.path.lexists(there):
        missing.append(there)
        there = os.path.dirname(there)
    if os.geteuid() == 0 and _is_bent(there):
        return False
    found = os.stat(there)
    if found.st_uid != os.geteuid() or not stat.S_ISDIR(found.st_mode):
        return False
    for path in reversed(missing):
        os.mkdir(path, 0o700)
    return bool(missing) or not found.st_mode & 0o022


def _is_bent(path: str) -> bool:
    from tunnel_tui.system.borrowed import who_bends

    try:
        return who_bends(path) is not None
    except FileRefusedError:
        return True
