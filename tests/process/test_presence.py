"""Other apps that are open: found by their notes, proven before they are ended."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.tui.fake import make_settings
from tunnel_tui.settings import Settings
from tunnel_tui.supervise.info.open_apps import Presence

NOTE = """
import sys
from tests.tui.fake import make_settings
from tunnel_tui.supervise.info.open_apps import Presence
Presence(make_settings(sys.argv[1])).note()
print("noted", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return make_settings(str(tmp_path))


@pytest.fixture
def other(tmp_path: Path) -> Iterator["subprocess.Popen[str]"]:
    process = subprocess.Popen(
        [sys.executable, "-c", NOTE, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "noted\n"
    yield process
    process.kill()
    process.communicate()


def test_another_app_is_found_and_ended(settings: Settings, other: "subprocess.Popen[str]") -> None:
    presence = Presence(settings)
    presence.note()
    found = presence.others()
    assert [app.pid for app in found] == [other.pid]
    assert found[0].terminal == "", "its stdin is a pipe"
    assert presence.end(found[0])
    assert other.wait(10) == -15
    assert presence.others() == []
    assert os.listdir(Path(settings.data_dir) / "apps") == [str(os.getpid())], "tidied"
    assert not presence.end(found[0]), "it has gone"
    presence.forget()
    assert os.listdir(Path(settings.data_dir) / "apps") == []


def test_a_process_that_only_has_the_pid_is_never_ended(
    settings: Settings, other: "subprocess.Popen[str]"
) -> None:
    presence = Presence(settings)
    (found,) = presence.others()
    note = Path(settings.data_dir) / "apps" / str(other.pid)
    ticks, rest = note.read_text().split("\x1f", 1)
    note.write_text(f"{int(ticks) - 1}\x1f{rest}")
    assert not presence.end(found)
    assert other.poll() is None
    for name in ("1", "0", "x"):
        (note.parent / name).write_text("1\x1fpts/1\x1finit")
    assert presence.others() == []
