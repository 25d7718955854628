"""Changes to the configuration file: add, change, duplicate, delete a tunnel.

Each change is made in the text, read again, compared with what was meant, and only then written:
a file that would come out as anything else stays as it is.
"""

import fcntl
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import NamedTuple

import yaml

from tunnel_tui.config.backups import backup
from tunnel_tui.config.config import Config
from tunnel_tui.config.load import read_bytes
from tunnel_tui.config.parse import parse_config
from tunnel_tui.config.schema.problems import Report
from tunnel_tui.config.schema.requested import Values, as_written, effective, says
from tunnel_tui.config.schema.tunnel import read_item
from tunnel_tui.config.yaml_text import splice
from tunnel_tui.config.yaml_text.positions import SpliceError
from tunnel_tui.config.yaml_text.tree import StructureError
from tunnel_tui.errors import ConfigChangedError, ConfigError, UnknownTunnelError
from tunnel_tui.model import TunnelSpec, digest_of
from tunnel_tui.system.borrowed import rights_of_owner
from tunnel_tui.system.files import write_atomic

LOCK_TIMEOUT = 1.0
"""Seconds to wait for somebody else's change; whoever may open the directory may hold its lock."""
_BOM = "\ufeff"


class Edited(NamedTuple):
    """What came of a change.

    Attributes:
        config: the file as it is now; its digest is the one for the next change.
        tunnel: the added, changed or copied tunnel; None after a deletion.
        backup: where the file is kept as it was; empty where there was none.
    """

    config: Config
    tunnel: TunnelSpec | None
    backup: str


def add_tunnel(path: str, values: Values, digest: str) -> Edited:
    """Add a tunnel at the end of the list, making the file where there is none.

    Args:
        path: the configuration file.
        values: its keys.
        digest: of the file as the person saw it (`Config.text_digest`).

    Raises:
        ConfigChangedError: the file is no longer the one with that digest.
        ConfigError: the result would not be valid, or could not be written.
    """
    return add_tunnels(path, [values], digest)


def add_tunnels(path: str, several: Sequence[Values], digest: str) -> Edited:
    """Add tunnels at the end of the list, all of them or none.

    Raises:
        ConfigChangedError: the file is no longer the one with that digest.
        ConfigError: the result would not be valid, or could not be written.
    """
    return _edit(path, digest, *(_addition(values) for values in several))


def _addition(values: Values) -> "_Changer":
    written = as_written(values)
    wanted: dict[str, splice.Value] = {key: value for key, value in written.items() if value}
    if wanted.get("interactive") == "false":
        del wanted["interactive"]

    def change(text: str, specs: list[TunnelSpec]) -> _Change:
        new = splice.add_item(text, wanted)
        return _Change(new, specs, len(specs), {**wanted}, inserted=True)

    return change


def change_tunnel(path: str, tunnel_hash: str, values: Values, digest: str) -> Edited:
    """Change keys of a tunnel; those that `values` does not name stay.

    Raises:
        UnknownTunnelError: no tunnel of the file has this hash.
        ConfigChangedError: the file is no longer the one with that digest.
        ConfigError: the result would not be valid, or could not be written.
    """
    wanted = as_written(values)

    def change(text: str, specs: list[TunnelSpec]) -> _Change:
        index = _find(text, tunnel_hash, specs)
        return _Change(_set_keys(text, index, specs[index], wanted), specs, index, wanted)

    return _edit(path, digest, change)


def duplicate_tunnel(path: str, tunnel_hash: str, values: Values, digest: str) -> Edited:
    """Put a copy of a tunnel right after it, with other values for the keys in `values`.

    Raises:
        UnknownTunnelError: no tunnel of the file has this hash.
        ConfigChangedError: the file is no longer the one with that digest.
        ConfigError: the copy does not differ, is not valid, or could not be written.
    """
    wanted = as_written(values)

    def change(text: str, specs: list[TunnelSpec]) -> _Change:
        index = _find(text, tunnel_hash, specs)
        copied = splice.copy_item(text, index)
        new = _set_keys(copied, index + 1, specs[index], wanted)
        return _Change(new, specs, index + 1, wanted, inserted=True, original=specs[index])

    return _edit(path, digest, change)


def delete_tunnel(path: str, tunnel_hash: str, digest: str) -> Edited:
    """Take a tunnel out of the file; comments around it stay.

    Raises:
        UnknownTunnelError: no tunnel of the file has this hash.
        ConfigChangedError: the file is no longer the one with that digest.
        ConfigError: others lean on its anchors, or the file could not be written.
    """

    def change(text: str, specs: list[TunnelSpec]) -> _Change:
        index = _find(text, tunnel_hash, specs)
        rest = specs[:index] + specs[index + 1 :]
        return _Change(splice.remove_item(text, index), rest, None, {})

    return _edit(path, digest, change)


# --- how a change is made -----------------------------------------------------------------------


class _Change(NamedTuple):
    """A new text and what it must turn out to say.

    Attributes:
        specs: the tunnels that must be there, in order; without the one that is inserted.
        place: where the added or changed one is; None for a deletion.
        wanted: the keys that it must have.
        original: what a copy has in all other keys.
    """

    text: str
    specs: list[TunnelSpec]
    place: int | None
    wanted: dict[str, splice.Value | None]
    inserted: bool = False
    original: TunnelSpec | None = None


_Changer = Callable[[str, list[TunnelSpec]], _Change]


def _edit(path: str, digest: str, *changes: _Changer) -> Edited:
    try:
        with rights_of_owner(path), _one_at_a_time(_make_directory(path)):
            data = _read(path, digest)
            before = parse_config(path, data or b"")
            if not before.valid:
                first = next(problem for problem in before.problems if problem.fatal)
                raise ConfigError("mend the file first", str(first))
            written, after, tunnel = data or b"", before, None
            for change in changes:
                new = _apply(written, after, change)
                written = new.text.encode()
                after = parse_config(path, written)
                tunnel = _compare(new, after)
            copy = backup(path, data) if data is not None else ""
            write_atomic(path, written)
    except OSError as error:
        title = "the configuration could not be written"
        raise ConfigError(title, str(error), "check owner and mode of the directory") from error
    return Edited(after, tunnel, copy)


def _make_directory(path: str) -> str:
    directory = os.path.dirname(os.path.realpath(path))
    os.makedirs(directory, exist_ok=True)
    return directory


def _read(path: str, digest: str) -> bytes | None:
    """The file as it was seen; None where there was none."""
    try:
        data = read_bytes(path)
    except FileNotFoundError:
        data = None
    if (digest_of(data) if data is not None else "") != digest:
        raise ConfigChangedError(
            "the configuration was changed meanwhile",
            path,
            "look at the new version, then do it again",
        )
    return data


def _apply(data: bytes, before: Config, change: _Changer) -> _Change:
    text = data.decode()
    mark = _BOM if text.startswith(_BOM) else ""
    try:
        new = change(text.removeprefix(_BOM), list(before.tunnels))
    except (SpliceError, StructureError, yaml.YAMLError) as error:
        raise _by_hand(str(error)) from error
    return new._replace(text=mark + new.text)


def _compare(new: _Change, after: Config) -> TunnelSpec | None:
    """Make sure that the new text says what was meant, and nothing else."""
    for problem in after.problems:
        if problem.fatal:
            raise ConfigError("the file would not be valid", str(problem))
    found = list(after.tunnels)
    expected = list(new.specs)
    tunnel = None
    if new.place is not None:
        if new.place >= len(found):
            raise _by_hand("the tunnel did not come out as it was meant")
        tunnel = found.pop(new.place)
        original = new.original
        if not new.inserted:
            original = expected.pop(new.place)
        if not says(tunnel, new.wanted, original):
            raise _by_hand("the tunnel did not come out as it was meant")
    if [spec._replace(line=0) for spec in found] != [spec._replace(line=0) for spec in expected]:
        raise _by_hand("other tunnels would change too")
    return tunnel


def _set_keys(
    text: str, index: int, spec: TunnelSpec, wanted: Mapping[str, splice.Value | None]
) -> str:
    """Change what differs from `spec`; what says the same in other words stays."""
    for key, value in wanted.items():
        if getattr(spec, key) == effective(key, value):
            continue
        if value in (None, "", ()):
            text = splice.remove_key(text, index, key)
        else:
            assert value is not None
            text = splice.set_key(text, index, key, value)
    return text


def _find(text: str, tunnel_hash: str, specs: list[TunnelSpec]) -> int:
    """The place of a tunnel in the list; the same for tree and specs, as the file is valid."""
    tunnels = splice.tunnels_of(text)
    report = Report("")
    for index, item in enumerate(tunnels.children if tunnels else []):
        spec = read_item(report, item, index)
        if spec is not None and spec.hash == tunnel_hash and specs[index].hash == tunnel_hash:
            return index
    raise UnknownTunnelError("no such tunnel in the file", tunnel_hash)


def _by_hand(why: str) -> ConfigError:
    return ConfigError("this change is not possible from here", why, "edit the file by hand")


@contextmanager
def _one_at_a_time(directory: str) -> Iterator[None]:
    """Let one of us change files of a directory at a time (flock on it leaves no file behind)."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        deadline = time.monotonic() + LOCK_TIMEOUT
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    break
                time.sleep(0.02)
        yield
    finally:
        os.close(descriptor)
