"""Start, stop and restart tunnels: what the commands and the app call."""

from collections.abc import Sequence

from tunnel_tui.model import Outcome, TunnelSpec
from tunnel_tui.settings import Settings
from tunnel_tui.supervise import riding, wishes
from tunnel_tui.supervise.batch import start_tunnels
from tunnel_tui.supervise.fate import ProgressCallback
from tunnel_tui.supervise.slots import CONFIRM_TIMEOUT
from tunnel_tui.supervise.starting import start_tunnel
from tunnel_tui.supervise.stopping import stop_tunnel, stop_tunnels

__all__ = [
    "CONFIRM_TIMEOUT",
    "ProgressCallback",
    "restart_tunnel",
    "restart_tunnels",
    "start_tunnel",
    "start_tunnels",
    "stop_tunnel",
    "stop_tunnels",
]


def restart_tunnel(settings: Settings, spec: TunnelSpec, *, wait: float = 0.0) -> Outcome:
    """Stop a tunnel if it runs and start it again.

    Raises:
        What `start_tunnel` and `stop_tunnel` raise; an interactive tunnel keeps its login, and
        without one it is not stopped.
    """
    asked = wishes.now()
    if not (spec.interactive and riding.find_master(settings, spec.remote_host) is None):
        stopped = stop_tunnel(
            settings,
            spec.hash,
            name=spec.name,
            keep_logins=[spec.remote_host],
            asked=asked,
        )
        if not stopped.ok:
            return stopped
    return start_tunnel(settings, spec, wait=wait, asked=asked)


def restart_tunnels(
    settings: Settings,
    running: Sequence[str],
    specs: Sequence[TunnelSpec],
    progress: ProgressCallback | None = None,
) -> list[Outcome]:
    """Stop those of the hashes `running`, then start all of `specs`.

    Who stops one of them meanwhile means it: that one is not started any more.
    """
    asked = wishes.now()
    total = len(running) + len(specs)
    outcomes: list[Outcome] = []

    def count(_done: int, _total: int, outcome: Outcome) -> None:
        outcomes.append(outcome)
        if progress is not None:
            progress(len(outcomes), total, outcome)

    stop_tunnels(settings, running, count, asked=asked)
    start_tunnels(settings, specs, count, asked=asked)
    return outcomes
