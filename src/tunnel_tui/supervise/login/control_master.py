"""Tunnels that ride on one login: attached to its master, taken off again, found again.

A login is an authenticated ssh master without a forward of its own. `ssh -O forward` attaches a
tunnel, `ssh -O cancel` takes it off; the entry of a tunnel that rides holds the master's pid.
"""

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager

from tunnel_tui.errors import InteractiveTunnelError, SpawnError
from tunnel_tui.model import Outcome, TunnelEntry, TunnelSpec, login_id
from tunnel_tui.observe import identity
from tunnel_tui.settings import Settings
from tunnel_tui.ssh import control_socket
from tunnel_tui.ssh.command import forward_of
from tunnel_tui.ssh.log.reasons import find_reason
from tunnel_tui.ssh.login_command import build_request
from tunnel_tui.state.run_record import read_record, write_record
from tunnel_tui.state.state_file import StateFile
from tunnel_tui.supervise.process import stop_requests
from tunnel_tui.supervise.process.local_port import check_listener
from tunnel_tui.supervise.process.outcomes import LOCK_TIMEOUT, overtaken
from tunnel_tui.supervise.process.process_tree import registered
from tunnel_tui.supervise.process.tunnel_log import make_log_directory, open_log, write_line
from tunnel_tui.system import proc, sockets
from tunnel_tui.system.proc import ProcessStat

_REQUEST_TIMEOUT = 15.0
"""Seconds for a remote forward to be confirmed by a slow server."""


def find_master(settings: Settings, remote_host: str) -> ProcessStat | None:
    """Return the login of a remote host if it answers and is proven to be ours."""
    path = settings.login_socket(remote_host)
    if not os.path.exists(path):
        return None
    pid = control_socket.master_pid(path)
    if pid is None or identity.control_socket_of(proc.command_line(pid)) != path:
        return None
    return proc.read_stat(pid)


def rides(entry: TunnelEntry) -> bool:
    """Say whether an entry's process is a login that other tunnels may ride on too."""
    return identity.is_login(entry.remote_host, proc.command_line(entry.pid))


def attach(settings: Settings, spec: TunnelSpec, asked: float | None = None) -> Outcome:
    """Bring an interactive tunnel up on the login of its remote host, without a new login.

    Not if it was stopped since it was `asked` for (`stop_requests.now`; None: now).

    Raises:
        InteractiveTunnelError: nobody is logged in there; a person must.
        PortBusyError: somebody holds the listener; the detail says who.
        SpawnError: the master refused; the detail is what ssh said.
        FileRefusedError, StateFileError, LockHeldError, ConfigError: as they say.
    """
    state = StateFile.of(settings)
    asked = stop_requests.now() if asked is None else asked
    with state.lock_tunnel(spec.hash, LOCK_TIMEOUT), lock_logins(state, [spec.remote_host]):
        if stop_requests.is_outdated(spec.hash, asked):
            return overtaken(spec)
        running = _running(settings, state, spec)
        if running is not None:
            return running
        master = find_master(settings, spec.remote_host)
        if master is None:
            raise InteractiveTunnelError(
                f"{spec.name} needs a login",
                f"nobody is logged in to {spec.remote_host}",
                f"log in with: tunnel-tui auth {spec.hash[:8]}",
            )
        adopted = _holds_already(settings, spec, master, state.read().entries)
        if not adopted:
            request(settings, spec, settings.login_socket(spec.remote_host), "forward")
        _register(settings, state, spec, master)
    verb = "re-adopted" if adopted else "started"
    return Outcome(spec.hash, spec.name, True, verb, "", "", master.pid)


def request(settings: Settings, spec: TunnelSpec, socket: str, what: str) -> None:
    """Ask a master for "forward", "cancel" or "exit" and wait for its answer.

    Raises:
        SpawnError: it refused or did not answer; the detail is what ssh said.
    """
    import subprocess

    argv = build_request(settings, spec, socket, what, os.environ)
    try:
        answer = subprocess.run(
            argv,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_REQUEST_TIMEOUT,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise SpawnError(
            f"{spec.name}: the login of {spec.remote_host} does not answer",
            f"asked it to {what} {_REQUEST_TIMEOUT:g} s ago",
            "stop its tunnels and log in again",
        ) from None
    if answer.returncode == 0:
        return
    lines = answer.stderr.decode("utf-8", "replace").splitlines()
    reason = find_reason(lines, spec)
    if reason is not None:
        raise SpawnError(f"{spec.name}: {reason.text}", reason.evidence, reason.advice)
    said = " ".join(line.strip() for line in lines if line.strip()) or "it gave no reason"
    raise SpawnError(f"{spec.name}: the login refused to {what} the tunnel", said[:300])


def siblings(settings: Settings, spec: TunnelSpec, specs: Iterable[TunnelSpec]) -> list[TunnelSpec]:
    """List the other interactive tunnels of the same remote host that do not run."""
    running = {
        entry.hash
        for entry in StateFile.of(settings).read().entries
        if registered(entry, settings.state_file) is not None
    }
    return [
        other
        for other in specs
        if other.interactive
        and other.remote_host == spec.remote_host
        and other.hash != spec.hash
        and other.hash not in running
    ]


@contextmanager
def lock_logins(state: StateFile, remote_hosts: Iterable[str]) -> Iterator[None]:
    """Keep others from attaching to, or ending, the logins of these hosts meanwhile."""
    with ExitStack() as locks:
        for name in sorted({login_id(host) for host in remote_hosts}):
            locks.enter_context(state.lock_tunnel(name, LOCK_TIMEOUT))
        yield


def is_attached(settings: Settings, entry: TunnelEntry) -> bool:
    """Say whether it was we who attached a tunnel to a login: a line may be anybody's."""
    record = read_record(settings, entry.hash)
    return record is not None and record.pid == entry.pid


def riders(settings: Settings, entries: Iterable[TunnelEntry], pid: int) -> set[str]:
    """Name (by hash) the tunnels that were attached to a master and not taken off."""
    return {entry.hash for entry in entries if entry.pid == pid and is_attached(settings, entry)}


def _running(settings: Settings, state: StateFile, spec: TunnelSpec) -> Outcome | None:
    for entry in state.entries_of(spec.hash):
        if is_attached(settings, entry) and registered(entry, state.path):
            return Outcome(spec.hash, spec.name, True, "already running", "", "", entry.pid)
    return None


def _holds_already(
    settings: Settings, spec: TunnelSpec, master: ProcessStat, entries: Sequence[TunnelEntry]
) -> bool:
    """Find a forward that stands although its entry was lost; see that others' ports are free."""
    forward = forward_of(settings, spec)
    if not forward.listens_here:
        return False
    listener = forward.listener
    if not listener.path:
        holder = sockets.port_holder(listener.bind_host, listener.port)
        if holder is not None and holder.pid == master.pid:
            return True
    check_listener(spec, forward, lambda: entries)
    return False


def _register(settings: Settings, state: StateFile, spec: TunnelSpec, master: ProcessStat) -> None:
    make_log_directory(settings)
    _, log = open_log(settings, spec.hash)
    try:
        write_line(log, f"starting {spec.name}")
        who = f"attached to the login of {spec.remote_host} (master={master.pid})"
        write_line(log, who)
        write_record(settings, spec.hash, master.pid, log)
    finally:
        os.close(log)
    state.put(TunnelEntry.of(spec, master.pid))
