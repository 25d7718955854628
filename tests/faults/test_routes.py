"""This machine's own network fails: its interface, its default route."""

import time

import pytest

from tests.faults.ready import DOWN, NETWORK, most_at_once, ready
from tests.support.faults import Fault
from tests.support.netns import FarSite

pytestmark = [pytest.mark.process, pytest.mark.slow]


def test_interface_down(far_site: FarSite, fault: Fault) -> None:
    """The address comes back with it, and that wakes the watcher."""
    fault.describe(
        NETWORK, "interface down for 30 s", "`ip link set down`; ssh gives up after 12 s of silence"
    )
    specs = ready(far_site, attentive=True)
    far_site.network.down()
    end = time.monotonic() + 30
    with fault.noticing():
        for spec in specs:
            far_site.wait_badge(spec, DOWN, 30)
    for spec in specs:
        far_site.wait_badge(spec, "unreachable", 20)
    time.sleep(max(0.0, end - time.monotonic()))
    far_site.network.up()
    with fault.recovering():
        far_site.wait_well(deadline=30)
    assert fault.recovered
    assert fault.recovered <= 20
    far_site.check(*specs)


def test_no_default_route(far_site: FarSite, fault: Fault) -> None:
    """The new route is announced by the kernel: all are tried at once, a few at a time."""
    fault.describe(
        NETWORK,
        "default route gone for 30 s",
        "`ip route del default`, 20 tunnels; ssh gives up after 12 s of silence",
    )
    specs = ready(far_site, 20, attentive=True)
    watcher = far_site.daemon
    assert watcher
    far_site.network.unroute()
    end = time.monotonic() + 30
    with fault.noticing():
        for spec in specs:
            far_site.wait_badge(spec, DOWN, 30)
    time.sleep(max(0.0, end - time.monotonic()))
    seen = len(far_site.sshd.log.read_text(errors="replace"))
    far_site.network.route()
    with fault.recovering():
        far_site.wait_well(deadline=30)
    assert fault.recovered
    assert fault.recovered <= 30
    watcher.wait_for("network-changed")
    assert most_at_once(far_site.sshd, seen) <= 8
    far_site.check(*specs)
