"""What the app needs of the engine; `LiveEngine` is the real one, tests bring their own."""

from collections.abc import Callable, Sequence
from typing import Protocol

from tunnel_tui.logs.follow import LogUpdate
from tunnel_tui.model import Layer, Outcome, Reason, TunnelSpec, TunnelStatus
from tunnel_tui.settings import Settings
from tunnel_tui.ssh.command import Command
from tunnel_tui.ssh.host_keys import ChangedKey
from tunnel_tui.supervise.info.tunnel_details import TunnelDetails
from tunnel_tui.supervise.monitor.monitor import Snapshot

Progress = Callable[[int, int, Outcome], None]
"""done, total, the last outcome."""


class Follower(Protocol):
    """Follows one log."""

    def open(self, lines: int) -> list[str]:
        """Go to the end and return the last `lines` lines."""
        ...

    def poll(self) -> LogUpdate:
        """Return what came since."""
        ...

    def close(self) -> None:
        """Let go of the file."""
        ...


class Login(Protocol):
    """A login that was begun: it keeps others out until it is closed."""

    command: Command

    def finish(self) -> Outcome:
        """After exit status 0: prove that the login stands, and attach its tunnel."""
        ...

    def reason(self, lines: Sequence[str]) -> Reason | None:
        """Say why it failed, from what ssh left on the terminal."""
        ...

    def close(self) -> None:
        """Let others log in."""
        ...


class Engine(Protocol):
    """The engine as the app sees it. All but `settings` may block: call it in workers."""

    settings: Settings

    def watch(self, on_snapshot: Callable[[Snapshot], None]) -> None:
        """Begin to hand out snapshots, from a thread of the engine's own."""
        ...

    def close(self) -> None:
        """Stop watching. Touches no tunnel."""
        ...

    def poke(self) -> None:
        """Look again now."""
        ...

    def start(self, spec: TunnelSpec) -> Outcome:
        """Start one tunnel. Raises TunnelTuiError."""
        ...

    def stop(self, spec: TunnelSpec) -> Outcome:
        """Stop one tunnel. Raises TunnelTuiError."""
        ...

    def restart(self, spec: TunnelSpec) -> Outcome:
        """Stop and start one tunnel. Raises TunnelTuiError."""
        ...

    def start_all(self, specs: Sequence[TunnelSpec], progress: Progress) -> list[Outcome]:
        """Start every tunnel given; one that fails does not keep the others."""
        ...

    def stop_all(self, hashes: Sequence[str] | None, progress: Progress) -> list[Outcome]:
        """Stop the tunnels given, or all and every orphan."""
        ...

    def restart_all(
        self, running: Sequence[str], specs: Sequence[TunnelSpec], progress: Progress
    ) -> list[Outcome]:
        """Stop those of the hashes `running`, then start all of `specs`."""
        ...

    def clean_up(self, specs: Sequence[TunnelSpec]) -> list[Outcome]:
        """Repair what is left over; each action is one outcome."""
        ...

    def apply(self, specs: Sequence[TunnelSpec], progress: Progress) -> list[Outcome]:
        """Make what runs agree with `specs`."""
        ...

    def follow(self, tunnel_hash: str) -> Follower:
        """Open a follower on one tunnel's log."""
        ...

    def layers(self, status: TunnelStatus) -> list[Layer]:
        """Climb the ladder from process to round trip time."""
        ...

    def particulars(self, status: TunnelStatus) -> TunnelDetails:
        """Look up its lines of the configuration, its past, and what stands in its way."""
        ...

    def forget_key(self, key: ChangedKey) -> Outcome:
        """Forget a host key of our own file. Raises TunnelTuiError."""
        ...

    def shell_line(self, spec: TunnelSpec) -> str:
        """Write the ssh command for a person to copy."""
        ...

    def missing_programs(self) -> frozenset[str]:
        """Name which of ssh and autossh are not installed."""
        ...

    def begin_login(self, spec: TunnelSpec) -> Login:
        """Make ready for a login to the tunnel's host. Raises TunnelTuiError."""
        ...

    def needs_login(self, spec: TunnelSpec) -> bool:
        """Say whether a person must log in before this tunnel can run."""
        ...

    def attach(self, spec: TunnelSpec) -> Outcome:
        """Bring a tunnel up on the login that its host has. Raises TunnelTuiError."""
        ...

    def siblings(self, spec: TunnelSpec, specs: Sequence[TunnelSpec]) -> list[TunnelSpec]:
        """List those of `specs` that could ride on the same login and are not up."""
        ...
