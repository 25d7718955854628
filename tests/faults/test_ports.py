"""Names that do not resolve, and listeners that somebody else has."""

import os
import socket
import time
from pathlib import Path

import pytest

from tests.conftest import need_program
from tests.faults.ready import DOWN, NETWORK
from tests.support import processes
from tests.support.faults import Fault, Site

pytestmark = pytest.mark.process


def hold(port: int) -> socket.socket:
    """Listen at a port that a tunnel wants."""
    return socket.create_server(("127.0.0.1", port))


def test_name_does_not_resolve(
    site: Site, fault: Fault, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """/etc/hosts is another file for the watcher and the app, and what they start."""
    fault.describe(NETWORK, "name does not resolve", "/etc/hosts without the server; it comes back")
    if os.geteuid() != 0:
        pytest.skip("only root can put another file over /etc/hosts")
    need_program("unshare", "mount")
    hosts, resolver = tmp_path / "hosts", tmp_path / "resolv.conf"
    hosts.write_text("")
    resolver.write_text("nameserver 127.0.0.1\n")
    script = (
        'mount --bind "$1" /etc/hosts && mount --bind "$2" /etc/resolv.conf && shift 2 && exec "$@"'
    )
    private = ["unshare", "--mount", "sh", "-c", script, "sh", str(hosts), str(resolver)]
    plain = site.home.command
    monkeypatch.setattr(site.home, "command", lambda *words: [*private, *plain(*words)])
    site.home.add_host("far", site.sshd.port, HostName="server.test")
    specs = site.tunnels(3, "far")
    site.watch()
    site.open_app()
    with fault.noticing():
        for spec in specs:
            site.wait_badge(spec, rf"{DOWN}.*could not resolve server.test")
    time.sleep(10)  # for the pauses between attempts to grow
    hosts.write_text("127.0.0.1 server.test\n")
    with fault.recovering():
        site.wait_well()
    site.check(*specs)


def test_local_port_busy(site: Site, fault: Fault) -> None:
    fault.describe(NETWORK, "local port busy", "another program listens there at the start, 10 s")
    busy, other, back = site.tunnels()
    with hold(site.listener(busy)):
        end = time.monotonic() + 10
        site.watch()
        site.open_app()
        with fault.noticing():
            site.wait_badge(busy, rf"local port {site.listener(busy)} is in use, held by")
        site.wait_well(other, back)
        assert site.app
        site.app.press("G")
        site.app.shows(rf"held by pid {os.getpid()}\b")
        time.sleep(max(0.0, end - time.monotonic()))
    with fault.recovering():
        site.wait_well(deadline=40)
    site.check(*site.specs)


def test_local_port_taken_meanwhile(site: Site, fault: Fault) -> None:
    fault.describe(
        NETWORK, "local port taken meanwhile", "a tunnel is killed and its port taken for 10 s"
    )
    victim, *others = site.tunnels()
    site.watch()
    site.open_app()
    site.start_all()
    processes.end([site.pid(victim), site.ssh_pid(victim)])
    with hold(site.listener(victim)):
        end = time.monotonic() + 10
        with fault.noticing():
            site.wait_badge(victim, DOWN)
        site.wait_badge(victim, "is in use, held by")
        time.sleep(max(0.0, end - time.monotonic()))
    with fault.recovering():
        site.wait_well(deadline=40)
    site.check(victim, *others)


def test_remote_port_busy(site: Site, fault: Fault) -> None:
    fault.describe(NETWORK, "remote port busy", "another program listens at the server, 10 s")
    *others, back = site.tunnels()
    with hold(site.listener(back)):
        end = time.monotonic() + 10
        site.watch()
        site.open_app()
        with fault.noticing():
            site.wait_badge(back, rf"{DOWN}.*remote port .*taken")
        site.wait_well(*others)
        time.sleep(max(0.0, end - time.monotonic()))
    with fault.recovering():
        site.wait_well(deadline=40)
    site.check(*site.specs)
