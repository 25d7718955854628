"""The plainest of all faults, for those who want to see them in bad circumstances."""

import os
import signal

from tests.support import processes
from tests.support.faults import Fault, Site
from tests.support.waiting import wait_until
from tunnel_tui.model import TunnelSpec


def kill_autossh(site: Site, fault: Fault, victim: TunnelSpec) -> None:
    """Kill a tunnel's autossh; wait until the app shows it, and until the tunnel is back."""
    with fault.recovering():
        with fault.noticing():
            os.kill(site.pid(victim), signal.SIGKILL)
            site.wait_badge(victim, "DEAD|STARTING")
        site.wait_well(victim)
    site.check(*site.specs)


def kill_tunnel(site: Site, spec: TunnelSpec) -> int:
    """Kill autossh and ssh of a tunnel; return the registered pid, which is free or a zombie."""
    pid, ssh = site.pid(spec), site.ssh_pid(spec)
    for victim in (pid, ssh):
        os.kill(victim, signal.SIGKILL)
    wait_until(lambda: not processes.alive(pid) and not processes.alive(ssh), what="their end")
    return pid
