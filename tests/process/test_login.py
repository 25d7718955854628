"""Logins against a real bastion: password and code through PAM, one login for many tunnels."""

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import Lab
from tests.support import processes
from tests.support.network import free_port, passes
from tests.support.pam import PamSshd, Person
from tests.support.tunnels import inward, outward
from tests.support.waiting import wait_until
from tunnel_tui.errors import InteractiveTunnelError, LockHeldError, PortBusyError
from tunnel_tui.model import ReasonCode, State, TunnelSpec, TunnelStatus
from tunnel_tui.observe.observer import Observer
from tunnel_tui.supervise.actions import lifecycle
from tunnel_tui.supervise.actions.apply import apply_plan, plan_changes
from tunnel_tui.supervise.actions.cleanup import clean_up
from tunnel_tui.supervise.login.login import Login, begin_login, control_master
from tunnel_tui.terminal.screen import Screen
from tunnel_tui.terminal.session import PtySession
from tunnel_tui.terminal.wait import wait_ready

pytestmark = pytest.mark.process


class Site:
    """Three tunnels behind one bastion."""

    def __init__(self, lab: Lab, bastion: PamSshd, person: Person) -> None:
        self.lab, self.bastion, self.person = lab, bastion, person
        lab.home.add_host(
            "bastion", bastion.port, User=person.name, StrictHostKeyChecking="accept-new"
        )
        self.settings = lab.home.settings
        self.specs = [self.tunnel(f"behind-{number}") for number in range(3)]

    def tunnel(self, name: str, make: Callable[..., TunnelSpec] = inward) -> TunnelSpec:
        return make(self.lab.echo.port, free_port(), name=name, host="bastion", interactive=True)

    def statuses(self, specs: list[TunnelSpec] | None = None) -> list[TunnelStatus]:
        return Observer(self.settings).observe(specs or self.specs)

    def states(self, specs: list[TunnelSpec] | None = None) -> list[State]:
        return [status.state for status in self.statuses(specs)]

    def answers(self, spec: TunnelSpec) -> bool:
        forward = spec.forward()
        return passes(forward.listener.port, timeout=2.0)

    def log_in(self, spec: TunnelSpec, *answers: str) -> tuple[int, Login, list[str]]:
        """Type answers at the prompts as a person does; the caller closes the login."""
        login = begin_login(self.settings, spec, self.lab.home.variables)
        status, lines = answer(
            login, *(answers or (self.person.password, "code")), person=self.person
        )
        return status, login, lines

    def up(self, spec: TunnelSpec) -> None:
        status, login, lines = self.log_in(spec)
        try:
            assert status == 0, lines
            assert login.finish().ok
        finally:
            login.close()


def answer(login: Login, *answers: str, person: Person) -> tuple[int, list[str]]:
    session = PtySession.start(login.command.argv, login.command.environment, 100, 30)
    screen = Screen(100, 30)
    pending = list(answers)
    asked = 0
    deadline = time.monotonic() + 30
    try:
        while not session.finished and time.monotonic() < deadline:
            wait_ready(session, 0.1)
            while data := session.read_ready():
                screen.feed(data)
            text = "\n".join([*screen.history, *screen.display])
            prompts = text.count("Password:") + text.count("Verification code:")
            if prompts > asked and pending and session.hidden:
                asked = prompts
                word = pending.pop(0)
                session.write(((person.code if word == "code" else word) + "\n").encode())
        assert session.exit_status is not None, screen.display
        return session.exit_status, [*screen.history, *screen.display]
    finally:
        session.kill()
        session.check_exit()
        session.close()


@pytest.fixture
def site(lab: Lab, bastion: PamSshd, person: Person) -> Site:
    return Site(lab, bastion, person)


def test_one_code_brings_up_three_tunnels_and_each_ends_alone(site: Site) -> None:
    first, second, third = site.specs
    assert site.states() == [State.INTERACTIVE] * 3
    site.up(first)
    assert site.states() == [State.RUNNING, State.INTERACTIVE, State.INTERACTIVE]
    others = control_master.siblings(site.settings, first, site.specs)
    assert [other.name for other in others] == ["behind-1", "behind-2"]
    for other in others:
        assert lifecycle.start_tunnel(site.settings, other).verb == "started"
    assert site.states() == [State.RUNNING] * 3
    assert all(site.answers(spec) for spec in site.specs)
    pids = {status.pid for status in site.statuses()}
    assert len(pids) == 1

    assert lifecycle.stop_tunnel(site.settings, first.hash).verb == "stopped"
    assert site.states() == [State.INTERACTIVE, State.RUNNING, State.RUNNING]
    assert not site.answers(first)
    assert site.answers(second)
    assert site.answers(third)
    lifecycle.stop_tunnel(site.settings, second.hash)
    assert processes.alive(pids.pop() or 0)
    lifecycle.stop_tunnel(site.settings, third.hash)
    assert site.states() == [State.INTERACTIVE] * 3
    wait_until(lambda: not site.lab.home.processes("ssh"), what="the login ended")


def test_what_rides_is_up_since_it_was_attached(site: Site) -> None:
    """Not since the login, and not since the first time that it was attached."""
    site.up(site.specs[0])
    later = site.specs[1]
    begun = time.time()
    lifecycle.start_tunnel(site.settings, later)
    log = Path(site.settings.log_file(later.hash))
    old = time.strftime("%Y/%m/%d %H:%M:%S", time.localtime(begun - 5000))
    log.write_text(f"{old} tunnel-tui[1]: starting {later.name}\n{log.read_text()}")
    status = site.statuses()[1]
    assert status.state is State.RUNNING
    assert status.since is not None
    assert begun - 1 <= status.since <= time.time()
    # The last start is what counts, wherever the login stands.
    ago = time.strftime("%Y/%m/%d %H:%M:%S", time.localtime(begun + 500))
    log.write_text(f"{log.read_text()}{ago} tunnel-tui[1]: starting {later.name}\n")
    assert site.statuses()[1].since == int(begun + 500)


def test_a_host_that_takes_only_keys_gets_advice_about_keys(site: Site) -> None:
    login = Login(site.settings, site.specs[0], None)  # type: ignore[arg-type]
    keys = login.reason(["me@h: Permission denied (publickey)."])
    assert keys is not None
    assert "key" in keys.advice
    assert "password" not in keys.advice
    for methods in ("publickey,password", "keyboard-interactive"):
        typed = login.reason([f"me@h: Permission denied ({methods})."])
        assert typed is not None
        assert "password and code" in typed.advice


def test_a_changed_forward_is_attached_again_without_a_new_login(site: Site) -> None:
    old = site.specs[0]
    site.up(old)
    new = site.tunnel("behind-0")
    plan = plan_changes(site.settings, [new])
    assert (len(plan.start), len(plan.stop), len(plan.login)) == (1, 1, 0)
    assert all(outcome.ok for outcome in apply_plan(site.settings, plan))
    assert site.states([new]) == [State.RUNNING]
    assert site.answers(new)
    assert not site.answers(old)
    lifecycle.restart_tunnel(site.settings, new)
    assert site.answers(new)


def test_the_end_of_the_master_turns_all_its_tunnels_dead(site: Site) -> None:
    site.up(site.specs[0])
    for spec in site.specs[1:]:
        lifecycle.start_tunnel(site.settings, spec)
    master = site.statuses()[0].pid
    assert master
    os.kill(master, signal.SIGKILL)
    wait_until(lambda: not processes.alive(master), what="the master's end")
    for status in site.statuses():
        assert status.state is State.DEAD
        assert status.reason
        assert status.reason.code is ReasonCode.LOGIN_LOST
    with pytest.raises(InteractiveTunnelError):
        lifecycle.start_tunnel(site.settings, site.specs[0])
    site.up(site.specs[1])
    for spec in (site.specs[0], site.specs[2]):
        lifecycle.start_tunnel(site.settings, spec)
    assert site.states() == [State.RUNNING] * 3
    assert all(site.answers(spec) for spec in site.specs)


def test_three_wrong_passwords_leave_nothing(site: Site) -> None:
    spec = site.specs[0]
    began = time.monotonic()
    words = ["wrong", "code"] * 3
    status, login, lines = site.log_in(spec, *words)
    try:
        assert status == 255
        reason = login.reason(lines)
        assert reason
        assert reason.code is ReasonCode.PERMISSION_DENIED
        assert not reason.transient
    finally:
        login.close()
    assert site.states() == [State.INTERACTIVE] * 3
    assert not site.lab.home.processes("ssh")
    assert time.monotonic() - began < 40


def test_a_second_login_to_the_same_host_is_told_who_has_it(site: Site) -> None:
    login = begin_login(site.settings, site.specs[0], site.lab.home.variables)
    try:
        with pytest.raises(LockHeldError, match="under way"):
            begin_login(site.settings, site.specs[1], site.lab.home.variables)
    finally:
        login.close()
    site.up(site.specs[0])
    with pytest.raises(LockHeldError, match="already"):
        begin_login(site.settings, site.specs[1], site.lab.home.variables)


def test_a_busy_port_costs_one_tunnel_and_not_the_code(site: Site) -> None:
    first, second, _ = site.specs
    taken = first._replace(local_port=f"127.0.0.1:{site.lab.echo.port}")
    status, login, lines = site.log_in(taken)
    try:
        assert status == 0, lines
        with pytest.raises(PortBusyError):
            login.finish()
    finally:
        login.close()
    assert lifecycle.start_tunnel(site.settings, second).ok
    assert site.answers(second)


def test_a_remote_forward_rides_too(site: Site) -> None:
    spec = site.tunnel("outward", outward)
    site.up(spec)
    assert site.states([spec]) == [State.RUNNING]
    assert site.answers(spec)
    lifecycle.stop_tunnel(site.settings, spec.hash)
    assert not site.answers(spec)


def test_a_frozen_master_is_not_running(site: Site) -> None:
    spec = site.specs[0]
    site.up(spec)
    master = site.statuses()[0].pid
    assert master
    os.kill(master, signal.SIGSTOP)
    [status] = site.statuses([spec])
    assert status.state is State.STARTING
    assert "does not answer" in status.detail
    assert lifecycle.stop_tunnel(site.settings, spec.hash, grace=1.0).ok
    assert not processes.alive(master)


def test_lost_entries_are_found_again_and_logins_without_tunnels_ended(site: Site) -> None:
    first = site.specs[0]
    site.up(first)
    Path(site.settings.state_file).write_text("")
    verbs = [outcome.verb for outcome in clean_up(site.settings, site.specs)]
    assert verbs == ["re-adopted"]
    assert site.states()[0] is State.RUNNING
    Path(site.settings.state_file).write_text("")
    outcomes = clean_up(site.settings, [])
    assert [outcome.verb for outcome in outcomes] == ["removed"]
    wait_until(lambda: not site.lab.home.processes("ssh"), what="the login ended")


def test_stopping_all_ends_every_login(site: Site) -> None:
    for spec in site.specs:
        if spec is site.specs[0]:
            site.up(spec)
        else:
            lifecycle.start_tunnel(site.settings, spec)
    assert all(outcome.ok for outcome in lifecycle.stop_tunnels(site.settings, None))
    wait_until(lambda: not site.lab.home.processes("ssh"), what="the login ended")
    assert Path(site.settings.state_file).read_text() == ""
