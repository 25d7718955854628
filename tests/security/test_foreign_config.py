"""Root changes a configuration in a directory of another user, who has prepared it."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tunnel_tui.config.backups import backup
from tunnel_tui.config.edit import Edited, add_tunnel
from tunnel_tui.config.load import load_config
from tunnel_tui.config.preferences import remember
from tunnel_tui.errors import TunnelTuiError

pytestmark = [
    pytest.mark.process,
    pytest.mark.skipif(os.geteuid() != 0, reason="only root may be asked to do this"),
]

ALICE = 54321
BEFORE = "tunnels:\n  - {name: a, remote_host: h, remote_port: 1, local_port: 2}\n"
VALUES = {"name": "new", "remote_host": "h", "remote_port": "3", "local_port": "4"}

State = dict[str, tuple[int, int, int, bytes]]


class Place:
    """A directory of alice's beside one of root's; root's must stay as it is."""

    def __init__(self, path: Path) -> None:
        path.chmod(0o755)
        self.home, self.victim = path / "alice", path / "root"
        self.home.mkdir()
        self.victim.mkdir()
        (self.victim / "config.yaml").write_text(BEFORE)
        (self.victim / "secret").write_text("root's\n")
        (self.victim / "secret").chmod(0o600)
        self.config = self.home / "config.yaml"
        self.config.write_text(BEFORE)
        for made in (self.home, self.config):
            os.chown(made, ALICE, ALICE)

    def link(self, name: str, target: Path) -> None:
        """Alice puts a symlink there."""
        path = self.home / name
        path.unlink(missing_ok=True)
        path.symlink_to(target)
        os.chown(path, ALICE, ALICE, follow_symlinks=False)

    def victims(self) -> State:
        """Owner, mode, names and content of all that is root's."""
        found: State = {}
        for path in (self.victim, *sorted(self.victim.rglob("*"))):
            status = path.lstat()
            content = path.read_bytes() if path.is_file() else b""
            found[str(path)] = (status.st_uid, status.st_gid, status.st_mode, content)
        return found

    def edit(self, path: Path | None = None) -> Edited:
        """Root adds a tunnel."""
        path = path or self.config
        return add_tunnel(str(path), VALUES, load_config(str(path)).text_digest)


@pytest.fixture
def place() -> Iterator[Place]:
    path = Path(tempfile.mkdtemp(prefix="tt-", dir="/tmp"))
    yield Place(path)
    shutil.rmtree(path)


def refused(place: Place, path: Path | None = None) -> None:
    before = place.victims()
    with pytest.raises((TunnelTuiError, OSError)):
        place.edit(path)
    assert place.victims() == before


def test_what_root_makes_there_is_the_users(place: Place) -> None:
    groups = os.getgroups()
    edited = place.edit()
    assert [spec.name for spec in load_config(str(place.config)).tunnels] == ["a", "new"]
    assert Path(edited.backup).read_text() == BEFORE
    for path in (place.config, Path(edited.backup), Path(edited.backup).parent):
        assert path.stat().st_uid == ALICE, path
    assert os.getgroups() == groups
    (place.victim / "config.yaml").write_text("root is root again\n")


def test_backups_that_lead_elsewhere(place: Place) -> None:
    place.link("backups", place.victim)
    refused(place)


@pytest.mark.parametrize("name", ["config.yaml", "absent.yaml"])
def test_a_configuration_that_leads_elsewhere(place: Place, name: str) -> None:
    place.link("config.yaml", place.victim / name)
    refused(place)


def test_a_parent_that_leads_elsewhere(place: Place) -> None:
    place.link("dir", place.victim)
    refused(place, place.home / "dir" / "config.yaml")


def test_a_second_name_of_roots_file(place: Place) -> None:
    before = place.victims()
    place.config.unlink()
    os.link(place.victim / "config.yaml", place.config)
    place.edit()
    assert place.victims() == before
    assert place.config.stat().st_uid == ALICE


def test_a_second_name_of_roots_file_as_backups(place: Place) -> None:
    os.link(place.victim / "secret", place.home / "backups")
    refused(place)


def test_backups_after_an_editor(place: Place) -> None:
    place.link("backups", place.victim)
    before = place.victims()
    with pytest.raises(OSError, match="denied"):
        backup(str(place.config), BEFORE.encode())
    assert place.victims() == before


def test_settings_of_the_app(place: Place) -> None:
    place.link("settings.yaml", place.victim / "new")
    before = place.victims()
    with pytest.raises(OSError, match="denied"):
        remember(str(place.home / "settings.yaml"), "attach_siblings", "always")
    assert place.victims() == before


def test_in_tmp_backups_may_be_a_strangers(place: Place) -> None:
    place.home.chmod(0o1777)
    os.chown(place.home, 0, 0)
    os.chown(place.config, 0, 0)
    place.link("backups", place.victim)
    refused(place)


SWAPS = """
import os, sys
os.setgroups([]); os.setgid(uid := int(sys.argv[1])); os.setuid(uid)
os.chdir(sys.argv[2])
os.mkdir("kept"); os.symlink(sys.argv[3], "link")
while True:
    for name in ("link", "kept"):
        try:
            os.rename(name, "backups")
            os.rename("backups", name)
        except OSError:
            pass
    try:
        os.rename("config.yaml", "real"); os.symlink(sys.argv[3] + "/config.yaml", "config.yaml")
        os.rename("real", "config.yaml")
    except OSError:
        pass
"""


def test_names_that_change_all_the_time(place: Place) -> None:
    before = place.victims()
    command = [sys.executable, "-c", SWAPS, str(ALICE), str(place.home), str(place.victim)]
    done = 0
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as swapping:
        try:
            for _ in range(300):
                try:
                    backup(str(place.config), BEFORE.encode())
                    done += 1
                    if done < 20:
                        place.edit()
                except (TunnelTuiError, OSError):
                    pass
            assert swapping.poll() is None
        finally:
            swapping.kill()
    assert place.victims() == before
    assert done
