"""The real engine behind the app: each method is one call of `supervise` or `observe`."""

import os
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

from tunnel_tui.errors import TunnelTuiError
from tunnel_tui.model import Layer, Outcome, TunnelSpec, TunnelStatus
from tunnel_tui.observe.observer import Observer
from tunnel_tui.settings import Settings
from tunnel_tui.ssh.command import build_command, shell_line
from tunnel_tui.ssh.host_keys import ChangedKey, forget_key
from tunnel_tui.ssh.log.line_class import LogFollower
from tunnel_tui.ssh.log.tunnel_log import log_path
from tunnel_tui.supervise.actions.apply import apply_plan, plan_changes
from tunnel_tui.supervise.actions.cleanup import clean_up
from tunnel_tui.supervise.actions.lifecycle import (
    restart_tunnel,
    restart_tunnels,
    start_tunnel,
    start_tunnels,
    stop_tunnel,
    stop_tunnels,
)
from tunnel_tui.supervise.info.tunnel_details import TunnelDetails, gather
from tunnel_tui.supervise.login.control_master import attach, siblings
from tunnel_tui.supervise.login.login import begin_login, needs_login
from tunnel_tui.supervise.monitor.monitor import Monitor, Snapshot
from tunnel_tui.system.spawn import find_program
from tunnel_tui.tui.engine.background_watcher import OWN, BackgroundWatcher
from tunnel_tui.tui.engine.engine import Follower, Login, Progress


class LiveEngine:
    """The tunnels of this machine."""

    def __init__(self, settings: Settings, *, watching: bool = False) -> None:
        self.settings = settings
        self._monitor: Monitor | None = None
        self._passing = threading.Lock()
        self._duty = BackgroundWatcher(settings, self._tell_of_duty) if watching else None
        self._on_snapshot: Callable[[Snapshot], None] = lambda _: None

    def watch(self, on_snapshot: Callable[[Snapshot], None]) -> None:
        """Begin to hand out snapshots, from the monitor's own thread."""
        self._on_snapshot = on_snapshot
        self._monitor = Monitor(self.settings, self._see)
        self._monitor.start()
        if self._duty is not None:
            self._duty.start()

    def _see(self, snapshot: Snapshot) -> None:
        if self._duty is not None:
            self._duty.feed(snapshot)
        with self._passing:
            self._pass_on(snapshot)

    def _pass_on(self, snapshot: Snapshot) -> None:
        duty = self._duty
        if duty is not None and duty.on:
            snapshot = snapshot._replace(watcher=OWN)
        elif duty is not None and duty.trouble and not snapshot.trouble:
            snapshot = snapshot._replace(trouble=f"this app cannot watch: {duty.trouble}")
        self._on_snapshot(snapshot)

    def _tell_of_duty(self) -> None:
        monitor = self._monitor
        # The monitor's thread may be about to pass a newer one on: never this one after it.
        with self._passing:
            if monitor is not None and monitor.snapshot is not None:
                self._pass_on(monitor.snapshot._replace(changes=()))

    def close(self) -> None:
        """Stop watching. Touches no tunnel."""
        if self._duty is not None:
            self._duty.stop()
        if self._monitor is not None:
            self._monitor.stop()

    def poke(self) -> None:
        """Look again now."""
        if self._monitor is not None:
            self._monitor.poke()

    def start(self, spec: TunnelSpec) -> Outcome:
        """Start one tunnel."""
        return start_tunnel(self.settings, spec)

    def stop(self, spec: TunnelSpec) -> Outcome:
        """Stop one tunnel."""
        return stop_tunnel(self.settings, spec.hash, name=spec.name)

    def restart(self, spec: TunnelSpec) -> Outcome:
        """Stop and start one tunnel."""
        return restart_tunnel(self.settings, spec)

    def start_all(self, specs: Sequence[TunnelSpec], progress: Progress) -> list[Outcome]:
        """Start every tunnel given, a few at a time."""
        return start_tunnels(self.settings, specs, progress)

    def stop_all(self, hashes: Sequence[str] | None, progress: Progress) -> list[Outcome]:
        """Stop the tunnels given, or all and every orphan."""
        return stop_tunnels(self.settings, hashes, progress)

    def restart_all(
        self, running: Sequence[str], specs: Sequence[TunnelSpec], progress: Progress
    ) -> list[Outcome]:
        """Stop those that run, then start all of `specs`."""
        return restart_tunnels(self.settings, running, specs, progress)

    def clean_up(self, specs: Sequence[TunnelSpec]) -> list[Outcome]:
        """Repair what is left over."""
        return clean_up(self.settings, specs)

    def apply(self, specs: Sequence[TunnelSpec], progress: Progress) -> list[Outcome]:
        """Make what runs agree with `specs`, planned afresh at this moment."""
        return apply_plan(self.settings, plan_changes(self.settings, specs), progress)

    def follow(self, tunnel_hash: str) -> Follower:
        """Open a follower on one tunnel's log."""
        return LogFollower(log_path(self.settings, tunnel_hash))

    def layers(self, status: TunnelStatus) -> list[Layer]:
        """Climb the ladder from process to round trip time."""
        return Observer(self.settings).layers(status)

    def particulars(self, status: TunnelStatus) -> TunnelDetails:
        """Look up its lines of the configuration, its past, and what stands in its way."""
        return gather(self.settings, status, time.time())

    def forget_key(self, key: ChangedKey) -> Outcome:
        """Forget a host key of our own file."""
        return forget_key(self.settings, key)

    def shell_line(self, spec: TunnelSpec) -> str:
        """Write the ssh command for a person to copy."""
        return shell_line(build_command(self.settings, spec, os.environ))

    def missing_programs(self) -> frozenset[str]:
        """Name which of ssh and autossh are not installed."""
        programs = ("ssh", "autossh")
        return frozenset(name for name in programs if find_program(name, os.environ) is None)

    def begin_login(self, spec: TunnelSpec) -> Login:
        """Make ready for a login to the tunnel's host."""
        return begin_login(self.settings, spec, os.environ)

    def needs_login(self, spec: TunnelSpec) -> bool:
        """Say whether a person must log in before this tunnel can run."""
        return needs_login(self.settings, spec)

    def attach(self, spec: TunnelSpec) -> Outcome:
        """Bring a tunnel up on the login that its host has."""
        return attach(self.settings, spec)

    def siblings(self, spec: TunnelSpec, specs: Sequence[TunnelSpec]) -> list[TunnelSpec]:
        """List those of `specs` that could ride on the same login and are not up."""
        return siblings(self.settings, spec, specs)


def _refuse(*_arguments: Any, **_named: Any) -> NoReturn:
    raise TunnelTuiError("this app only shows", "it was opened read-only")


class ReadOnlyEngine(LiveEngine):
    """The same tunnels, to look at: where a key that changes them were not off, this is."""

    start = stop = restart = attach = begin_login = forget_key = _refuse
    start_all = stop_all = restart_all = clean_up = apply = _refuse
