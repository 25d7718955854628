"""Servers that are away, that refuse the key, that have another host key."""

import time
from collections.abc import Callable
from typing import Any

from tests.container.engine import Container
from tests.container.site import Site
from tests.support.network import EchoService, free_port, passes
from tests.support.sshd import Keys, Sshd
from tests.support.tunnels import inward
from tests.support.waiting import wait_until

MakeContainer = Callable[..., Container]


def refused_logins(server: Sshd) -> int:
    return server.log.read_text(errors="replace").count("Failed publickey for ")


def connections(server: Sshd) -> int:
    return server.log.read_text(errors="replace").count("Connection from ")


def test_comes_up_when_its_server_comes_back(
    site: Site,
    make_container: MakeContainer,
    make_sshd: Callable[..., Sshd],
    echo: EchoService,
    figures: dict[str, str],
) -> None:
    server, port = make_sshd(), free_port()
    server.stop()
    site.add_host("away", server.port)
    site.write(inward(echo.port, port, name="late", host="away"))
    container = make_container(site)
    wait_until(lambda: container.status()["late"]["reason"], 20, container.logs(), 0.2)
    assert container.status()["late"]["reason"]["code"] == "refused"
    server.start()
    begun = time.monotonic()
    wait_until(lambda: passes(port, timeout=1), 12, container.logs(), 0.1)
    taken = time.monotonic() - begun
    figures["back after the server's return"] = f"{taken:.1f} s"
    assert taken <= 10
    wait_until(lambda: container.state_of("late") == "RUNNING", 5, interval=0.2)
    container.remove()


def test_a_refused_key_is_tried_three_times_at_most(
    site: Site,
    make_container: MakeContainer,
    make_sshd: Callable[..., Sshd],
    keys: Keys,
    echo: EchoService,
) -> None:
    strict = [make_sshd(AuthorizedKeysFile="/dev/null") for _ in range(2)]
    site.add_host("strict", strict[0].port)
    site.write(inward(echo.port, free_port(), name="refused", host="strict"))
    container = make_container(site)
    stubborn_site = Site(site.config / "..stubborn", site.ssh / "id_test")
    stubborn_site.add_host("strict", strict[1].port)
    stubborn_site.write(inward(echo.port, free_port(), name="refused", host="strict"))
    # With gate time 0 autossh itself would go on for ever.
    stubborn = make_container(stubborn_site, AUTOSSH_GATETIME=0)
    for box, server in ((container, strict[0]), (stubborn, strict[1])):
        wait_until(lambda box=box: dead_of(box, "refused", "permission-denied"), 40, "", 0.3)
        assert 1 <= refused_logins(server) <= 3
        assert "refused" in box.cli("health", check=False)
    counts = [connections(server) for server in strict]
    stays_at(lambda: [connections(server) for server in strict], counts, 8.0)
    container.remove()
    stubborn.remove()


def test_a_changed_host_key_waits(
    site: Site,
    make_container: MakeContainer,
    make_sshd: Callable[..., Sshd],
    keys: Keys,
    echo: EchoService,
) -> None:
    server, port = make_sshd(), free_port()
    site.add_host("changing", server.port)
    site.write(inward(echo.port, port, name="changed", host="changing"))
    container = make_container(site)
    container.wait_running("changed")
    server.stop()
    server.configure(host_key=keys.make("another_host_key"))
    server.start()
    reason = wait_until(lambda: dead_of(container, "changed", "host-key-changed"), 60, "", 0.3)
    count = connections(server)
    stays_at(lambda: connections(server), count, 6.0)
    # What is advised helps, as it is written.
    remedy = reason["advice"][reason["advice"].index("ssh-keygen ") :]
    container.exec("sh", "-c", remedy, user="myuser")
    container.cli("start-tunnel", "changed")
    container.wait_running("changed")
    assert passes(port)
    container.remove()


def dead_of(container: Container, name: str, code: str) -> dict[str, Any] | None:
    """The reason, if a tunnel is DEAD for the reason of this code."""
    status = container.status()[name]
    reason: dict[str, Any] | None = status["reason"]
    fits = status["state"].upper() == "DEAD" and reason is not None and reason["code"] == code
    return reason if fits else None


def stays_at(figure: Callable[[], object], value: object, seconds: float) -> None:
    """See for some time that a figure does not change."""
    limit = time.monotonic() + seconds
    while time.monotonic() < limit:
        assert figure() == value
        time.sleep(0.2)
