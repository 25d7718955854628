"""One start, up to the moment when the process runs and is registered."""

import errno
import os
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack, suppress
from functools import lru_cache
from typing import NamedTuple

from tunnel_tui.errors import (
    ConfigError,
    FileRefusedError,
    InteractiveTunnelError,
    PortBusyError,
    SpawnError,
    TunnelTuiError,
)
from tunnel_tui.model import Forward, Outcome, TunnelEntry, TunnelSpec
from tunnel_tui.observe import identity
from tunnel_tui.settings import Settings
from tunnel_tui.ssh.command import Command, build_command, forward_of
from tunnel_tui.ssh.log.line_class import tail_lines
from tunnel_tui.ssh.log.tunnel_log import is_strangers, log_path
from tunnel_tui.state.run_record import read_record, remove_record, write_record
from tunnel_tui.state.state_file import StateFile
from tunnel_tui.supervise.process import stop_requests
from tunnel_tui.supervise.process.local_port import can_bind, check_socket
from tunnel_tui.supervise.process.process_tree import ProcessTable, leaders, registered
from tunnel_tui.supervise.process.terminate import end_processes
from tunnel_tui.system import files, proc, signals, sockets, spawn

LOCK_TIMEOUT = 30.0
"""Seconds to wait for another start or stop of the same tunnel."""
LOG_DIRECTORY_MODE = 0o1777
"""Sticky: everybody may write there, and nobody removes what is another's."""
NOT_STARTED = "not started: "
"""What a line of ours says before the reason (ssh/log/failures.py reads it)."""


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
    log_file: str
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
        asked: when the start was asked for (`wishes.now`); not if it was stopped since.
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
        if census is None or os.path.lexists(settings.log_file(spec.hash)):
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


def overtaken(spec: TunnelSpec) -> Outcome:
    """Say that a start came to nothing because of a later stop."""
    return Outcome(spec.hash, spec.name, True, "skipped", "it was stopped meanwhile")


def is_running(
    spec: TunnelSpec, entries: Iterable[TunnelEntry], state: StateFile
) -> Outcome | None:
    """Say at once, without any lock, that the tunnel runs already; None: it does not."""
    for entry in entries:
        if entry.hash == spec.hash and registered(entry, state.path):
            return Outcome(spec.hash, spec.name, True, "already running", "", "", entry.pid)
    return None


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
            raise _unwritable(path, error) from error
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
    return Launch(settings, spec, pid, forward, path, offset, command.reconnects)


@lru_cache(maxsize=2)
def _make_data_directory(path: str, _second: int) -> None:
    """Make the directory into which ssh writes new host keys; looked for once a second."""
    if not os.path.isdir(path):
        files.make_directory(path, 0o700)


def make_log_directory(settings: Settings) -> None:
    """Make the directory of the logs.

    Raises:
        FileRefusedError: it is a symlink, or something else that is no directory.
        OSError: it cannot be made.
    """
    try:
        files.make_directory(settings.log_dir, LOG_DIRECTORY_MODE)
    except FileRefusedError as error:
        advice = "remove it, or set AUTOSSH_LOG_DIR to another directory"
        raise FileRefusedError("log directory refused", error.detail, advice) from error


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


def note(settings: Settings, tunnel_hash: str, text: str) -> None:
    """Write a line of ours into a log, if that can be: what it is about matters more."""
    try:
        _, log = open_log(settings, tunnel_hash)
    except TunnelTuiError:
        return
    try:
        write_line(log, text)
    except OSError:
        pass  # the disk is full
    finally:
        os.close(log)


def open_log(settings: Settings, tunnel_hash: str) -> tuple[str, int]:
    """Open a tunnel's log for appending, creating it; return its path and a descriptor.

    It is in our own directory where the shared one, or what stands there under its name, is
    another user's.

    Raises:
        FileRefusedError: it is a symlink, no regular file, or root's.
        SpawnError: it cannot be written.
    """
    path = settings.log_file(tunnel_hash)
    try:
        try:
            if not is_strangers(settings.log_dir):
                return path, files.open_log(path)
        except FileRefusedError:
            if not is_strangers(path):
                raise
        path = settings.private_log_file(tunnel_hash)
        files.make_directory(os.path.dirname(path), 0o700)
        return path, files.open_log(path)
    except FileRefusedError as error:
        # Mostly what an earlier run left there, of another user: a stop of theirs removes it.
        advice = f"its owner or root removes it with: tunnel-tui stop-tunnel {tunnel_hash[:8]}"
        raise FileRefusedError(error.title, error.detail, advice) from error
    except OSError as error:
        raise _unwritable(path, error) from error


def open_stderr(settings: Settings, tunnel_hash: str) -> int:
    """Open the private file for what others say on ssh's standard error, empty.

    Raises:
        SpawnError: it cannot be written.
    """
    path = settings.stderr_file(tunnel_hash)
    try:
        files.make_directory(os.path.dirname(path), 0o700)
        return files.open_log(path, append=False)
    except OSError as error:
        raise _unwritable(path, error) from error


def _unwritable(path: str, error: OSError) -> SpawnError:
    full = error.errno in (errno.ENOSPC, errno.EDQUOT)
    advice = "make room on the disk" if full else "check the directory"
    return SpawnError("the log cannot be written", f"{path}: {error.strerror or error}", advice)


def _call_off(settings: Settings, state: StateFile, started: Launch) -> None:
    _undo(started.pid)
    remove_record(settings, started.spec.hash)
    state.remove(started.spec.hash, started.pid)
    with suppress(OSError):
        os.unlink(started.log_file)


def _undo(pid: int) -> None:
    pids = (pid, *proc.descendants(pid))
    stats = [stat for member in pids if (stat := proc.read_stat(member))]
    end_processes(stats, grace=1.0)
    spawn.reap()
    signals.wait_gone([pid], 1.0)


def write_line(log: int, text: str) -> None:
    """Append a line of our own to a tunnel's log, dated the way autossh(1) does."""
    stamp = time.strftime("%Y/%m/%d %H:%M:%S")
    shown = text
    if not text.isprintable():
        shown = "".join(character if character.isprintable() else "?" for character in text)
    line = f"{stamp} tunnel-tui[{os.getpid()}]: {shown}\n"
    os.write(log, line.encode("utf-8", "replace"))


def check_listener(
    spec: TunnelSpec, forward: Forward, entries: Callable[[], Sequence[TunnelEntry]]
) -> None:
    """See that ssh can listen where the tunnel wants to; `entries` tell which tunnel is there.

    Raises:
        PortBusyError: another process listens there; the detail names it.
        FileRefusedError: the socket path is taken by something that is not a socket.
    """
    if forward.listener.path:
        check_socket(spec, forward.listener)
        return
    host, port = forward.listener.bind_host, forward.listener.port
    if can_bind(host, port):
        return
    holder = sockets.port_holder(host, port)
    if holder is None:  # gone this moment, or it does not listen yet: ssh will say
        return
    ours = _tunnel_of(holder.pid, port, entries()) if holder.pid else None
    if ours is not None:
        raise PortBusyError(
            f"{spec.name}: local port {port} is in use",
            f"{holder.address} is held by your tunnel {ours.name} (pid {holder.pid})",
            "change local_port of one of them",
        )
    who = (
        f"pid {holder.pid} ({holder.command})" if holder.pid else "a process not visible from here"
    )
    raise PortBusyError(
        f"{spec.name}: local port {port} is in use",
        f"{holder.address} is held by {who} of user {holder.user}",
        "stop that process, or change local_port",
    )


def _tunnel_of(pid: int, port: int, entries: Sequence[TunnelEntry]) -> TunnelEntry | None:
    """Find the tunnel whose ssh (or login) is process `pid`."""
    if not proc.runs_for(pid, proc.trusted_users()):
        return None
    tag = identity.tag_of(proc.command_line(pid))
    found = [entry for entry in entries if entry.hash == tag or entry.pid == pid]
    # Several tunnels may ride on one login: the port tells which.
    exact = (e for e in found if str(port) in (_port(e.local_port), _port(e.remote_port)))
    return next(exact, found[0] if found else None)


def _port(endpoint: str) -> str:
    return endpoint.rpartition(":")[2]
