"""What others have taken away: the slots that a frozen start holds, file descriptors."""

import signal
import socket
import subprocess

import pytest

from tests.faults.kills import kill_autossh
from tests.faults.many import configure, pids
from tests.support.faults import Fault, Site
from tests.support.network import free_port
from tests.support.tunnels import inward
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.process, pytest.mark.timeout(200)]


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


def run_below(site: Site, monkeypatch: pytest.MonkeyPatch, *wrapper: str) -> None:
    """Run watcher, app and commands from now on as arguments of another command."""
    full = site.home.command
    monkeypatch.setattr(site.home, "command", lambda *words: [*wrapper, *full(*words)])


def test_few_descriptors(site: Site, fault: Fault, monkeypatch: pytest.MonkeyPatch) -> None:
    """A limit that is met must not look like the death of a tunnel, nor keep it from its stop."""
    what = "`ulimit -n 30` for watcher, app and commands, 30 tunnels; one is killed; `stop`"
    fault.describe("Many at once", "few file descriptors", what)
    specs = configure(site, 30)
    run_below(site, monkeypatch, "sh", "-c", 'ulimit -n 30; exec "$@"', "sh")
    site.watch()
    site.open_app((140, 60))
    site.start_all(deadline=60)
    assert site.home.cli("status").stdout.count("RUNNING") == 30
    kill_autossh(site, fault, specs[-1])
    stopped = site.home.cli("stop")
    assert stopped.returncode == 0, stopped
    assert site.home.processes("ssh", "autossh") == []
    assert pids(site) == {}
    site.check()


def test_no_inotify(site: Site, fault: Fault, monkeypatch: pytest.MonkeyPatch) -> None:
    """An editor and a browser may have used up all there is (inotify(7), max_user_instances)."""
    what = "no inotify instance for watcher, app and commands; the config grows; one is killed"
    fault.describe("Many at once", "inotify used up", what)
    specs = configure(site, 3)
    script = 'echo 0 >/proc/sys/user/max_inotify_instances && exec "$@"'
    run_below(site, monkeypatch, "unshare", "--user", "--map-root-user", "sh", "-c", script, "sh")
    site.watch()
    site.open_app((140, 60))
    site.start_all(deadline=60)
    specs = configure(site, 4)
    site.wait_well(*specs)
    kill_autossh(site, fault, specs[0])
