"""The network falls silent: nothing is refused, nothing arrives. These tests wait for minutes."""

import time

import pytest

from tests.support.faults import Fault
from tests.support.netns import FarSite
from tunnel_tui.model import TunnelSpec

pytestmark = [pytest.mark.process, pytest.mark.slow]

SECTION = "Network and servers"


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
    fault.describe(SECTION, "partition of 200 s", "nft drops every packet of one -L and one -R")
    specs = far_site.tunnels(2)
    far_site.watch()
    far_site.open_app()
    far_site.start_all()
    far_site.network.cut()
    began = time.monotonic()
    with fault.noticing():
        for spec in specs:
            far_site.wait_badge(spec, "DEAD|STARTING", 70)
    assert fault.noticed
    assert fault.noticed <= 60
    stays_down(far_site, began + 200, *specs)
    far_site.network.heal()
    with fault.recovering():
        far_site.wait_well(deadline=40)
    assert fault.recovered
    assert fault.recovered <= 10
    far_site.check(*specs)
