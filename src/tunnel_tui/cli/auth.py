"""`auth`: log in to a remote host in a plain terminal and bring its tunnels up."""

import sys
from collections.abc import Sequence

from tunnel_tui.cli import codes
from tunnel_tui.cli.context import Context
from tunnel_tui.cli.output import safe
from tunnel_tui.cli.registry import ALL, YES
from tunnel_tui.cli.report import failed, report
from tunnel_tui.cli.single import find
from tunnel_tui.errors import TunnelTuiError
from tunnel_tui.model import Outcome, TunnelEntry, TunnelSpec


def auth(context: Context) -> int:
    """Log in for interactive tunnels, one remote host after the other.

    Raises:
        TunnelTuiError: no tunnel goes by a name, or it is not interactive.
    """
    context.good_config()
    everything = context.arguments.flag(ALL)
    specs = _all(context) if everything else [_named(context, text) for text in _operands(context)]
    if not specs and not everything:
        context.output.error("which tunnel?", "tunnel-tui auth <tunnel>, or auth --all")
        return codes.USAGE
    if not specs:
        context.output.info("no interactive tunnel needs a login")
        return codes.OK
    outcomes: list[Outcome] = []
    for spec in specs:
        if spec.hash not in {outcome.hash for outcome in outcomes}:
            outcomes += _bring_up(context, spec)
    return report(context, outcomes, several=len(outcomes) > 1)


def _operands(context: Context) -> list[str]:
    return list(dict.fromkeys(context.arguments.operands))


def _named(context: Context, text: str) -> TunnelSpec:
    tunnel = find(context, text)
    if isinstance(tunnel, TunnelEntry) or not tunnel.interactive:
        raise TunnelTuiError(
            f"{tunnel.name} is not interactive",
            "it needs no login",
            f"tunnel-tui start-tunnel {tunnel.hash[:8]}",
        )
    return tunnel


def _all(context: Context) -> list[TunnelSpec]:
    from tunnel_tui.state.state_file import StateFile
    from tunnel_tui.supervise.process.process_tree import registered

    entries = StateFile.of(context.settings).read().entries
    running = {entry.hash for entry in entries if registered(entry, context.settings.state_file)}
    return [s for s in context.config.tunnels if s.interactive and s.hash not in running]


def _bring_up(context: Context, spec: TunnelSpec) -> list[Outcome]:
    from tunnel_tui.supervise.login.control_master import attach, siblings
    from tunnel_tui.supervise.login.login import needs_login

    try:
        first = _log_in(context, spec) if needs_login(context.settings, spec) else None
        outcomes = [first or attach(context.settings, spec)]
    except TunnelTuiError as error:
        return [failed(spec, error)]
    others = siblings(context.settings, spec, context.config.tunnels)
    if others and _wanted(context, spec, others, logged_in=first is not None):
        for other in others:
            try:
                outcomes.append(attach(context.settings, other))
            except TunnelTuiError as error:
                outcomes.append(failed(other, error))
    return outcomes


def _wanted(
    context: Context, spec: TunnelSpec, others: Sequence[TunnelSpec], *, logged_in: bool
) -> bool:
    """Ask whether the other tunnels of the host shall come up on the same login.

    What was decided once and for all is not asked.
    """
    if context.arguments.flag(ALL) or context.arguments.flag(YES):
        return True
    from tunnel_tui.supervise.login.sibling_policy import Siblings, siblings_after_login

    decided = siblings_after_login(context.settings)
    if decided is Siblings.NEVER or (decided is Siblings.ALWAYS and logged_in):
        return decided is Siblings.ALWAYS
    if not sys.stdin.isatty():
        return False
    count = len(others)
    more = "1 more tunnel" if count == 1 else f"{count} more tunnels"
    it = "it" if count == 1 else "them"
    sys.stderr.write(safe(f"{more} through {spec.remote_host}: bring {it} up too? [Y/n] "))
    sys.stderr.flush()
    return sys.stdin.readline().strip().lower() in {"", "y", "yes"}


def _log_in(context: Context, spec: TunnelSpec) -> Outcome:
    """Show ssh's prompts until it has logged in or given up.

    Raises:
        TunnelTuiError: it failed; the title is the reason.
    """
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise TunnelTuiError("a login needs a terminal", "", "run it with a TTY (docker exec -it)")
    from tunnel_tui.cli.relay import relay
    from tunnel_tui.ssh.client_config import name_askers
    from tunnel_tui.supervise.login.login import PROMPT_TIMEOUT, begin_login

    login = begin_login(context.settings, spec, context.environment)
    try:
        askers = name_askers(context.settings, spec)
        context.output.info(f"logging in to {spec.remote_host} for {spec.name}")
        context.output.info(f"what follows is said by ssh and by {askers}")
        sys.stdout.flush()
        ended = relay(login.command, PROMPT_TIMEOUT, askers)
        context.output.info(f"end of what was said by ssh and by {spec.remote_host}")
        if ended.status == 0:
            return login.finish()
        if ended.idle:
            minutes = f"{PROMPT_TIMEOUT / 60:g} minutes"
            raise TunnelTuiError("the login was ended", f"nobody typed anything for {minutes}")
        reason = login.reason(ended.lines)
        if ended.status < 0:
            raise TunnelTuiError("the login was cancelled", "nothing was started")
        if reason is None:
            raise TunnelTuiError("the login failed", f"ssh ended with status {ended.status}")
        raise TunnelTuiError(reason.text, reason.evidence, reason.advice)
    finally:
        login.close()
