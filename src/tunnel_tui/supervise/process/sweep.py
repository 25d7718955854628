"""Lines of the state file behind which there is nothing: anybody can write any number of them."""

import os
from collections.abc import Iterable
from itertools import islice

from tunnel_tui.errors import TunnelTuiError
from tunnel_tui.model import Outcome, TunnelEntry
from tunnel_tui.settings import Settings
from tunnel_tui.ssh.log.tunnel_log import log_path
from tunnel_tui.state.state_file import StateFile
from tunnel_tui.supervise.process.process_tree import ProcessTable
from tunnel_tui.system.proc import trusted_users

MANY = 100
"""Lines from which on they are swept before each is looked at closely."""
TOLD = 20
"""Lines of one kind that are reported one by one."""


def sweep(
    settings: Settings, state: StateFile, hashes: Iterable[str], verb: str
) -> tuple[set[str], list[Outcome]]:
    """Remove, all at once, the lines of those tunnels that have neither process nor log.

    Needs no lock: a start under way writes another line, and had a log before. Nothing is done
    where the file cannot be written.

    Returns:
        The hashes of those tunnels, and what there is to report (with `verb`).
    """
    read = state.read()
    lines: dict[str, list[TunnelEntry]] = {tunnel_hash: [] for tunnel_hash in hashes}
    for entry in (*read.duplicates, *read.entries):
        if entry.hash in lines:
            lines[entry.hash].append(entry)
    census = ProcessTable(settings)
    empty = {
        tunnel_hash: entries
        for tunnel_hash, entries in lines.items()
        if entries
        and not _has_traces(settings, tunnel_hash)
        and not census.family(tunnel_hash, entries)
    }
    gone = {(entry.hash, entry.pid) for entries in empty.values() for entry in entries}
    if not gone:
        return set(), []
    try:
        state.update(lambda entries: [e for e in entries if (e.hash, e.pid) not in gone])
    except TunnelTuiError:
        return set(), []
    message = "there was nothing of it but a line"
    outcomes = [
        Outcome(tunnel_hash, entries[-1].name or tunnel_hash[:8], True, verb, message)
        for tunnel_hash, entries in islice(empty.items(), TOLD)
    ]
    if (left := len(empty) - TOLD) > 0:
        outcomes.append(Outcome("", "", True, verb, f"{left:,} more of which there was but a line"))
    return set(empty), outcomes


def _has_traces(settings: Settings, tunnel_hash: str) -> bool:
    if os.path.lexists(settings.run_record(tunnel_hash)):
        return True
    try:
        return os.lstat(log_path(settings, tunnel_hash)).st_uid in trusted_users()
    except OSError:
        return False
