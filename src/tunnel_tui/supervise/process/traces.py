"""What a tunnel leaves on the disk, and that is deleted with it: its log, and our notes of it."""

import os
from collections.abc import Callable, Collection

from tunnel_tui.errors import FileRefusedError
from tunnel_tui.settings import Settings, hash_of_log
from tunnel_tui.state.run_record import remove_record
from tunnel_tui.system.files import open_directory


def delete_traces(settings: Settings, tunnel_hash: str, *, shared: bool = True) -> None:
    """Delete the log of a tunnel, its old copy and what others said; forget that it was started.

    Args:
        settings: where things are.
        tunnel_hash: of the tunnel.
        shared: also what stands in the shared directory; False where it is another user's.
    """
    remove_record(settings, tunnel_hash)
    _delete(settings.stderr_dir, [tunnel_hash])
    name = os.path.basename(settings.log_file(tunnel_hash))
    places = [settings.private_log_dir]
    for directory in [*places, settings.log_dir] if shared else places:
        _delete(directory, [name, f"{name}.1"])


def delete_all_traces(settings: Settings, kept: Collection[str]) -> None:
    """Do so for all tunnels but those that are kept, by hash."""

    def goes(name: str) -> bool:
        tunnel_hash = hash_of_log(name.removesuffix(".1"))
        return tunnel_hash is not None and tunnel_hash not in kept

    for directory in (settings.log_dir, settings.private_log_dir):
        _delete(directory, goes)
    for directory in (settings.run_dir, settings.stderr_dir):
        _delete(directory, lambda name: name not in kept)


def _delete(directory: str, names: Collection[str] | Callable[[str], bool]) -> None:
    """Delete in that very directory: behind a symlink there are files of somebody else's."""
    try:
        with open_directory(directory) as descriptor:
            if callable(names):
                names = [name for name in os.listdir(descriptor) if names(name)]
            for name in names:
                try:
                    os.unlink(name, dir_fd=descriptor)  # a symlink goes, what it leads to stays
                except OSError:
                    continue
    except (FileRefusedError, OSError):
        return
