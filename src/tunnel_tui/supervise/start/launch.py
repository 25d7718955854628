"""One start, up to the moment when the process runs and is registered."""

import os
import time
from contextlib import ExitStack
from functools import lru_cache
from typing import NamedTuple

from tunnel_tui.errors import (
    ConfigError,
    InteractiveTunnelError,
    PortBusyError,
    TunnelTuiError,
)
from tunnel_tui.model import Forward, Outcome, TunnelEntry, TunnelSpec
from tunnel_tui.settings import Settings
from tunnel_tui.ssh.command import Command, build_command, forward_of
from tunnel_tui.ssh.log.line_class import tail_lines
from tunnel_tui.ssh.log.tunnel_log import log_path
from tunnel_tui.state.run_record import read_record, remove_record, write_record
from tunnel_tui.state.state_file import StateFile
from tunnel_tui.supervise.process import stop_requests
from tunnel_tui.supervise.process.local_port import check_listener
from tunnel_tui.supervise.process.outcomes import LOCK_TIMEOUT, is_running, overtaken
from tunnel_tui.supervise.process.process_tree import ProcessTable, leaders
from tunnel_tui.supervise.process.terminate import end_processes
from tunnel_tui.supervise.process.traces import delete_traces
from tunnel_tui.supervise.process.tunnel_log import (
    NOT_STARTED,
    make_log_directory,
    note,
    open_log,
    open_stderr,
    unwritable,
    write_line,
)
from tunnel_tui.system import files, proc, signals, spawn


class Launch(NamedTuple):
    """A process that was just started.

    Attributes:
        forward: what ssh was told to carry.
        offset: where in the log its output begins.
        reconnects: False for plain ssh.
    """

    settings: Settings
    spec: TunnelSpec
    pid: int
    forward: Forward
    offset: int
    reconnects: bool


def launch(
    settings: Settings,
    spec: TunnelSpec,
    census: ProcessTable | None = None,
    *,
    asked: float,
    again: bool = False,
    command: Command | None = None,
    state: StateFile | None = None,
) -> tuple[Outcome, Launch | None]:
    """Start the tunnel's process and register it, unless it runs already.

    Args:
        settings: where things are.
        spec: the tunnel.
        census: a recent look at the processes; None: look now.
        asked: when the start was asked for (`stop_requests.now`); not if it was stopped since.
        again: only if it is still registered: somebody may have stopped it meanwhile.
        command: what `build_command` made of it a moment ago; None: make it now.
        state: the state file, where it is open already.

    Raises:
        InteractiveTunnelError: the tunnel needs a person at a prompt.
        PortBusyError: somebody holds the listener; the detail says who.
        FileRefusedError: the log or the state file is not one that we may write.
        ConfigError, SpawnError, StateFileError, LockHeldError: as they say.
    """
    if spec.interactive:
        raise InteractiveTunnelError(
            f"{spec.name} needs a person",
            "it is interactive: a password or a code will be asked",
            f"log in with: tunnel-tui auth {spec.hash[:8]}",
        )
    state = state or StateFile.of(settings)
    with state.lock_tunnel(spec.hash, LOCK_TIMEOUT) as state:
        gone = again and not _is_wanted(settings, state, spec.hash)
        if gone or stop_requests.is_outdated(spec.hash, asked):
            return overtaken(spec), None
        if census is None or os.path.lexists(log_path(settings, spec.hash)):
            # A log without a live entry: a start may have been killed a moment ago, and what it
            # has spawned be on its way. Only a look from under the lock is sure to see that.
            census = ProcessTable(settings, {spec.hash})
        running = _running(state, spec, census)
        if running is not None:
            return running, None
        command = command or build_command(settings, spec, os.environ)
        started = _start(settings, state, spec, command)
        if stop_requests.is_outdated(spec.hash, asked):
            # Who stops all takes no lock of ours, and has looked before there was anything.
            _call_off(settings, state, started)
            return overtaken(spec), None
    message = "" if started.reconnects else "autossh is not installed: it will not reconnect"
    advice = "" if started.reconnects else "install autossh"
    outcome = Outcome(spec.hash, spec.name, True, "started", message, advice, started.pid)
    return outcome, started


def _is_wanted(settings: Settings, state: StateFile, tunnel_hash: str) -> bool:
    """Say whether nobody has stopped a tunnel: a line of it may be missing, or anybody's."""
    if read_record(settings, tunnel_hash) is not None:
        return True
    return bool(state.entries_of(tunnel_hash))


def _running(state: StateFile, spec: TunnelSpec, census: ProcessTable) -> Outcome | None:
    """Find the tunnel running already, registered or not; end what is left of a dead one."""
    entries = state.entries_of(spec.hash)
    running = is_running(spec, entries, state)
    if running is not None:
        return running
    tagged = census.tagged.get(spec.hash, [])
    for process in leaders(tagged):
        if not proc.is_alive(process.stat.pid):
            continue
        state.put(TunnelEntry.of(spec, process.stat.pid))
        message = "it ran without an entry in the state file"
        return Outcome(spec.hash, spec.name, True, "re-adopted", message, "", process.stat.pid)
    if tagged or entries:
        # What a killed autossh left behind may hold the port.
        family = census.family(spec.hash, entries)
        if family:
            end_processes(family, grace=1.0)
    return None


def _start(settings: Settings, state: StateFile, spec: TunnelSpec, command: Command) -> Launch:
    forward = forward_of(settings, spec)
    make_log_directory(settings)
    _make_data_directory(settings.data_dir, int(time.monotonic()))
    try:
        _check_ssh_configuration(settings.ssh_config_file, int(time.monotonic()))
        if forward.listens_here:
            check_listener(spec, forward, lambda: state.read().entries)
    except (ConfigError, PortBusyError) as error:
        _note_refusal(settings, spec, error)
        raise
    with ExitStack() as files_open:
        path, log = open_log(settings, spec.hash)
        files_open.callback(os.close, log)
        said = open_stderr(settings, spec.hash)
        files_open.callback(os.close, said)
        try:
            write_line(log, f"starting {spec.name}")
        except OSError as error:  # the disk is full
            raise unwritable(path, error) from error
        offset = os.lseek(log, 0, os.SEEK_CUR)
        pid = spawn.spawn(command.argv, command.environment, log, said)
        write_record(settings, spec.hash, pid, log)
    try:
        state.put(TunnelEntry.of(spec, pid))
    except BaseException:
        # Unregistered it would run on with nobody knowing.
        _undo(pid)
        remove_record(settings, spec.hash)
        raise
    return Launch(settings, spec, pid, forward, offset, command.reconnects)


@lru_cache(maxsize=2)
def _make_data_directory(path: str, _second: int) -> None:
    """Make the directory into which ssh writes new host keys; looked for once a second."""
    if not os.path.isdir(path):
        files.make_directory(path, 0o700)


@lru_cache(maxsize=2)
def _check_ssh_configuration(path: str, _second: int) -> None:
    """See that ssh may read its configuration; looked for once a second, while it may."""
    from tunnel_tui.ssh.config_access import check_access

    check_access(path)


def _note_refusal(settings: Settings, spec: TunnelSpec, error: TunnelTuiError) -> None:
    """Write into the log, once, why there is no process: nobody else would say it on a screen."""
    text = f"{NOT_STARTED}{error.title.removeprefix(f'{spec.name}: ')}: {error.detail}"
    if any(line.endswith(text) for line in tail_lines(log_path(settings, spec.hash), 1)):
        return
    note(settings, spec.hash, text)


def _call_off(settings: Settings, state: StateFile, started: Launch) -> None:
    _undo(started.pid)
    delete_traces(settings, started.spec.hash)
    state.remove(started.spec.hash, started.pid)


def _undo(pid: int) -> None:
    pids = (pid, *proc.descendants(pid))
    stats = [stat for member in pids if (stat := proc.read_stat(member))]
    end_processes(stats, grace=1.0)
    spawn.reap()
    signals.wait_gone([pid], 1.0)
