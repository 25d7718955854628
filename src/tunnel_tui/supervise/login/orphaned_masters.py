"""Logins that crashes left behind: tunnels found again on them, and those that nobody needs."""

import os
from collections.abc import Iterator, Sequence

from tunnel_tui.errors import FileRefusedError, LockHeldError, TunnelTuiError
from tunnel_tui.model import Outcome, TunnelSpec, login_id
from tunnel_tui.observe import identity
from tunnel_tui.settings import LOGIN_PREFIX, Settings
from tunnel_tui.ssh import control_socket
from tunnel_tui.ssh.command import forward_of
from tunnel_tui.state.state_file import StateFile
from tunnel_tui.supervise.login import control_master
from tunnel_tui.supervise.process.terminate import end_processes
from tunnel_tui.system import proc, sockets
from tunnel_tui.system.files import open_directory
from tunnel_tui.system.locks import FileLock
from tunnel_tui.system.proc import ProcessStat

_GRACE = 2.0


def settle_logins(
    settings: Settings, state: StateFile, specs: Sequence[TunnelSpec]
) -> list[Outcome]:
    """Register tunnels again whose entries were lost, and end logins without a tunnel.

    A login that a person is just typing into is left alone.
    """
    outcomes = []
    for path, master in _masters(settings):
        login = FileLock(path + ".lock")
        try:
            login.try_lock()
        except LockHeldError:
            continue
        try:
            outcomes += _settle(settings, state, specs, os.path.basename(path), master)
        except (TunnelTuiError, OSError) as error:
            outcomes.append(Outcome("", os.path.basename(path), False, "failed", str(error)))
        finally:
            login.release()
    return outcomes


def unlink_stale_sockets(settings: Settings) -> list[Outcome]:
    """Delete control sockets that nobody answers any more."""
    outcomes = []
    for path in _socket_paths(settings):
        if control_socket.remove_stale(path):
            name = os.path.basename(path)
            outcomes.append(Outcome("", name, True, "removed", f"a stale control socket: {path}"))
    return outcomes


def _settle(
    settings: Settings,
    state: StateFile,
    specs: Sequence[TunnelSpec],
    name: str,
    master: ProcessStat,
) -> list[Outcome]:
    outcomes = []
    riders = control_master.riders(settings, state.read().entries, master.pid)
    for spec in specs:
        here = spec.interactive and name == LOGIN_PREFIX + login_id(spec.remote_host)
        if here and spec.hash not in riders and _holds(settings, spec, master):
            outcomes.append(control_master.attach(settings, spec))
            riders.add(spec.hash)
    if not riders:
        end_processes([master], _GRACE)
        message = f"ended a login without a tunnel (pid {master.pid})"
        outcomes.append(Outcome("", name, True, "removed", message, "", master.pid))
    return outcomes


def _holds(settings: Settings, spec: TunnelSpec, master: ProcessStat) -> bool:
    forward = forward_of(settings, spec)
    if not forward.listens_here or forward.listener.path:
        return False
    holder = sockets.port_holder(forward.listener.bind_host, forward.listener.port)
    return holder is not None and holder.pid == master.pid


def _masters(settings: Settings) -> Iterator[tuple[str, ProcessStat]]:
    for path in _socket_paths(settings):
        if not os.path.basename(path).startswith(LOGIN_PREFIX):
            continue
        pid = control_socket.master_pid(path)
        if pid is None or identity.control_socket_of(proc.command_line(pid)) != path:
            continue
        # Another state file's tunnels may ride on it: a demo, a second configuration.
        stat = proc.read_stat(pid)
        if stat is not None and identity.belongs_to(pid, settings.state_file):
            yield path, stat


def _socket_paths(settings: Settings) -> list[str]:
    try:
        with open_directory(settings.socket_dir) as directory:
            ours = os.fstat(directory).st_uid == os.geteuid()
            names = sorted(os.listdir(directory)) if ours else []
    except (FileRefusedError, OSError):
        return []
    paths = (os.path.join(settings.socket_dir, name) for name in names)
    return [path for path in paths if not path.endswith(".lock")]
