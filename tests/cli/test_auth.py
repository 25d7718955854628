"""`tunnel-tui auth` in a real terminal, against a real bastion: PAM, password and code."""

import re

import pytest

from tests.conftest import Lab
from tests.support.logins import Site
from tests.support.network import free_port
from tests.support.pam import PamSshd, Person
from tests.support.tmux import Tmux
from tests.support.tunnels import as_yaml, inward
from tests.support.waiting import wait_until
from tunnel_tui.supervise.login.sibling_policy import Siblings, remember_siblings

pytestmark = pytest.mark.process


@pytest.fixture
def site(lab: Lab, bastion: PamSshd, person: Person) -> Site:
    return Site(lab, bastion, person)


def answer(site: Site, terminal: Tmux, password: str | None = None) -> None:
    """Type password and code."""
    terminal.shows(r"Password:\s*$")
    terminal.type(site.person.password if password is None else password)
    terminal.press("Enter")
    terminal.shows(r"Verification code:\s*$")
    terminal.type(site.code())
    terminal.press("Enter")


def end_of(terminal: Tmux, deadline: float = 30.0) -> int:
    """Wait for the command's end and return its exit status."""
    wait_until(lambda: terminal.exit_status is not None, deadline, "the command's end")
    status = terminal.exit_status
    assert status is not None
    return status


def test_the_right_code_brings_it_up_and_the_others_if_wanted(site: Site) -> None:
    with site.terminal("auth", "behind-0") as terminal:
        answer(site, terminal)
        terminal.shows(r"2 more tunnels through bastion")
        terminal.type("y")
        terminal.press("Enter")
        assert end_of(terminal) == 0
        for secret in (site.person.password, *site.codes):
            assert secret not in terminal.everything
            assert site.places_of(secret) == []
    assert all(site.answers(spec) for spec in site.specs)
    assert site.home.cli("auth", "behind-0").returncode == 0, "up already: nothing is asked"


def test_no_leaves_the_others_alone(site: Site) -> None:
    with site.terminal("auth", site.specs[0].hash[:8]) as terminal:
        answer(site, terminal)
        terminal.shows("2 more tunnels")
        terminal.type("n")
        terminal.press("Enter")
        assert end_of(terminal) == 0
    assert site.answers(site.specs[0])
    assert not site.answers(site.specs[1])


@pytest.mark.parametrize("decided", ["always", "never"])
def test_what_was_decided_about_the_others_is_not_asked(site: Site, decided: str) -> None:
    remember_siblings(site.home.settings, Siblings(decided))
    with site.terminal("auth", "behind-0") as terminal:
        answer(site, terminal)
        assert end_of(terminal) == 0
        assert "more tunnels through" not in terminal.everything
    assert [site.answers(spec) for spec in site.specs] == [True, *[decided == "always"] * 2]


def test_all_asks_each_host_once(lab: Lab, bastion: PamSshd, person: Person) -> None:
    site = Site(lab, bastion, person, hosts=2)
    with site.terminal("auth", "--all") as terminal:
        for spec in site.specs:
            terminal.shows(f"logging in to {spec.remote_host}")
            answer(site, terminal)
        assert end_of(terminal) == 0
    assert all(site.answers(spec) for spec in site.specs)


def test_three_wrong_passwords_end_with_the_reason(site: Site) -> None:
    with site.terminal("auth", "behind-0") as terminal:
        for _ in range(3):
            answer(site, terminal, password="wrong")
        terminal.shows("(?i)permission denied", 40)
        terminal.shows("look at password and code")
        assert end_of(terminal) == 1
    site.no_ssh()
    assert not site.answers(site.specs[0])


def test_ctrl_c_leaves_no_ssh(site: Site) -> None:
    with site.terminal("auth", "behind-0") as terminal:
        terminal.shows(r"Password:\s*$")
        assert site.ssh_processes()
        terminal.press("C-c")
        assert end_of(terminal) == 1
        assert re.search("cancelled", terminal.text)
    site.no_ssh()


def test_a_closed_terminal_leaves_no_ssh(site: Site) -> None:
    with site.terminal("auth", "behind-0") as terminal:
        terminal.shows(r"Password:\s*$")
        terminal.close()
    site.no_ssh()


def test_a_tunnel_that_needs_no_login_is_refused_with_the_right_command(lab: Lab) -> None:
    plain = inward(lab.echo.port, free_port(), name="plain")
    lab.home.write_config(as_yaml(plain))
    done = lab.home.cli("auth", "plain")
    assert done.returncode == 1
    assert "not interactive" in done.stderr
    assert "tunnel-tui start-tunnel" in done.stderr


def test_without_a_terminal_nothing_is_asked(lab: Lab) -> None:
    tunnel = inward(lab.echo.port, free_port(), name="asks", interactive=True)
    lab.home.write_config(as_yaml(tunnel))
    done = lab.home.cli("auth", "asks")
    assert done.returncode == 1
    assert "needs a terminal" in done.stderr
