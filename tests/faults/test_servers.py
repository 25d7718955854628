"""What servers do: refuse, change their key, say nothing, go away and come back."""

import os
import socket
import time
from pathlib import Path

import pytest

from tests.faults.ready import DOWN, NETWORK, connections, ready
from tests.support.faults import Fault, Site

pytestmark = pytest.mark.process


def all_dead(site: Site, reason: str) -> None:
    """Wait until every row says DEAD and why."""
    for spec in site.specs:
        site.wait_badge(spec, rf"DEAD.*{reason}", 40)


def stays_so(site: Site, seconds: float) -> None:
    """See that nobody connects for so long."""
    before = connections(site.sshd)
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        assert connections(site.sshd) == before, "tried again, and no person has asked for it"
        time.sleep(0.2)


def test_key_refused(site: Site, fault: Fault, tmp_path: Path) -> None:
    """Bastions ban those who knock too often."""
    fault.describe(
        NETWORK, "login refused", "the server takes the key no more; all connections end"
    )
    accepted = tmp_path / "accepted"
    accepted.write_text(site.sshd.keys.authorized.read_text())
    site.sshd.stop()
    site.sshd.configure(AuthorizedKeysFile=str(accepted))
    site.sshd.start()
    ready(site)
    before = connections(site.sshd)
    accepted.write_text("")
    site.sshd.drop_connections()
    with fault.noticing():
        all_dead(site, "permission denied")
    assert connections(site.sshd) - before <= 3 * len(site.specs)
    stays_so(site, 8)
    assert connections(site.sshd) - before <= 3 * len(site.specs)
    accepted.write_text(site.sshd.keys.authorized.read_text())
    assert site.app
    with fault.recovering():
        site.app.press("S")
        site.wait_well()
    site.check(*site.specs)


def test_host_key_changed(site: Site, fault: Fault) -> None:
    fault.describe(NETWORK, "host key changed", "the server comes back with another key")
    ready(site)
    site.sshd.stop()
    site.sshd.configure(host_key=site.sshd.keys.make(f"other_{os.getpid()}_{time.monotonic_ns()}"))
    site.sshd.start()
    with fault.noticing():
        all_dead(site, "host key changed")
    stays_so(site, 8)
    app = site.app
    assert app
    with fault.recovering():
        app.press("g", "K")
        app.shows("SHA256:.*SHA256:")
        app.press("K")
        app.shows("Accept another key of")
        app.type(f"[127.0.0.1]:{site.sshd.port}")
        app.press("Enter")
        site.wait_well()
    site.check(*site.specs)


def test_connection_refused(site: Site, fault: Fault) -> None:
    fault.describe(NETWORK, "connection refused", "sshd ends with all connections; back after 15 s")
    ready(site)
    site.sshd.stop()
    end = time.monotonic() + 15
    with fault.noticing():
        for spec in site.specs:
            site.wait_badge(spec, DOWN)
    for spec in site.specs:
        site.wait_badge(spec, "connection refused")
    time.sleep(max(0.0, end - time.monotonic()))
    site.sshd.start()
    with fault.recovering():
        site.wait_well()
    assert fault.recovered
    assert fault.recovered <= 20
    site.check(*site.specs)


@pytest.mark.slow
def test_server_silent_before_its_banner(site: Site, fault: Fault) -> None:
    fault.describe(
        NETWORK, "server silent before its banner", "its port accepts and says nothing for 30 s"
    )
    ready(site)
    site.sshd.stop()
    silent = socket.create_server(("127.0.0.1", site.sshd.port), backlog=100)
    try:
        end = time.monotonic() + 30
        with fault.noticing():
            for spec in site.specs:
                site.wait_badge(spec, DOWN)
        for spec in site.specs:
            site.wait_badge(spec, "no answer", 20)
        time.sleep(max(0.0, end - time.monotonic()))
    finally:
        silent.close()
    site.sshd.start()
    with fault.recovering():
        site.wait_well()
    assert fault.recovered
    assert fault.recovered <= 20
    site.check(*site.specs)
