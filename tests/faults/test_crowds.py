"""Many tunnels and a server that cannot take them all at once."""

import time

import pytest

from tests.faults.ready import DOWN, NETWORK, most_at_once, ready
from tests.support.faults import Fault, Site

pytestmark = [pytest.mark.process, pytest.mark.slow]


def test_server_that_takes_few_at_once(site: Site, fault: Fault) -> None:
    fault.describe(
        NETWORK, "MaxStartups exceeded", "12 tunnels to a server that takes 2 logins at a time"
    )
    site.sshd.stop()
    site.sshd.configure(MaxStartups="2:100:2")
    site.sshd.start()
    specs = site.tunnels(12)
    site.watch()
    with fault.recovering():
        site.open_app()
        site.wait_well(*specs, deadline=90)
    site.check(*specs)


def test_twenty_tunnels_and_their_server(site: Site, fault: Fault) -> None:
    """They come back a few at a time: a small server has nothing left for a crowd."""
    fault.describe(
        NETWORK, "sshd killed under 20 tunnels", "SIGKILL to sshd and its sessions, 10 s"
    )
    specs = ready(site, 20)
    site.sshd.stop()
    end = time.monotonic() + 10
    with fault.noticing():
        for spec in specs:
            site.wait_badge(spec, DOWN)
    time.sleep(max(0.0, end - time.monotonic()))
    seen = len(site.sshd.log.read_text(errors="replace"))
    site.sshd.start()
    with fault.recovering():
        site.wait_well()
    assert most_at_once(site.sshd, seen) <= 8
    site.check(*specs)
