"""The network falls silent: nothing is refused, nothing arrives. These tests wait for minutes."""

import time

import pytest

from tests.faults.ready import DOWN, NETWORK, ready
from tests.support.faults import Fault
from tests.support.netns import FarSite
from tunnel_tui.model import TunnelSpec

pytestmark = [pytest.mark.process, pytest.mark.slow]


def stays_down(site: FarSite, until: float, *specs: TunnelSpec) -> None:
    """See that the app never says RUNNING before this moment of the steady clock."""
    assert site.app
    while time.monotonic() < until:
        for spec in specs:
            rows = [line for line in site.app.text.splitlines() if f" {spec.name} " in line]
            assert not any("RUNNING" in row for row in rows), rows
        time.sleep(min(1.0, max(0.0, until - time.monotonic())))


@pytest.mark.timeout(400)
def test_partition_of_200_seconds(far_site: FarSite, fault: Fault) -> None:
    fault.describe(NETWORK, "partition of 200 s", "nft drops every packet of one -L and one -R")
    specs = ready(far_site, 2)
    far_site.network.cut()
    began = time.monotonic()
    with fault.noticing():
        for spec in specs:
            far_site.wait_badge(spec, DOWN, 70)
    assert fault.noticed
    assert fault.noticed <= 60
    stays_down(far_site, began + 200, *specs)
    far_site.network.heal()
    with fault.recovering():
        far_site.wait_well(deadline=40)
    assert fault.recovered
    assert fault.recovered <= 10
    far_site.check(*specs)


@pytest.mark.timeout(200)
def test_stale_remote_listener(far_site: FarSite, fault: Fault) -> None:
    """The server gives up a silent client after 60 s, and holds its port as long."""
    fault.describe(
        NETWORK,
        "stale remote listener",
        "partition of 25 s; ssh gives up after 12 s of silence, the server after 60 s",
    )
    web, back = ready(far_site, 2, attentive=True)
    far_site.network.cut()
    cut_at = time.monotonic()
    with fault.noticing():
        for spec in (web, back):
            far_site.wait_badge(spec, DOWN, 30)
    time.sleep(max(0.0, cut_at + 25 - time.monotonic()))
    # Else the server may hear of the end before the next attempt, as chance has it.
    far_site.network.forget_closed()
    far_site.network.heal()
    with fault.recovering():
        far_site.wait_badge(back, rf"{DOWN}.*remote port .*taken", 30)
        far_site.wait_badge(web, "RUNNING", 20)
        far_site.wait_well(web, back, deadline=110)
    assert time.monotonic() - cut_at <= 60 + 40
    far_site.check(web, back)
