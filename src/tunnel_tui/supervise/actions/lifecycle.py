"""Start, stop and restart tunnels: what the commands and the app call."""

from collections.abc import Sequence

from tunnel_tui.model import Outcome, TunnelSpec
from tunnel_tui.settings import Settings
from tunnel_tui.supervise.login import control_master
from tunnel_tui.supervise.process import stop_requests
from tunnel_tui.supervise.process.outcomes import ProgressCallback
from tunnel_tui.supervise.start.limiter import CONFIRM_TIMEOUT
from tunnel_tui.supervise.start.start_many import start_tunnels
from tunnel_tui.supervise.start.start_one import start_tunnel
from tunnel_tui.supervise.stop.stop import stop_tunnel, stop_tunnels

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
    asked = stop_requests.now()
    if not (spec.interactive and control_master.find_master(settings, spec.remote_host) is None):
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
    asked = stop_requests.now()
    total = len(running) + len(specs)
    outcomes: list[Outcome] = []

    def count(_done: int, _total: int, outcome: Outcome) -> None:
        outcomes.append(outcome)
        if progress is not None:
            progress(len(outcomes), total, outcome)

    stop_tunnels(settings, running, count, asked=asked)
    start_tunnels(settings, specs, count, asked=asked)
    return outcomes
