"""The plainest of all faults, for those who want to see it in bad circumstances."""

import os
import signal

from tests.support.faults import Fault, Site
from tunnel_tui.model import TunnelSpec


def kill_autossh(site: Site, fault: Fault, victim: TunnelSpec) -> None:
    """Kill a tunnel's autossh; wait until the app shows it, and until the tunnel is back."""
    with fault.recovering():
        with fault.noticing():
            os.kill(site.pid(victim), signal.SIGKILL)
            site.wait_badge(victim, "DEAD|STARTING")
        site.wait_well(victim)
    site.check(*site.specs)
