"""What happens to processes: kills, freezes, reused numbers."""

import os
import signal

import pytest

from tests.support.faults import Fault, Site

pytestmark = pytest.mark.process


def test_autossh_killed(site: Site, fault: Fault) -> None:
    fault.describe("Processes", "autossh killed", "SIGKILL to one autossh of three")
    victim, *_others = site.tunnels()
    site.watch()
    site.open_app()
    site.start_all()
    with fault.recovering():
        with fault.noticing():
            os.kill(site.pid(victim), signal.SIGKILL)
            site.wait_badge(victim, "DEAD|STARTING")
        site.wait_well(victim)
    site.check(*site.specs)
