"""Look at some tunnels until they are where somebody wants them."""

import gc
import time
from collections.abc import Collection, Sequence

from tunnel_tui.cli.context import Context
from tunnel_tui.model import Outcome, State, TunnelSpec, TunnelStatus

_LONGEST_NAP = 0.5
"""Seconds between two looks where no event comes."""
_SHORTEST_NAP = 0.05
"""Seconds between two looks however many events come."""


def watch(
    context: Context,
    specs: Sequence[TunnelSpec],
    wanted: Collection[State],
    timeout: float,
    grace: float = 0.0,
) -> list[TunnelStatus]:
    """Look again whenever a log or a process changes, until all are in a wanted state.

    Args:
        context: of the command.
        specs: the tunnels.
        wanted: states.
        timeout: seconds for all of them together.
        grace: seconds that each has to connect, counted from its own start: one that somebody
            started a moment ago is waited for after `timeout` too.

    Returns:
        The last look, in the order of `specs`, also where the time did not suffice.
    """
    from tunnel_tui.observe.observer import Observer
    from tunnel_tui.system.events import Events

    deadline = time.monotonic() + timeout
    observer = Observer(context.settings)
    events: Events | None = None
    try:
        while True:
            statuses = observer.observe(specs)[: len(specs)]
            left = deadline - time.monotonic()
            if any(_connects(status, grace) for status in statuses):
                left += grace
            if left <= 0 or all(status.state in wanted for status in statuses):
                return statuses
            if events is None:
                gc.enable()  # this may take long
                events = Events()
                events.watch_directory(context.settings.log_dir)
            for pid in observer.processes():
                events.watch_process(pid)
            began = time.monotonic()
            events.wait(min(left, _LONGEST_NAP))
            time.sleep(max(0.0, began + min(left, _SHORTEST_NAP) - time.monotonic()))
    finally:
        if events is not None:
            events.close()


def _connects(status: TunnelStatus, grace: float) -> bool:
    """Say whether a tunnel was started a moment ago and nothing has gone wrong since."""
    if status.state is not State.STARTING or status.reason is not None or status.since is None:
        return False
    return time.time() - status.since < grace


def confirm(
    context: Context, specs: Sequence[TunnelSpec], outcomes: Sequence[Outcome], patience: float
) -> list[Outcome]:
    """Turn into failures what was started (or ran) and carries no traffic.

    Args:
        context: of the command.
        specs: what should run now.
        outcomes: what became of the starts.
        patience: seconds to go on waiting for those that are still connecting.
    """
    from tunnel_tui.supervise.actions.lifecycle import CONFIRM_TIMEOUT

    settled = (State.RUNNING, State.DEAD, State.STOPPED)
    started = {outcome.hash for outcome in outcomes if outcome.ok and outcome.verb != "stopped"}
    due = [spec for spec in specs if spec.hash in started]
    if not due:
        return list(outcomes)
    late = {
        status.spec.hash: status
        for status in watch(context, due, settled, patience, CONFIRM_TIMEOUT)
        if status.state is not State.RUNNING
    }
    return [
        _not_up(outcome, late[outcome.hash]) if outcome.ok and outcome.hash in late else outcome
        for outcome in outcomes
    ]


def _not_up(outcome: Outcome, status: TunnelStatus) -> Outcome:
    reason = status.reason
    advice = reason.advice if reason else f"tunnel-tui logs {outcome.hash[:8]}"
    return outcome._replace(ok=False, message=describe(status), advice=advice)


def describe(status: TunnelStatus) -> str:
    """Say the state and why it is not another: `STARTING (reconnecting, refused)`."""
    parts = [status.detail, status.reason.text if status.reason else ""]
    more = ", ".join(part for part in parts if part)
    return f"{status.state.value} ({more})" if more else status.state.value
