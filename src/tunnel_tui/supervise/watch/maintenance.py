"""What the watcher does once a minute: logs bounded, lost entries written again."""

import os

from tunnel_tui.errors import TunnelTuiError
from tunnel_tui.logs.rotate import cap_log
from tunnel_tui.model import UP, TunnelEntry, TunnelSpec, TunnelStatus
from tunnel_tui.settings import LOG_CAP, Settings, hash_of_log
from tunnel_tui.ssh.log.retained_lines import what_stays
from tunnel_tui.ssh.log.run_start import ANYBODY, RunStart
from tunnel_tui.state.run_record import read_record
from tunnel_tui.state.state_file import StateFile
from tunnel_tui.supervise.process.process_tree import registered
from tunnel_tui.system import files

_LOCK_TIMEOUT = 0.5


def cap_logs(settings: Settings, limit: int = LOG_CAP) -> tuple[list[str], list[str]]:
    """Cap every log of a tunnel; return the names of those that were, and what went wrong."""
    capped: list[str] = []
    failures: list[str] = []
    empty_stderr(settings, limit)
    for place in (settings.log_dir, settings.private_log_dir):
        try:
            names = _large_logs(place, limit)
        except OSError:
            continue  # nothing was ever started
        except TunnelTuiError as error:
            failures.append(str(error))
            continue
        for name, tunnel_hash in names:
            try:
                record = read_record(settings, tunnel_hash)
                begins = RunStart(record.pid, record.starter) if record else ANYBODY
                if cap_log(os.path.join(place, name), limit, what_stays(begins)):
                    capped.append(name)
            except (TunnelTuiError, OSError) as error:
                failures.append(f"{name}: {error}")
    return capped, failures


def _large_logs(place: str, limit: int) -> list[tuple[str, str]]:
    """List the logs to cap: name and hash of the tunnel."""
    with files.open_directory(place) as directory, os.scandir(directory) as entries:
        return [
            (entry.name, tunnel_hash)
            for entry in entries
            if (tunnel_hash := hash_of_log(entry.name)) is not None and _is_large(entry, limit)
        ]


def empty_stderr(settings: Settings, limit: int = LOG_CAP) -> None:
    """Empty what banners, proxy programs and jump hosts have said, where it is too much."""
    directory = settings.stderr_dir
    try:
        with os.scandir(directory) as entries:
            for entry in entries:
                if _is_large(entry, limit):
                    os.truncate(entry.path, 0)
    except OSError:
        return  # nothing was ever started


def _is_large(entry: os.DirEntry[str], limit: int) -> bool:
    """Say whether a file of ours is longer than that: what others put there is theirs."""
    if not entry.is_file(follow_symlinks=False):
        return False
    found = entry.stat(follow_symlinks=False)
    return found.st_size > limit and found.st_uid == os.geteuid()


def adopt_lost(settings: Settings, statuses: tuple[TunnelStatus, ...]) -> list[TunnelSpec]:
    """Register live tunnels again whose line the state file has lost.

    Raises:
        StateFileError, FileRefusedError: the state file cannot be used.
    """
    state = StateFile.of(settings)
    known = {entry.hash for entry in state.read().entries}
    adopted = []
    for status in statuses:
        up = status.state in UP
        if not up or status.pid is None or status.spec.hash in known:
            continue
        entry = TunnelEntry.of(status.spec, status.pid)
        try:
            # Not while somebody starts or stops it: the next minute sees what came of it.
            with state.lock_tunnel(status.spec.hash, _LOCK_TIMEOUT):
                lost = all(other.hash != entry.hash for other in state.read().entries)
                if lost and registered(entry, state.path) is not None:
                    state.put(entry)
                    adopted.append(status.spec)
        except (TunnelTuiError, OSError):
            continue
    return adopted
