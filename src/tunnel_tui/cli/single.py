"""`start-tunnel`, `stop-tunnel`, `restart-tunnel`: tunnels by name or hash."""

import time
from collections.abc import Callable, Sequence

from tunnel_tui.cli.context import Context
from tunnel_tui.cli.progress import Progress
from tunnel_tui.cli.registry import NO_WAIT
from tunnel_tui.cli.report import failed
from tunnel_tui.cli.watching import confirm
from tunnel_tui.cli.work import carry_out
from tunnel_tui.errors import InteractiveTunnelError, TunnelTuiError, UnknownTunnelError
from tunnel_tui.model import Outcome, TunnelEntry, TunnelSpec

START_PATIENCE = 12.0
"""Seconds to wait for a tunnel to carry traffic: ssh's ConnectTimeout of 10, and a little."""


def start(context: Context) -> int:
    """Start tunnels and wait until they carry traffic or have failed.

    Raises:
        TunnelTuiError: the file has mistakes, or no tunnel goes by a name.
    """
    from tunnel_tui.supervise.actions.lifecycle import start_tunnel, start_tunnels
    from tunnel_tui.supervise.login.login import needs_login

    settings, wait = context.settings, _patience(context)
    specs = _specs(context)
    if len(specs) == 1:
        return _each(context, specs, lambda spec: start_tunnel(settings, spec, wait=wait), wait)
    refused = [_refusal(spec) for spec in specs if needs_login(settings, spec)]
    ready = [spec for spec in specs if spec.hash not in {outcome.hash for outcome in refused}]

    def work(progress: Progress) -> list[Outcome]:
        began = time.monotonic()
        outcomes = start_tunnels(settings, ready, progress, wait=wait)
        left = max(0.0, began + wait - time.monotonic())
        return refused + (confirm(context, ready, outcomes, left) if wait else outcomes)

    return carry_out(context, work)


def restart(context: Context) -> int:
    """Stop and start tunnels.

    Raises:
        TunnelTuiError: the file has mistakes, or no tunnel goes by a name.
    """
    from tunnel_tui.supervise.actions.lifecycle import restart_tunnel

    settings, wait = context.settings, _patience(context)
    return _each(
        context, _specs(context), lambda spec: restart_tunnel(settings, spec, wait=wait), wait
    )


def stop(context: Context) -> int:
    """Stop tunnels, whether or not the file still has them.

    Raises:
        TunnelTuiError: no tunnel goes by a name.
    """
    from tunnel_tui.supervise.actions.lifecycle import stop_tunnel, stop_tunnels

    settings = context.settings
    found = dict(_stoppable(context, text) for text in _operands(context))
    if len(found) > 1:

        def work(progress: Progress) -> list[Outcome]:
            # Only we know the names of those that do not run.
            outcomes = stop_tunnels(settings, list(found), progress)
            return [outcome._replace(name=found[outcome.hash]) for outcome in outcomes]

        return carry_out(context, work)
    [(tunnel_hash, name)] = found.items()
    return carry_out(
        context, lambda _: [stop_tunnel(settings, tunnel_hash, name=name)], several=False
    )


def _each(
    context: Context,
    specs: Sequence[TunnelSpec],
    act: Callable[[TunnelSpec], Outcome],
    wait: float,
) -> int:
    """Do something to one tunnel after the other; what fails with one keeps none of the others."""

    def once(spec: TunnelSpec) -> list[Outcome]:
        began = time.monotonic()
        try:
            outcomes = [act(spec)]
        except InteractiveTunnelError:
            return [_refusal(spec)]
        except TunnelTuiError as error:
            return [failed(spec, error)]
        left = max(0.0, began + wait - time.monotonic())
        return confirm(context, [spec], outcomes, left) if wait else outcomes

    def work(_: Progress) -> list[Outcome]:
        return [outcome for spec in specs for outcome in once(spec)]

    return carry_out(context, work, several=len(specs) > 1)


def _refusal(spec: TunnelSpec) -> Outcome:
    from shlex import quote

    error = InteractiveTunnelError(
        "needs a login", "it is interactive", f"tunnel-tui auth {quote(spec.name)}"
    )
    return failed(spec, error)


def _patience(context: Context) -> float:
    return 0.0 if context.arguments.flag(NO_WAIT) else START_PATIENCE


def _operands(context: Context) -> list[str]:
    return list(dict.fromkeys(context.arguments.operands))


def _specs(context: Context) -> list[TunnelSpec]:
    """Find the configured tunnels that are meant, each once."""
    context.good_config()
    found = {}
    for text in _operands(context):
        tunnel = find(context, text)
        if isinstance(tunnel, TunnelEntry):
            raise UnknownTunnelError(
                f"{tunnel.name} is not in the configuration",
                f"only the state file knows {tunnel.hash}",
                f"add it to {context.settings.config_file}, or stop it",
            )
        found[tunnel.hash] = tunnel
    return list(found.values())


def _stoppable(context: Context, text: str) -> tuple[str, str]:
    """Find a tunnel to stop; a full hash will do even if only a lost process carries it."""
    try:
        tunnel = find(context, text)
    except UnknownTunnelError:
        from tunnel_tui.observe.identity import find_tagged

        if any(process.hash == text for process in find_tagged()):
            return text, text
        raise
    return tunnel.hash, tunnel.name


def find(context: Context, text: str) -> TunnelSpec | TunnelEntry:
    """Find the tunnel that `text` names, in the configuration or the state file.

    Raises:
        UnknownTunnelError: there is none.
        AmbiguousTunnelError: there are several.
    """
    from tunnel_tui.state.state_file import StateFile
    from tunnel_tui.supervise.info.find_tunnel import find_tunnel

    entries = StateFile.of(context.settings).read().entries
    return find_tunnel(text, context.config.tunnels, entries)
