"""The way to the server fails: packets are lost, connections are reset."""

import time

import pytest

from tests.faults.ready import DOWN, NETWORK, ready, ssh_pids
from tests.support.faults import Fault
from tests.support.netns import FarSite
from tests.support.waiting import wait_until
from tunnel_tui.model import State

pytestmark = [pytest.mark.process, pytest.mark.slow]


def all_carry(site: FarSite) -> None:
    """Wait until traffic passes; what was lost is sent again ever more rarely (RFC 6298)."""
    for spec in site.specs:
        wait_until(lambda spec=spec: site.carries(spec), 40, spec.name)  # type: ignore[misc]


def test_partition_that_nobody_notices(far_site: FarSite, fault: Fault) -> None:
    """ssh gives up after 56 s without an answer: nothing may drop before."""
    fault.describe(NETWORK, "partition of 20 s", "nft drops every packet; over before ssh gives up")
    specs = ready(far_site)
    before = ssh_pids(far_site)
    far_site.network.cut()
    end = time.monotonic() + 20
    while time.monotonic() < end:
        assert all(far_site.status(spec).state is State.RUNNING for spec in specs)
        time.sleep(1)
    far_site.network.heal()
    with fault.recovering():
        all_carry(far_site)
    assert ssh_pids(far_site) == before
    far_site.check(*specs)


def test_connections_aborted(far_site: FarSite, fault: Fault) -> None:
    fault.describe(NETWORK, "connections reset", "`ss -K` aborts all three connections")
    specs = ready(far_site)
    before = ssh_pids(far_site)
    with fault.recovering():
        far_site.network.kill_connections()
        with fault.noticing():
            for spec in specs:
                far_site.wait_badge(spec, DOWN)
        far_site.wait_well()
    assert set(ssh_pids(far_site).values()).isdisjoint(before.values())
    far_site.check(*specs)


def test_reset_by_a_firewall(far_site: FarSite, fault: Fault) -> None:
    """It answers whoever speaks, also those who connect anew; that is no reason to give up."""
    fault.describe(
        NETWORK, "reset by a firewall", "nft answers every packet to the server with a reset, 15 s"
    )
    specs = ready(far_site)
    far_site.network.reset()
    end = time.monotonic() + 15
    with fault.noticing():
        for spec in specs:
            far_site.carries(spec)
            far_site.wait_badge(spec, DOWN, 30)
    time.sleep(max(0.0, end - time.monotonic()))
    far_site.network.heal()
    with fault.recovering():
        far_site.wait_well(deadline=90)
    far_site.check(*specs)


def test_a_third_of_all_packets_lost(far_site: FarSite, fault: Fault) -> None:
    fault.describe(NETWORK, "30 % packet loss", "nft drops packets at random, both ways, for 20 s")
    specs = ready(far_site)
    before = ssh_pids(far_site)
    far_site.network.lose(30)
    passed = 0
    end = time.monotonic() + 20
    while time.monotonic() < end:
        states = {spec.name: far_site.status(spec).state for spec in specs}
        assert states == {spec.name: State.RUNNING for spec in specs}
        passed += sum(far_site.carries(spec) for spec in specs)
        time.sleep(1)
    assert passed, "they say RUNNING and nothing passes"
    assert ssh_pids(far_site) == before
    far_site.network.heal()
    with fault.recovering():
        all_carry(far_site)
    far_site.wait_well()
    assert ssh_pids(far_site) == before
    far_site.check(*specs)
