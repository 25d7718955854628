"""The short way to prove a tunnel that runs: three small reads instead of six.

Nearly all tunnels that anybody looks at are an autossh of ours with its ssh. The ssh has said in
the log which process it is; where that very process lives as the child of the registered one, and
the registered one runs for us with our command line, nothing else needs to be asked. Whatever is
different in any way goes the long way (`Observer.identify`), which is slower and knows all cases.
"""

import os

from tunnel_tui.model import DirectionMode, Forward, TunnelEntry, TunnelSpec
from tunnel_tui.observe.tunnel_process import TunnelProcess
from tunnel_tui.ssh.log.forward_state import ForwardStateReader
from tunnel_tui.ssh.marks import OWN_LOG, TAG_OPTION
from tunnel_tui.system.proc import raw_command_line, read_stat, runs_for, trusted_users

_RUNS = "RSDI"
"""proc(5): runs, sleeps, waits for a disk, idles. What is stopped or traced goes the long way."""
_OWN_STREAM = b"\0-E\0%b\0" % OWN_LOG.encode()
_TAG = TAG_OPTION.encode()


def by_word(
    entry: TunnelEntry, spec: TunnelSpec, mode: DirectionMode, reader: ForwardStateReader
) -> TunnelProcess | None:
    """Prove that the entry's process is its autossh and has a living ssh; None: not like this.

    A child's parent lives: the kernel gives an orphan another one (wait(2)). So the registered
    process need not be read itself.
    """
    if entry.pid <= 1 or spec.interactive:
        return None
    command = raw_command_line(entry.pid)
    forward = _carried(command, entry.hash, spec, mode)
    if forward is None or not runs_for(entry.pid, trusted_users()):
        return None
    tail = reader.look(entry.pid)
    ssh = read_stat(tail.speaker()) if tail else None
    if tail is None or ssh is None or ssh.ppid != entry.pid or ssh.state not in _RUNS:
        return None
    reader.prime(tail, ssh.pid, forward)
    return TunnelProcess(entry.pid, forward, ssh=ssh)


def _carried(
    command: bytes, tunnel_hash: str, spec: TunnelSpec, mode: DirectionMode
) -> Forward | None:
    """Return the forward of a command line that is exactly of the kind that we make.

    An autossh, with one tag, which is this tunnel's; told to report; with this forward and this
    host at the end, behind which no option can follow.
    """
    program, _, rest = command.partition(b"\0")
    if not (program == b"autossh" or program.endswith(b"/autossh")) or rest.count(_TAG) != 1:
        return None
    if b"\0-o\0%b%b\0" % (_TAG, os.fsencode(tunnel_hash)) not in rest:
        return None
    verbose = rest.partition(b"LogVerbose=")[2].partition(b"\0")[0]
    if _OWN_STREAM not in rest or b"client_loop" not in verbose:
        return None
    forward = spec.forward(mode)
    end = f"\0{forward.kind.value}\0{forward.argument}\0--\0{spec.remote_host}\0"
    return forward if rest.endswith(os.fsencode(end)) else None
