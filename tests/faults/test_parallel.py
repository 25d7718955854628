"""Many at once, and several people at once: nothing lost, nothing doubled."""

import os
import shutil
import signal
import socket
import subprocess
from collections import Counter
from collections.abc import Sequence

import pytest

from tests.faults.people import OrdinaryUser, is_possible
from tests.support import processes
from tests.support.faults import Fault, Site
from tests.support.network import free_port, passes
from tests.support.sshd import Keys
from tests.support.tunnels import inward
from tests.support.waiting import wait_until
from tunnel_tui.model import State, TunnelSpec
from tunnel_tui.observe.statefile import StateFile
from tunnel_tui.observe.status import Observer
from tunnel_tui.supervise.watcher import watcher_state
from tunnel_tui.system import proc

pytestmark = [pytest.mark.process, pytest.mark.alone, pytest.mark.slow, pytest.mark.timeout(300)]


def configure(site: Site, count: int) -> list[TunnelSpec]:
    """Make so many `-L` tunnels."""
    site.configure(
        *(inward(site.echo.port, free_port(), name=f"t{number}") for number in range(count))
    )
    return site.specs


def all_at_once(site: Site, *commands: Sequence[str]) -> list[str]:
    """Run the command so often at the same moment; return what each said."""
    running = [
        subprocess.Popen(
            site.home.command(*words),
            env=site.home.variables,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for words in commands
    ]
    said = [process.communicate(timeout=120)[0].strip() for process in running]
    assert all("Traceback" not in text for text in said), said
    codes = Counter(process.returncode for process in running)
    assert codes == {0: len(running)}, [text for text in said if "ERROR" in text]
    return said


def pids(site: Site) -> dict[str, int]:
    """What the state file says, nothing wrong with it."""
    read = StateFile(str(site.home.state_file)).read()
    assert (read.malformed, read.duplicates, read.problem) == ((), (), "")
    return {entry.hash: entry.pid for entry in read.entries}


def leading(site: Site) -> list[int]:
    """All autossh of this home that lead a session: one for each tunnel that runs."""
    found = site.home.processes("autossh")
    return [pid for pid in found if (stat := proc.read_stat(pid)) and stat.session == pid]


def assert_agreed(site: Site, *running: TunnelSpec) -> None:
    """Exactly these are registered, and exactly their processes live."""
    now = pids(site)
    assert set(now) == {spec.hash for spec in running}
    assert sorted(now.values()) == sorted(leading(site))


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
    daemon = site.watch()
    wait_until(lambda: watcher_state(site.home.settings).pid == daemon.pid, what="the watch")
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


def test_a_start_is_frozen(site: Site, fault: Fault) -> None:
    """ctrl+z holds all slots of those who start tunnels."""
    what = "SIGSTOP to a `start` with 8 tunnels under way to a silent server; others start theirs"
    fault.describe("Processes", "`start` frozen half way", what)
    with socket.create_server(("127.0.0.1", 0), backlog=64) as silent:
        site.home.add_host("silent", silent.getsockname()[1])
        stuck = [inward(80, free_port(), name=f"s{number}", host="silent") for number in range(10)]
        good = inward(site.echo.port, free_port(), name="good")
        site.configure(*stuck)
        site.open_app()
        starter = subprocess.Popen(site.home.command("start"), env=site.home.variables)
        wait_until(lambda: len(pids(site)) == 8, 20, "eight in STARTING")
        starter.send_signal(signal.SIGSTOP)
        site.configure(*stuck, good)  # the app, which watches, starts it
        with fault.recovering():
            site.wait_well(good)
        assert site.home.cli("stop-tunnel", "good").returncode == 0
        assert site.home.cli("start-tunnel", "good").returncode == 0
        site.wait_well(good)
        starter.kill()
        starter.wait()
        assert site.home.cli("stop").returncode == 0
    site.check()


def test_few_descriptors(site: Site, fault: Fault, monkeypatch: pytest.MonkeyPatch) -> None:
    """A limit that is met must not look like the death of a tunnel, nor keep it from its stop."""
    what = "`ulimit -n 30` for watcher, app and commands, 30 tunnels; one is killed; `stop`"
    fault.describe("Many at once", "few file descriptors", what)
    specs = configure(site, 30)
    full = site.home.command
    limited = ["sh", "-c", 'ulimit -n 30; exec "$@"', "sh"]
    monkeypatch.setattr(site.home, "command", lambda *words: [*limited, *full(*words)])
    site.watch()
    site.open_app((140, 60))
    site.start_all(deadline=60)
    assert site.home.cli("status").stdout.count("RUNNING") == 30
    victim = specs[-1]
    with fault.recovering():
        with fault.noticing():
            os.kill(site.pid(victim), signal.SIGKILL)
            site.wait_badge(victim, "DEAD|STARTING")
        site.wait_well(victim)
    site.check(*specs)
    stopped = site.home.cli("stop")
    assert stopped.returncode == 0, stopped
    assert site.home.processes("ssh", "autossh") == []
    assert pids(site) == {}
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
    for pid in (site.ssh_pid(specs[0]), before[specs[0].hash]):
        os.kill(pid, 9)
    wait_until(lambda: site.status(specs[0]).state is State.DEAD, what="DEAD")
    refused = user.cli("start-tunnel", "web-0")
    assert refused.returncode == 1
    assert "belongs to user root" in refused.stderr
    assert "tunnel-tui stop-tunnel" in refused.stderr
    assert user.cli("stop-tunnel", "web-0").returncode == 0
    assert user.cli("start-tunnel", "web-0").returncode == 0
    site.wait_state(specs[0], State.RUNNING)
    assert passes(site.listener(specs[0]))
    assert root.cli("status").stdout.count("RUNNING") == 3

    # Root may end what is nobody's, and is told as clearly.
    assert "already running" in root.cli("start-tunnel", "web-0").stdout
    for pid in (site.ssh_pid(specs[0]), site.pid(specs[0])):
        os.kill(pid, 9)
    refused = root.cli("start-tunnel", "web-0")
    assert refused.returncode == 1
    assert "belongs to user nobody" in refused.stderr
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
    assert root.cli("status").stdout.count("RUNNING") == 3
    assert root.cli("stop-tunnel", "web-0").returncode == 0
    assert root.cli("start-tunnel", "web-0").returncode == 0
    site.wait_well()
    refused = user.cli("stop")
    assert refused.returncode == 3
    assert "belongs to user root" in refused.stderr
    assert set(pids(site)) == {specs[0].hash}
    assert root.cli("stop").returncode == 0
    assert root.processes("ssh", "autossh") == []
    assert processes.with_environment("HOME", str(user.path)) == []
    site.check()
