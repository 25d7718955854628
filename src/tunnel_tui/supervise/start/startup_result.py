"""What a start has come to: read from what ssh printed since."""

import os
from enum import Enum

from tunnel_tui.model import Outcome, TunnelSpec
from tunnel_tui.settings import Settings
from tunnel_tui.ssh.client_config import SshClient
from tunnel_tui.ssh.log.forward_state import judge, success_lines
from tunnel_tui.ssh.log.line_class import tail_lines
from tunnel_tui.ssh.log.phrases import STANDS
from tunnel_tui.ssh.log.reasons import find_reason
from tunnel_tui.ssh.log.run_start import RunStart
from tunnel_tui.ssh.log.tunnel_log import open_own_log, own_lines
from tunnel_tui.supervise.start.launch import Launch
from tunnel_tui.system import proc

_LOG_WINDOW = 65536


class StartupResult(Enum):
    """Where a start has got to."""

    PENDING = "pending"
    STANDS = "stands"
    FAILED = "failed"


def result_of(started: Launch) -> StartupResult:
    """Say whether the forward of a fresh start stands, by what ssh printed since."""
    output = _output(started)
    for match in reversed(STANDS[started.forward.kind].findall(output)):
        begins = RunStart(started.pid, os.getpid())
        run = judge(output, success_lines(int(match), started.forward)[0], begins, whole=True)
        if run is not None and run.stands and proc.exists(int(match)):
            return StartupResult.STANDS
    return StartupResult.PENDING if proc.is_alive(started.pid) else StartupResult.FAILED


def _output(started: Launch) -> bytes:
    alive = started.pid if proc.is_alive(started.pid) else 0
    descriptor = open_own_log(started.settings, started.spec.hash, alive)
    if descriptor is None:
        return b""
    try:
        output = os.pread(descriptor, _LOG_WINDOW, started.offset)
        if len(output) < _LOG_WINDOW:
            return output
        size = os.fstat(descriptor).st_size
        return os.pread(descriptor, _LOG_WINDOW, max(started.offset, size - _LOG_WINDOW))
    finally:
        os.close(descriptor)


def failure(settings: Settings, started: Launch) -> Outcome:
    """Say why a start has failed, from its log."""
    spec = started.spec
    reason = find_reason(
        own_lines(settings, spec.hash, 200, started.pid),
        spec,
        others=others(settings, spec),
        client=SshClient(settings, spec),
    )
    if reason is None:
        advice = f"read the log: tunnel-tui logs {spec.hash[:8]}"
        return Outcome(spec.hash, spec.name, False, "failed", "it ended at once", advice)
    return Outcome(spec.hash, spec.name, False, "failed", reason.text, reason.advice)


def others(settings: Settings, spec: TunnelSpec) -> list[str]:
    """Return the last lines of what proxy programs and jump hosts said."""
    return tail_lines(settings.stderr_file(spec.hash), 20)


def conclude(
    settings: Settings, outcome: Outcome, started: Launch, result: StartupResult
) -> Outcome:
    """Say what a start has come to so far."""
    if result is StartupResult.FAILED:
        return failure(settings, started)
    if result is StartupResult.STANDS:
        return outcome
    spec = started.spec
    lines = own_lines(settings, spec.hash, 200, started.pid)
    reason = find_reason(lines, spec, others=others(settings, spec))
    message = f"not connected yet: {reason.text}" if reason else "not connected yet"
    return outcome._replace(message=outcome.message or message)
