"""The real app in a real terminal, logging in to a real bastion: PAM, password and code.

`TUNNEL_TUI_LOGINS=20` and `TUNNEL_TUI_SURVIVALS=50` repeat what a run does only a few times.
"""

import os
import re
import shutil
import signal

import pytest

from tests.conftest import Lab
from tests.support import processes
from tests.support.logins import Site
from tests.support.pam import PASSWORD, PamSshd, Person
from tests.support.tmux import Tmux
from tests.support.waiting import wait_until
from tunnel_tui.model import State

pytestmark = [pytest.mark.process, pytest.mark.timeout(1800)]

LOGINS = int(os.environ.get("TUNNEL_TUI_LOGINS", "2"))
SURVIVALS = int(os.environ.get("TUNNEL_TUI_SURVIVALS", "3"))
SIZES = [(80, 24), (140, 40)]


@pytest.fixture
def site(lab: Lab, bastion: PamSshd, person: Person) -> Site:
    return Site(lab, bastion, person)


def begin(terminal: Tmux, name: str = "behind-0") -> None:
    """Press `a` on a tunnel that needs a login."""
    terminal.shows(rf"▌ . (INTERACTIVE|DEAD)\s+{name}")
    terminal.press("a")


def decline(terminal: Tmux) -> None:
    """Say no to bringing up the others."""
    terminal.shows("bring them up")
    terminal.press("n")


@pytest.mark.parametrize("size", SIZES, ids=["80x24", "140x40"])
def test_password_and_code_bring_a_tunnel_up_and_are_nowhere(
    site: Site, size: tuple[int, int]
) -> None:
    first = site.specs[0]
    with site.terminal(size=size) as terminal:
        for turn in range(LOGINS):
            begin(terminal)
            site.answer(terminal, paste=turn % 2 == 1)
            decline(terminal)
            screen = terminal.shows(r"RUNNING\s+behind-0")
            assert "┤ Login ├" not in screen
            assert site.answers(first)
            for secret in (PASSWORD, *site.codes):
                assert secret not in terminal.everything
                assert site.places_of(secret) == []
            if turn < LOGINS - 1:
                terminal.shows(r"▌ . RUNNING\s+behind-0")
                terminal.press("x")
                terminal.shows(r"▌ . INTERACTIVE\s+behind-0")
        terminal.press("q")
        wait_until(lambda: terminal.exit_status is not None, what="the app's end")
        assert terminal.exit_status == 0
    for secret in (PASSWORD, *site.codes):
        assert site.places_of(secret) == []
    assert site.answers(first)


def test_one_code_brings_up_all_three(site: Site) -> None:
    with site.terminal() as terminal:
        begin(terminal)
        site.answer(terminal)
        terminal.shows("2 more tunnels through bastion: bring them up")
        terminal.press("y")
        terminal.shows(r"(?s)RUNNING.*RUNNING.*RUNNING")
    assert all(site.answers(spec) for spec in site.specs)
    assert len(site.ssh_processes()) == 1


def test_always_is_remembered(site: Site) -> None:
    with site.terminal() as terminal:
        begin(terminal)
        site.answer(terminal)
        terminal.shows("bring them up")
        terminal.press("a")
        terminal.shows(r"(?s)RUNNING.*RUNNING.*RUNNING")
    assert site.home.cli("stop").returncode == 0
    with site.terminal() as terminal:
        begin(terminal)
        site.answer(terminal)
        terminal.shows(r"(?s)RUNNING.*RUNNING.*RUNNING")


def test_three_wrong_passwords_say_why_and_nothing_tries_again(site: Site) -> None:
    with site.terminal() as terminal:
        begin(terminal)
        for _ in range(3):
            site.answer(terminal, password="wrong")
        screen = terminal.shows("permission denied", 40)
        assert "try again" in screen
        assert re.search(r"INTERACTIVE\s+behind-0", screen)
        site.no_ssh()
        # The end of a word that is still being typed must not act on anything.
        terminal.type("xqsXSR")
        terminal.press("Escape")
        terminal.shows("a log in")
        assert terminal.exit_status is None
        terminal.press("a")
        site.answer(terminal)
        decline(terminal)
        terminal.shows(r"RUNNING\s+behind-0")
        assert "permission denied" not in terminal.text


def test_cancelling_leaves_no_ssh(site: Site) -> None:
    with site.terminal() as terminal:
        begin(terminal)
        terminal.shows("Password:")
        terminal.press("C-]")
        terminal.shows("waiting for you")
        assert site.ssh_processes()
        terminal.press("x")
        terminal.shows("cancelled")
        site.no_ssh()
        terminal.shows(r"INTERACTIVE\s+behind-0\s.*needs a login")


def test_ctrl_c_and_ctrl_d_go_to_ssh(site: Site) -> None:
    with site.terminal() as terminal:
        begin(terminal)
        terminal.shows("Password:")
        terminal.press("C-q", "Tab", "Escape", "F1", "Up", "C-g", "C-a")
        terminal.shows("typing is hidden")
        assert terminal.exit_status is None
        assert site.ssh_processes()
        terminal.press("C-c")
        site.no_ssh()
        terminal.shows(r"needs a login|cancelled|try again")


def test_a_prompt_goes_on_in_the_background(site: Site) -> None:
    with site.terminal(size=(140, 40)) as terminal:
        begin(terminal)
        terminal.shows("Password:")
        terminal.press("F12")
        terminal.shows("waiting for you")
        terminal.press("l", "Escape", "j", "k", "g")
        terminal.shows("▌ . INTERACTIVE +behind-0")
        terminal.press("a")
        terminal.shows("logging in")
        site.answer(terminal)
        decline(terminal)
        terminal.shows(r"RUNNING\s+behind-0")


@pytest.mark.parametrize("how", ["kill", "hangup", "quit"])
def test_no_ssh_waits_when_the_app_ends_in_the_middle(site: Site, how: str) -> None:
    with site.terminal() as terminal:
        begin(terminal)
        terminal.shows("Password:")
        assert site.ssh_processes()
        if how == "kill":
            os.kill(terminal.pid, signal.SIGKILL)
        elif how == "hangup":
            terminal.close()
        else:
            terminal.press("F12")
            terminal.shows("waiting for you")
            terminal.press("q")
        site.no_ssh()
    with site.terminal() as terminal:
        begin(terminal)
        site.answer(terminal)
        decline(terminal)
        terminal.shows(r"RUNNING\s+behind-0")


def test_the_login_survives_the_app(site: Site) -> None:
    first = site.specs[0]
    survived = 0
    for turn in range(SURVIVALS):
        with site.terminal() as terminal:
            begin(terminal)
            site.answer(terminal)
            terminal.shows("bring them up")
            wait_until(lambda: site.state(first) is State.RUNNING, what="RUNNING")
            [master] = site.ssh_processes()
            if turn % 3 == 0:
                os.kill(terminal.pid, signal.SIGKILL)
            elif turn % 3 == 1:
                terminal.press("n")
                terminal.press("q")
            else:
                terminal.close()
        with site.terminal() as terminal:
            terminal.shows(r"RUNNING\s+behind-0\s.*\d+s")
            assert site.ssh_processes() == [master]
            assert site.answers(first)
            survived += 1
        assert site.home.cli("stop-tunnel", "behind-0").returncode == 0
        wait_until(lambda master=master: not processes.alive(master), what="the login's end")
    print(f"the login survived {survived} of {SURVIVALS} ends of the app")


def test_two_apps_and_a_command_make_one_prompt(site: Site) -> None:
    with site.terminal() as first, site.terminal() as second:
        begin(first)
        first.shows("Password:")
        begin(second)
        second.shows(rf"under way.*\b{first.pid}\b")
        with site.terminal("auth", "behind-1", size=(200, 24)) as command:
            wait_until(lambda: command.exit_status is not None, what="the command's end")
            assert re.search(rf"under way.*\b{first.pid}\b", command.everything)
            assert command.exit_status == 1
        assert len(site.ssh_processes()) == 1
        site.answer(first)
        decline(first)
        first.shows(r"RUNNING\s+behind-0")
        second.shows(r"RUNNING\s+behind-0")
        second.press("g")
        second.shows(r"▌ . INTERACTIVE\s+behind-1")
        second.press("a")
        second.shows(r"RUNNING\s+behind-1")
    assert site.answers(site.specs[1])


def test_all_hosts_are_walked_through(lab: Lab, bastion: PamSshd, person: Person) -> None:
    site = Site(lab, bastion, person, hosts=3)
    with site.terminal(size=(140, 40)) as terminal:
        terminal.shows("needs a login")
        terminal.press("A")
        for spec in site.specs:
            terminal.shows(rf"(?m)^  {spec.remote_host} .*typing is hidden")
            assert len(re.findall("typing is hidden", terminal.text)) == 1
            site.answer(terminal)
            terminal.shows(rf"RUNNING\s+{spec.name}")
    assert all(site.answers(spec) for spec in site.specs)


def test_the_debug_mode_of_the_toolkit_takes_no_secrets(site: Site) -> None:
    if shutil.which("tmux") is None:
        pytest.skip("needs tmux")
    site.home.variables["TEXTUAL"] = "debug"
    with site.terminal() as terminal:
        begin(terminal)
        terminal.shows("writes every key")
        assert not site.ssh_processes()
