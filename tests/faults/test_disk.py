"""What happens to the disk below the state file and the logs: full, out of inodes, swept clean."""

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.faults.kills import kill_tunnel
from tests.support.faults import Fault, Site
from tests.support.waiting import wait_until
from tunnel_tui.config.edit import delete_tunnel
from tunnel_tui.config.load import load_config
from tunnel_tui.errors import ConfigError
from tunnel_tui.model import State, TunnelSpec
from tunnel_tui.state.history import History
from tunnel_tui.state.state_file import StateFile

pytestmark = pytest.mark.process

FULL = "No space left"


class Disk:
    """A small file system of one's own that holds all that tunnel-tui writes."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.ballast = path / "ballast"
        self._unmounted = False
        path.mkdir()
        mount = ["mount", "-t", "tmpfs", "-o", "size=1m,nr_inodes=100", "none", str(path)]
        if subprocess.run(mount, check=False, capture_output=True).returncode:
            pytest.skip("no right to mount here")

    def fill(self) -> None:
        """Take all the room there is, to the last byte."""
        with self.ballast.open("ab", buffering=0) as file:
            for size in (4096, 1):
                try:
                    while file.write(b"x" * size):
                        pass
                except OSError:
                    pass

    def use_up_inodes(self) -> None:
        """Make files until there can be no more."""
        self.ballast.mkdir(exist_ok=True)
        number = len(list(self.ballast.iterdir()))
        try:
            while True:
                (self.ballast / str(number)).touch()
                number += 1
        except OSError:
            pass

    def make_room(self) -> None:
        shutil.rmtree(self.ballast) if self.ballast.is_dir() else self.ballast.unlink()

    def close(self) -> None:
        """Take it away; processes that still live keep what they have open."""
        if not self._unmounted:
            subprocess.run(["umount", "-l", str(self.path)], check=True)
            self._unmounted = True


@pytest.fixture
def disk(site: Site) -> Iterator[Disk]:
    home = site.home
    place = Disk(home.path / "disk")
    home.state_file, home.log_dir = place.path / "tunnels.state", place.path / "logs"
    home.config_file = place.path / "config.yaml"
    home.variables |= {
        "AUTOSSH_STATE_FILE": str(home.state_file),
        "AUTOSSH_LOG_DIR": str(home.log_dir),
        "AUTOSSH_CONFIG_FILE": str(home.config_file),
        "XDG_STATE_HOME": str(place.path / "xdg-state"),
    }
    yield place
    site.close()
    place.close()


def stand(site: Site, count: int = 3) -> list[TunnelSpec]:
    specs = site.tunnels(count)
    site.watch()
    site.open_app()
    site.start_all(60)
    return specs


def registered(site: Site) -> list[str]:
    """The names in the state file, which must be in order at any moment."""
    read = StateFile(str(site.home.state_file)).read()
    assert not read.malformed
    assert not read.duplicates
    assert not read.problem
    return sorted(entry.name for entry in read.entries)


@pytest.mark.skipif(os.geteuid() != 0, reason="mounts a file system")
@pytest.mark.parametrize(
    ("name", "injected", "harm"),
    [
        ("disk full", "state file, logs, history, configuration on it", Disk.fill),
        (
            "disk out of inodes",
            "state file, logs, history, configuration on it",
            Disk.use_up_inodes,
        ),
    ],
)
def test_no_room(
    site: Site, fault: Fault, disk: Disk, name: str, injected: str, harm: Callable[[Disk], None]
) -> None:
    fault.describe("Files", name, injected)
    stopped, killed, *_rest = stand(site, 4)
    assert site.daemon
    assert site.app
    site.app.press("G")  # to the last row: a log that is open would keep its room
    harm(disk)
    site.wait_well()

    done = site.home.cli("stop-tunnel", stopped.name)
    assert done.returncode == 0, done.stderr
    assert registered(site) == ["back", "web-1", "web-2"]
    harm(disk)  # what the log has left behind
    with fault.noticing():
        done = site.home.cli("start-tunnel", stopped.name)
        assert done.returncode == 1
        assert f"{stopped.hash}.log: {FULL}" in done.stderr
        assert "make room" in done.stderr
    site.wait_badge(stopped, "STOPPED")  # so it is the last row now
    site.app.press("G", "s")
    site.app.shows(FULL)
    kill_tunnel(site, killed)
    site.wait_badge(killed, "DEAD")
    for command in ("status", "cleanup", "list", "stats"):
        done = site.home.cli(command)
        assert "Traceback" not in done.stderr
        assert done.returncode == 0, (command, done)
    config = load_config(str(site.home.config_file))
    before = site.home.config_file.read_bytes()
    with pytest.raises(ConfigError, match=FULL):
        delete_tunnel(config.file, killed.hash, config.text_digest)
    assert site.home.config_file.read_bytes() == before
    assert set(registered(site)) >= {"back", "web-2"}

    with fault.recovering():
        disk.make_room()
        started = site.home.cli("start-tunnel", stopped.name)
        assert started.returncode == 0, started.stderr
        site.wait_well()  # the watcher has seen to the other
    assert registered(site) == ["back", "web-0", "web-1", "web-2"]
    history = (disk.path / "xdg-state/tunnel-tui/history.jsonl").read_text().splitlines()
    torn = [line for line in history if not (line.startswith("{") and line.endswith("}"))]
    assert not torn
    assert not list(disk.path.rglob("*.tmp"))
    site.check(*site.specs)


def told(site: Site, since: float) -> set[str]:
    """All states that anybody was told of the tunnels since then."""
    history = History(str(site.home.path / "xdg-state/tunnel-tui/history.jsonl"))
    return {record.state for record in history.read() if record.time > since}


def test_log_directory_deleted(site: Site, fault: Fault) -> None:
    fault.describe("Files", "log directory deleted", "with the logs of three tunnels that run")
    specs = stand(site)
    began = time.time()
    before = {spec.name: site.pid(spec) for spec in specs}
    shutil.rmtree(site.home.log_dir)
    site.wait_well()
    assert told(site, began) <= {State.RUNNING}
    assert before == {spec.name: site.pid(spec) for spec in specs}
    # Without its log a tunnel still comes back, and is seen to.
    with fault.recovering():
        with fault.noticing():
            os.kill(site.ssh_pid(specs[0]), signal.SIGKILL)
            site.wait_badge(specs[0], "STARTING")
        site.wait_well()
    assert site.home.cli("restart-tunnel", specs[0].name).returncode == 0
    assert site.home.log(specs[0].hash)
    site.wait_well()
    site.check(*specs)


def rotate(log: Path) -> None:
    log.rename(f"{log}.1")


def truncate(log: Path) -> None:
    os.truncate(log, 0)


@pytest.mark.parametrize(
    ("name", "harm"),
    [("log deleted", Path.unlink), ("log truncated", truncate), ("log rotated away", rotate)],
)
def test_log_spoilt(site: Site, fault: Fault, name: str, harm: Callable[[Path], object]) -> None:
    fault.describe("Files", name, "those of three tunnels that run, one of them open in the app")
    specs = stand(site)
    began = time.time()
    assert site.app
    site.app.press("g", "l")
    site.app.shows("Entering interactive session")
    before = {spec.name: site.pid(spec) for spec in specs}
    with fault.noticing():
        for spec in specs:
            harm(site.home.log_dir / f"tunnel-{spec.hash}.log")
        app = site.app
        wait_until(lambda: "Entering interactive session" not in app.text, 10, "an empty log")
    site.wait_well()
    assert told(site, began) <= {State.RUNNING}
    assert before == {spec.name: site.pid(spec) for spec in specs}
    with fault.recovering():
        assert site.home.cli("restart-tunnel", specs[0].name).returncode == 0
        site.app.shows("Entering interactive session")
        site.wait_well()
    site.check(*specs)
