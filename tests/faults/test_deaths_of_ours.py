"""Our own programs die at the worst moment; the tunnels must not notice, nor a secret get out."""

import os
import signal
import subprocess
import time
from contextlib import nullcontext

import pytest

from tests.conftest import Lab
from tests.faults.ends import HOW, end_app, held, lose_app
from tests.support import processes
from tests.support.faults import Fault, Site
from tests.support.home import Home
from tests.support.logins import Site as Bastion
from tests.support.network import EchoService, free_port
from tests.support.pam import PASSWORD, PamSshd, Person
from tests.support.tmux import Tmux
from tests.support.tunnels import inward
from tests.support.waiting import wait_until
from tunnel_tui.state.state_file import StateFile
from tunnel_tui.supervise.login.control_master import find_master
from tunnel_tui.supervise.watch.watcher import watcher_state

pytestmark = pytest.mark.process

MANY = 10


def entries(site: Site) -> dict[str, int]:
    """The registered pids by hash, of processes that live."""
    read = StateFile(str(site.home.state_file)).read().entries
    return {entry.hash: entry.pid for entry in read if processes.alive(entry.pid)}


def some_run(site: Site, least: int) -> dict[str, int]:
    """Wait until so many tunnels are registered."""
    return wait_until(lambda: len(entries(site)) >= least and entries(site), what="a few tunnels")


def wait_all_back(site: Site) -> None:
    """Wait until every tunnel runs, one whose starter died before it was registered as well."""
    site.wait_well()
    wait_until(lambda: len(entries(site)) == len(site.specs), 5, "every tunnel registered")


def configure(site: Site, count: int = MANY) -> None:
    site.configure(
        *(inward(site.echo.port, free_port(), name=f"t{number}") for number in range(count))
    )


@pytest.fixture
def logins(home: Home, bastion: PamSshd, person: Person, echo: EchoService) -> Bastion:
    """Three interactive tunnels behind a bastion."""
    return Bastion(Lab(home, bastion, echo), bastion, person)


@pytest.mark.parametrize("how", HOW)
def test_the_app_dies_while_it_starts(site: Site, fault: Fault, how: str) -> None:
    what = f"{HOW[how]} when 3 of 10 were registered; a new one goes on"
    fault.describe("Processes", f"app dies while a start is under way ({how})", what)
    configure(site)
    app = site.open_app()
    app.press("S")
    some_run(site, 3)
    lose_app(site, how)
    before = some_run(site, 3)
    app = site.open_app()
    with fault.recovering():
        app.press("S")
        wait_all_back(site)
    after = entries(site)
    assert before.items() <= after.items(), "what ran was not kept"
    site.check(*site.specs)


@pytest.mark.parametrize("how", HOW)
def test_the_app_dies_while_it_stops(site: Site, fault: Fault, how: str) -> None:
    what = f"{HOW[how]} when the first of 10 were dead; a new one goes on"
    fault.describe("Processes", f"app dies while a stop is under way ({how})", what)
    configure(site)
    site.start_all()
    app = site.open_app()
    with held(site.ssh_pid(site.specs[4])):  # ends only when it is killed, after the grace time
        app.press("X")
        app.shows("(?i)stop all")
        app.press("y")
        wait_until(lambda: len(entries(site)) == 1, 15, "nine deaths")
        lose_app(site, how)
    app = site.open_app()
    with fault.recovering():
        app.press("X")
        app.shows("(?i)stop all")
        app.press("y")
        app.shows("STOPPED")
        wait_until(lambda: not site.home.processes("ssh", "autossh"), 15, "all stopped")
        wait_until(lambda: site.home.state_file.read_text() == "", what="an empty state file")
    for spec in site.specs:
        site.wait_badge(spec, "STOPPED")
    site.check()


@pytest.mark.parametrize("command", ["start", "stop"])
def test_a_command_is_killed(site: Site, fault: Fault, command: str) -> None:
    what = "SIGKILL when the first of 10 were done; then the same command again"
    fault.describe("Processes", f"`{command}` killed half way", what)
    configure(site)
    site.open_app()
    if command == "stop":
        site.start_all()
    size = len(entries(site))
    with held(site.ssh_pid(site.specs[4])) if size else nullcontext():
        victim = subprocess.Popen(
            site.home.command(command), env=site.home.variables, stdin=subprocess.DEVNULL
        )
        wait_until(lambda: abs(len(entries(site)) - size) >= 3, 20, "the first three")
        victim.kill()
        victim.wait()
    with fault.recovering():
        assert site.home.cli(command).returncode == 0
        if command == "start":
            site.wait_well()
        else:
            wait_until(lambda: not site.home.processes("ssh", "autossh"), 15, "all stopped")
    site.check(*(site.specs if command == "start" else ()))


def test_the_watcher_is_killed(site: Site, fault: Fault) -> None:
    what = "SIGKILL; the app takes over and revives a killed tunnel; then a new watcher"
    fault.describe("Processes", "watcher killed", what)
    victim = site.tunnels()[0]
    daemon = site.watch()
    app = site.open_app()
    site.start_all()
    before = entries(site)
    site.expect_death(daemon.pid)
    with fault.recovering():
        with fault.noticing():
            daemon.end(signal.SIGKILL)
            app.shows(r"watch\w* on \(this app\)|on \(this app\)")
        assert watcher_state(site.home.settings).pid == app.pid
        os.kill(before[victim.hash], signal.SIGKILL)
        wait_until(lambda: entries(site).get(victim.hash) not in (None, before[victim.hash]))
        site.wait_well()
    now = entries(site)
    lose_app(site, "kill")
    assert entries(site) == now
    daemon = site.watch()
    daemon.wait_running(*site.specs)
    site.open_app()
    site.wait_well()
    assert entries(site) == now, "the new watcher has adopted nothing"
    site.check(*site.specs)


@pytest.mark.parametrize("heir", ["watcher", "app"])
def test_the_watcher_is_killed_while_it_starts(site: Site, fault: Fault, heir: str) -> None:
    what = f"SIGKILL when 3 of 10 were registered; a new {heir} goes on"
    fault.describe("Processes", f"watcher killed while it starts tunnels (then {heir})", what)
    configure(site)
    daemon = site.watch()
    some_run(site, 3)
    site.expect_death(daemon.pid)
    daemon.end(signal.SIGKILL)
    site.daemon = None
    before = some_run(site, 3)
    with fault.recovering():
        if heir == "watcher":
            site.watch()
            site.open_app()
        else:
            site.open_app().press("S")
        wait_all_back(site)
    after = entries(site)
    assert before.items() <= after.items(), "what ran was not kept"
    site.check(*site.specs)


def begin(terminal: Tmux) -> None:
    """Press `a` on the first tunnel."""
    terminal.shows(r"▌ . (INTERACTIVE|DEAD)\s+behind-0")
    terminal.press("a")


def type_password(logins: Bastion, terminal: Tmux) -> None:
    terminal.shows(r"(?s)Password:\s*$|Password:\s*\n\s*\n", 30)
    terminal.shows("typing is hidden")
    terminal.type(logins.person.password)
    terminal.press("Enter")
    terminal.shows(r"Verification code:\s*\n\s*\n", 30)


def assert_kept_secret(logins: Bastion) -> None:
    for secret in (PASSWORD, *logins.codes):
        assert logins.places_of(secret) == []


def log_in(logins: Bastion, terminal: Tmux) -> None:
    begin(terminal)
    logins.answer(terminal)
    terminal.shows("bring them up")
    terminal.press("n")
    terminal.shows(r"RUNNING\s+behind-0")


@pytest.mark.parametrize("how", HOW)
def test_the_app_dies_at_a_prompt(logins: Bastion, fault: Fault, how: str) -> None:
    what = f"{HOW[how]} when the password was typed and the code asked; a new one logs in"
    fault.describe("Processes", f"app dies while a login is under way ({how})", what)
    with logins.terminal() as terminal:
        begin(terminal)
        type_password(logins, terminal)
        assert logins.ssh_processes()
        end_app(terminal, how)
        with fault.noticing():
            logins.no_ssh()
        assert_kept_secret(logins)
    with logins.terminal() as terminal, fault.recovering():
        log_in(logins, terminal)
    assert logins.answers(logins.specs[0])
    assert_kept_secret(logins)
    assert len(logins.ssh_processes()) == 1
    assert logins.home.cli("stop").returncode == 0
    logins.no_ssh()


def test_the_app_dies_when_the_last_answer_is_given(logins: Bastion, fault: Fault) -> None:
    """ssh goes to the background in this moment: it is a login that stands, or it is gone."""
    what = "SIGKILL 0 to 600 ms after the code, four times; then start, stop, a new login"
    fault.describe("Processes", "app killed while ssh checks the code", what)
    stood = 0
    for delay in (0.0, 0.1, 0.3, 0.6):
        with logins.terminal() as terminal:
            begin(terminal)
            type_password(logins, terminal)
            terminal.shows("typing is hidden")
            terminal.type(logins.code())
            terminal.press("Enter")
            time.sleep(delay)  # the moments are what is tested
            end_app(terminal, "kill")
        left = settled(logins)
        stood += bool(left)
        said = logins.home.cli("start-tunnel", "behind-0")
        assert (said.returncode == 0) == bool(left), said
        assert logins.answers(logins.specs[0]) == bool(left)
        assert logins.home.cli("stop").returncode == 0
        logins.no_ssh()
        assert_kept_secret(logins)
    print(f"the login stood in {stood} of 4")
    with logins.terminal() as terminal, fault.recovering():
        log_in(logins, terminal)
    assert_kept_secret(logins)


def settled(logins: Bastion) -> list[int]:
    """Wait until what is left of a login stands without its app, or is gone; return its pids."""

    def look() -> list[list[int]]:
        left = logins.ssh_processes()
        host = logins.specs[0].remote_host
        fine = not left or find_master(logins.home.settings, host) is not None
        return [left] if fine and len(left) <= 1 else []

    return wait_until(look, 15, "a login that stands, or none")[0]
