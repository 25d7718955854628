"""Many at once, and several people at once: nothing lost, nothing doubled."""

import os
import shutil

import pytest

from tests.faults.kills import kill_tunnel
from tests.faults.many import all_at_once, assert_agreed, configure, pids
from tests.faults.people import OrdinaryUser, is_possible
from tests.support import processes
from tests.support.faults import Fault, Site
from tests.support.network import passes
from tests.support.sshd import Keys
from tests.support.waiting import wait_until
from tunnel_tui.model import State
from tunnel_tui.observe.observer import Observer

pytestmark = [pytest.mark.process, pytest.mark.alone, pytest.mark.slow, pytest.mark.timeout(300)]


def test_fifty_starts_and_fifty_stops(site: Site, fault: Fault) -> None:
    what = "50 processes `start-tunnel`, then 25 of each kind, then 50 `stop-tunnel`"
    fault.describe("Many at once", "50 starts and 50 stops in parallel", what)
    specs = configure(site, 50)
    all_at_once(site, *(["start-tunnel", spec.name] for spec in specs))
    assert_agreed(site, *specs)
    assert all(passes(site.listener(spec)) for spec in specs)
    verbs = ("stop-tunnel", "start-tunnel")
    half = [[verbs[number % 2], spec.name] for number, spec in enumerate(specs)]
    all_at_once(site, *half)
    assert_agreed(site, *specs[1::2])
    site.check(*specs[1::2])
    all_at_once(site, *(["stop-tunnel", spec.name] for spec in specs))
    assert_agreed(site)
    assert site.home.processes("ssh", "autossh") == []
    site.check()


def test_everybody_at_once(site: Site, fault: Fault) -> None:
    what = "the watcher, the app's S, 2 `start`, 2 `restart` and 20 `start-tunnel` of 30 tunnels"
    fault.describe("Many at once", "watcher, app and commands start the same tunnels", what)
    specs = configure(site, 30)
    site.watch()
    app = site.open_app((140, 60))
    app.press("S")
    commands = [["start"], ["restart"], ["start"], ["restart"]]
    with fault.recovering():
        all_at_once(site, *commands, *(["start-tunnel", spec.name] for spec in specs[:20]))
        for spec in specs:
            site.wait_state(spec, State.RUNNING, deadline=30)
    site.wait_well()
    assert_agreed(site, *specs)
    site.check(*specs)
    # And the other way: the app stops all while the commands do.
    app.press("X")
    app.shows("(?i)stop all")
    app.press("y")
    all_at_once(site, ["stop"], *(["stop-tunnel", spec.name] for spec in specs[:20]))
    wait_until(lambda: not site.home.processes("ssh", "autossh"), 20, "all stopped")
    wait_until(lambda: pids(site) == {}, what="an empty state file")
    site.wait_badge(specs[0], "STOPPED")
    site.check()


@pytest.fixture
def big_site(site: Site) -> Site:
    """A server that lets everybody in."""
    site.sshd.stop()
    site.sshd.configure(MaxStartups="1000")
    site.sshd.start()
    return site


def test_two_hundred_tunnels(big_site: Site, fault: Fault) -> None:
    site = big_site
    what = "`start` of 200 beside the app and the watcher; all are tried; then `stop`"
    fault.describe("Many at once", "200 tunnels at once", what)
    site.configure()
    daemon = site.watch()
    app = site.open_app((140, 60))
    specs = configure(site, 200)
    with fault.recovering():
        assert site.home.cli("start", timeout=180).returncode == 0

        def all_run() -> bool:
            found = Observer(site.home.settings).observe(specs)
            return all(status.state is State.RUNNING for status in found)

        wait_until(all_run, 60, "200 RUNNING", interval=0.5)
        app.shows("● 200", 20)
    assert [spec.name for spec in specs if not passes(site.listener(spec))] == []
    assert_agreed(site, *specs)
    site.check(*specs)
    assert site.home.cli("stop").returncode == 0
    assert_agreed(site)
    assert site.home.processes("ssh", "autossh") == []
    app.shows("○ 200", 20)
    assert daemon.process.poll() is None
    site.check()


def test_root_and_an_ordinary_user(site: Site, fault: Fault, keys: Keys) -> None:
    if not is_possible():
        pytest.skip("needs root and setpriv")
    what = "start, status, stop, cleanup by root and by nobody in turns, in a sticky directory"
    fault.describe("Many at once", "root and an ordinary user alternate", what)
    shared = site.home.path / "shared"
    shared.mkdir()
    shared.chmod(0o1777)
    site.home.state_file = shared / "tunnels.state"
    site.home.log_dir = shared / "logs"
    site.home.variables["AUTOSSH_STATE_FILE"] = str(site.home.state_file)
    site.home.variables["AUTOSSH_LOG_DIR"] = str(site.home.log_dir)
    specs = site.tunnels()
    user = OrdinaryUser(site.home, keys, site.sshd.port)
    root = site.home

    # What root started, nobody can see, and neither stop nor spoil.
    assert root.cli("start").returncode == 0
    before = pids(site)
    assert user.cli("status").stdout.count("RUNNING") == 3
    assert user.cli("logs", "web-0").returncode == 0
    for command in (["stop"], ["stop-tunnel", "web-0"], ["restart-tunnel", "back"]):
        refused = user.cli(*command)
        assert refused.returncode in (1, 3)
        assert "belongs to user root" in refused.stderr
    assert user.cli("cleanup").returncode == 0
    assert user.cli("start-tunnel", "web-0").returncode == 0  # it runs already
    assert (pids(site), len(os.listdir(site.home.log_dir))) == (before, 3)

    # What died under root: nobody is told whose log is in the way and what removes it.
    kill_tunnel(site, specs[0])
    wait_until(lambda: site.status(specs[0]).state is State.DEAD, what="DEAD")
    refused = user.cli("start-tunnel", "web-0")
    assert refused.returncode == 1
    assert "belongs to user root" in refused.stderr
    assert "its owner or root removes it with: tunnel-tui stop-tunnel" in refused.stderr
    assert root.cli("stop-tunnel", "web-0").returncode == 0
    assert user.cli("start-tunnel", "web-0").returncode == 0
    wait_until(lambda: user.cli("status").stdout.count("RUNNING") == 3, 20, "RUNNING")
    assert passes(site.listener(specs[0]))

    # Root takes for its own what runs as root alone, and says whose the other is.
    told = root.cli("status").stdout
    assert told.count("RUNNING") == 2
    assert "runs as user nobody" in root.cli("show-tunnel", "web-0").stdout
    refused = root.cli("start-tunnel", "web-0")
    assert refused.returncode == 1
    assert "in use" in refused.stderr
    assert "of user nobody" in refused.stderr
    processes.end(processes.with_environment("HOME", str(user.path)))
    assert root.cli("start-tunnel", "web-0").returncode == 0
    assert root.cli("cleanup").returncode == 0
    with fault.recovering():
        assert root.cli("start").returncode == 0
        site.wait_well()
    site.check(*specs)
    assert root.cli("stop").returncode == 0

    # The first of an empty place: what nobody has made serves root.
    shutil.rmtree(site.home.log_dir)
    site.home.state_file.unlink()
    assert user.cli("start").returncode == 0
    assert root.cli("status").stdout.count("DEAD") == 3
    assert user.cli("stop-tunnel", "web-0").returncode == 0
    assert root.cli("start-tunnel", "web-0").returncode == 0
    site.wait_state(specs[0], State.RUNNING)
    refused = user.cli("stop")
    assert refused.returncode == 3
    assert "belongs to user root" in refused.stderr
    assert set(pids(site)) == {specs[0].hash}
    assert root.cli("stop").returncode == 0
    assert root.processes("ssh", "autossh") == []
    assert processes.with_environment("HOME", str(user.path)) == []
    site.check()
