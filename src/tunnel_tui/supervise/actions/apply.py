"""Putting a configuration into force: stop what is gone, start what is new, leave the rest."""

from collections.abc import Sequence
from functools import cache

from tunnel_tui.config.plan import Plan, make_plan
from tunnel_tui.model import Outcome, TunnelEntry, TunnelSpec
from tunnel_tui.settings import Settings
from tunnel_tui.ssh.command import same_command
from tunnel_tui.state.state_file import StateFile
from tunnel_tui.supervise.login import control_master
from tunnel_tui.supervise.process import stop_requests
from tunnel_tui.supervise.process.outcomes import ProgressCallback, skipped
from tunnel_tui.supervise.process.process_tree import registered
from tunnel_tui.supervise.start.limiter import CONFIRM_TIMEOUT
from tunnel_tui.supervise.start.start_many import start_tunnels
from tunnel_tui.supervise.stop.stop import stop_tunnels


def plan_changes(settings: Settings, specs: Sequence[TunnelSpec]) -> Plan:
    """Compare what is configured with what runs."""

    def same(spec: TunnelSpec, entry: TunnelEntry) -> bool:
        return same_command(settings, spec, entry)

    @cache
    def has_login(remote_host: str) -> bool:
        return control_master.find_master(settings, remote_host) is not None

    return make_plan(
        specs,
        StateFile.of(settings).read().entries,
        lambda entry: registered(entry, settings.state_file) is not None,
        same,
        lambda spec: has_login(spec.remote_host),
    )


def apply_plan(
    settings: Settings,
    plan: Plan,
    progress: ProgressCallback | None = None,
    *,
    wait: float = CONFIRM_TIMEOUT,
) -> list[Outcome]:
    """Carry a plan out, stops first: a new tunnel may want the port of an old one.

    Raises:
        StateFileError, FileRefusedError: the state file cannot be used at all.
    """
    asked = stop_requests.now()  # who stops one of them from now on means it
    starts = (*plan.restart, *plan.start)
    total = len(plan.stop) + len(starts)
    done: list[Outcome] = []

    def count(_done: int, _total: int, outcome: Outcome) -> None:
        done.append(outcome)
        if progress is not None:
            progress(len(done), total, outcome)

    # The last tunnel of a login may only have changed its port: the login must outlive it.
    needed = {spec.remote_host for spec in starts if spec.interactive}
    leaving = [entry.hash for entry in plan.stop]
    outcomes = stop_tunnels(settings, leaving, count, keep_logins=needed, asked=asked)
    stuck = {
        outcome.hash: outcome
        for outcome in stop_tunnels(settings, [spec.hash for spec in plan.restart], asked=asked)
        if not outcome.ok
    }
    outcomes += stuck.values()
    startable = [spec for spec in starts if spec.hash not in stuck]
    outcomes += start_tunnels(settings, startable, count, wait=wait, asked=asked)
    outcomes += (Outcome(spec.hash, spec.name, True, "kept") for spec in plan.keep)
    outcomes += (skipped(spec, "it needs a login") for spec in plan.login)
    return outcomes
