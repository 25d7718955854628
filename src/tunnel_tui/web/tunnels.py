"""What the JSON calls do, without HTTP: blocking, for threads, in the fields scripts know."""

import os
import threading
import time
from collections.abc import Sequence

from tunnel_tui.config.config import Config
from tunnel_tui.config.load import load_config
from tunnel_tui.errors import ConfigError, UnknownTunnelError
from tunnel_tui.model import Outcome, State, TunnelEntry, TunnelSpec, TunnelStatus
from tunnel_tui.observe.identity import find_tagged
from tunnel_tui.observe.observer import Observer
from tunnel_tui.settings import Settings, hash_of_log
from tunnel_tui.ssh.log.line_class import tail_lines
from tunnel_tui.ssh.log.tunnel_log import log_path
from tunnel_tui.state.state_file import StateFile
from tunnel_tui.supervise.actions import lifecycle
from tunnel_tui.supervise.actions.apply import apply_plan, plan_changes
from tunnel_tui.supervise.info.find_tunnel import find_tunnel
from tunnel_tui.system import spawn

PATIENCE = 12.0
"""Seconds to wait for a tunnel to carry traffic: ssh's ConnectTimeout of 10, and a little."""

Record = dict[str, object]


class Tunnels:
    """The tunnels of this machine, for any number of threads."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._observer = Observer(settings)
        self._lock = threading.Lock()

    def config(self) -> Config:
        """Read the configuration, mistakes included."""
        return load_config(self.settings.config_file, self.settings.direction_mode)

    def observe(self, *, traffic: bool = False) -> tuple[Config, list[TunnelStatus]]:
        """Look at every tunnel."""
        config = self.config()
        with self._lock:
            spawn.reap()  # a tunnel that we started and that has ended is not to linger
            return config, self._observer.observe(config.tunnels, traffic=traffic)

    def configured(self) -> list[Record]:
        """List the configured tunnels."""
        return [
            _record(spec, "INTERACTIVE" if spec.interactive else "NORMAL")
            for spec in self.config().tunnels
        ]

    def status(self) -> list[Record]:
        """List what is true of every tunnel now."""
        return [_status_record(status) for status in self.observe(traffic=True)[1]]

    def show_config(self) -> Record:
        """List what is configured, and every mistake."""
        config = self.config()
        return {
            "tunnels": [_config_record(spec) for spec in config.tunnels],
            "valid": config.valid,
            "problems": [str(problem) for problem in config.problems],
        }

    def health(self) -> Record:
        """Say whether every tunnel runs, except those that wait for a login."""
        config, statuses = self.observe()
        due = [status for status in statuses if status.state is not State.INTERACTIVE]
        bad = [status for status in due if status.state is not State.RUNNING]
        return {
            "status": "ok" if config.valid and not bad else "failing",
            "healthy": config.valid and not bad,
            "config_valid": config.valid,
            "running": len(due) - len(bad),
            "expected": len(due),
            "failing": [
                {"name": each.spec.name, "hash": each.spec.hash, "why": _why(each)} for each in bad
            ],
        }

    def logs(self) -> list[Record]:
        """List the log files."""
        names = {entry.hash: entry.name for entry in self._entries()}
        names.update((spec.hash, spec.name) for spec in self.config().tunnels)
        found = []
        try:
            files = sorted(os.scandir(self.settings.log_dir), key=lambda file: file.name)
        except FileNotFoundError:
            return []
        for file in files:
            digest = hash_of_log(file.name)
            if digest is None or not file.is_file(follow_symlinks=False):
                continue
            stat = file.stat(follow_symlinks=False)
            moment = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(stat.st_mtime))
            found.append(
                {
                    "hash": digest,
                    "filename": file.name,
                    "size": _size(stat.st_size),
                    "modified": moment,
                    "name": names.get(digest, ""),
                    "bytes": stat.st_size,
                }
            )
        return found

    def log(self, text: str, lines: int) -> Record:
        """Read the end of one tunnel's log.

        Raises:
            UnknownTunnelError, AmbiguousTunnelError: no tunnel, or several, go by `text`; or it
                has no log.
        """
        tunnel = self._find(text)
        path = log_path(self.settings, tunnel.hash)
        if not os.path.lexists(path):
            raise UnknownTunnelError(f"{tunnel.name} has no log", "", "it is made by a start")
        return {
            "status": "success",
            "tunnel_hash": tunnel.hash,
            "name": tunnel.name,
            "log": "\n".join(tail_lines(path, lines)),
        }

    def start_all(self) -> list[Outcome]:
        """Make what runs be what the file says.

        Raises:
            ConfigError: the file has mistakes.
        """
        config = self.config()
        if not config.valid:
            first = next(problem for problem in config.problems if problem.fatal)
            raise ConfigError("the configuration has mistakes", str(first), "GET /config")
        return apply_plan(self.settings, plan_changes(self.settings, config.tunnels))

    def stop_all(self) -> list[Outcome]:
        """Stop every tunnel."""
        return lifecycle.stop_tunnels(self.settings, None)

    def start(self, text: str) -> Outcome:
        """Start one tunnel and wait until it carries traffic or has failed.

        Raises:
            TunnelTuiError: there is none, it needs a login, its port is busy.
        """
        spec = self._find(text)
        if isinstance(spec, TunnelEntry):
            raise UnknownTunnelError(
                f"{spec.name} is not in the configuration", "", "it can be stopped, not started"
            )
        return lifecycle.start_tunnel(self.settings, spec, wait=PATIENCE)

    def stop(self, text: str) -> Outcome:
        """Stop one tunnel, whether or not the file still has it.

        Raises:
            UnknownTunnelError, AmbiguousTunnelError: no tunnel, or several, go by `text`.
        """
        try:
            tunnel = self._find(text)
        except UnknownTunnelError:
            if any(process.hash == text for process in find_tagged(self.settings.state_file)):
                return lifecycle.stop_tunnel(self.settings, text)
            raise
        return lifecycle.stop_tunnel(self.settings, tunnel.hash, name=tunnel.name)

    def _find(self, text: str) -> TunnelSpec | TunnelEntry:
        return find_tunnel(text, self.config().tunnels, self._entries())

    def _entries(self) -> Sequence[TunnelEntry]:
        return StateFile.of(self.settings).read().entries


def _record(spec: TunnelSpec, status: str) -> Record:
    return {
        "name": spec.name,
        "status": status,
        "local_port": spec.local_port,
        "remote_host": spec.remote_host,
        "remote_port": spec.remote_port,
        "hash": spec.hash,
    }


def _config_record(spec: TunnelSpec) -> Record:
    return {
        "name": spec.name,
        "remote_host": spec.remote_host,
        "remote_port": spec.remote_port,
        "local_port": spec.local_port,
        "direction": spec.direction.value,
        "interactive": spec.interactive,
        "hash": spec.hash,
        "group": spec.group,
        "description": spec.description,
    }


def _status_record(status: TunnelStatus) -> Record:
    reason = status.reason
    return _record(status.spec, status.state.value) | {
        "direction": status.spec.direction.value,
        "interactive": status.spec.interactive,
        "configured": status.configured,
        "detail": status.detail,
        "reason": reason
        and {"code": reason.code.value, "text": reason.text, "advice": reason.advice},
        "pid": status.pid,
        "since": status.since,
        "reconnects": status.reconnects,
        "confirmed": status.confirmed if status.state is State.RUNNING else None,
        "traffic": status.traffic and status.traffic._asdict(),
    }


def _why(status: TunnelStatus) -> str:
    return status.reason.text if status.reason else status.detail or status.state.value.lower()


def _size(count: int) -> str:
    for unit, size in (("M", 1024 * 1024), ("K", 1024)):
        if count >= size:
            return f"{count / size:.1f}{unit}"
    return f"{count}B"
