"""What happens to the state file while somebody is logged in."""

import pytest

from tests.support.faults import Fault, Site
from tests.support.network import free_port, passes
from tests.support.tunnels import inward
from tests.support.waiting import wait_until
from tunnel_tui.model import State
from tunnel_tui.state.state_file import StateFile
from tunnel_tui.supervise.actions import lifecycle
from tunnel_tui.supervise.login.login import begin_login
from tunnel_tui.terminal.session import PtySession
from tunnel_tui.terminal.wait import wait_ready

pytestmark = pytest.mark.process


def test_state_file_deleted_under_a_login(site: Site, fault: Fault) -> None:
    fault.describe(
        "Files", "state file deleted, tunnels on a login", "two of three ride on it; unlink"
    )
    specs = [
        inward(site.echo.port, free_port(), name=f"desk-{number}", interactive=True)
        for number in range(3)
    ]
    site.configure(*specs)
    site.watch()
    site.open_app()
    _log_in(site)
    first, second, third = specs
    assert lifecycle.start_tunnel(site.home.settings, second).ok
    site.wait_well(first, second)
    with fault.recovering():
        site.home.state_file.unlink()
        wait_until(lambda: _registered(site) == {first.hash, second.hash}, 20, "written again")
    assert site.status(first).state is State.RUNNING
    assert site.status(third).state is State.INTERACTIVE
    assert passes(site.listener(first))
    site.wait_badge(first, "RUNNING")
    site.wait_badge(third, "INTERACTIVE")
    assert lifecycle.stop_tunnel(site.home.settings, first.hash).verb == "stopped"
    assert not passes(site.listener(first))
    assert site.status(first).state is State.INTERACTIVE
    site.check(second)


def _registered(site: Site) -> set[str]:
    return {entry.hash for entry in StateFile(str(site.home.state_file)).read().entries}


def _log_in(site: Site) -> None:
    login = begin_login(site.home.settings, site.specs[0], site.home.variables)
    session = PtySession.start(login.command.argv, login.command.environment, 80, 24)
    try:
        while not session.finished:
            wait_ready(session, 0.1)
            while session.read_ready():
                pass
        assert session.exit_status == 0
        assert login.finish().ok
    finally:
        session.close()
        login.close()
