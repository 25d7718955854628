"""What happens to the shared state file while tunnels run: they are found again, and kept."""

import os
import random
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.faults import Fault, Site
from tests.support.waiting import wait_until
from tunnel_tui.model import State
from tunnel_tui.state.history import History
from tunnel_tui.state.state_file import StateFile

pytestmark = pytest.mark.process

Harm = Callable[[Path], object]
MEGABYTE = 1 << 20


def torn(path: Path) -> None:
    """End the file within the second line, as a copy on a full disk would."""
    data = path.read_bytes()
    path.write_bytes(data[: data.index(b"\n") + 40])


def binary(path: Path) -> None:
    path.write_bytes(random.Random(1).randbytes(20_000))


def huge(path: Path) -> None:
    """10 MB of lines, among them 20,000 that name a tunnel of ours with a pid long gone."""
    ours = path.read_text().splitlines()[0].rpartition("\t")[0] + "\t4194000\n"
    with path.open("a") as file:
        file.write("x" * 6 * MEGABYTE + "\n")
        file.write("no\tentry\tat all\n" * 150_000)
        file.write(ours * 20_000)


def with_wrong_pids(path: Path) -> None:
    lines = [line.rpartition("\t")[0] for line in path.read_text().splitlines()]
    pids = ("-1", "0", "1")
    path.write_text("".join(f"{line}\t{pid}\n" for line, pid in zip(lines, pids, strict=True)))


def emptied(path: Path) -> None:
    path.write_bytes(b"")


def pids_of(site: Site) -> dict[str, int]:
    entries = StateFile(str(site.home.state_file)).read().entries
    return {entry.hash: entry.pid for entry in entries}


def stand(site: Site) -> dict[str, int]:
    """Three tunnels that run, watched; return their pids."""
    site.tunnels()
    site.watch()
    site.open_app()
    site.start_all(60)
    return pids_of(site)


def is_whole(site: Site, before: dict[str, int]) -> bool:
    return pids_of(site) == before


def check_untouched(site: Site, before: dict[str, int], since: float) -> None:
    """The same processes as before carry traffic; nobody was told otherwise since then."""
    assert pids_of(site) == before
    site.wait_well()
    told = History(str(site.home.path / "xdg-state/tunnel-tui/history.jsonl")).read()
    news = [record for record in told if record.time > since and record.state != State.RUNNING]
    assert not news
    site.check(*site.specs)


@pytest.mark.parametrize(
    ("name", "injected", "harm"),
    [
        ("state file torn", "cut in the middle of its second line", torn),
        ("state file binary", "20 KB of random bytes in its place", binary),
        ("state file with pids -1, 0 and 1", "in the lines of three live tunnels", with_wrong_pids),
        ("state file emptied", "while three tunnels run", emptied),
        ("state file deleted", "while three tunnels run", Path.unlink),
    ],
)
def test_a_spoilt_file_is_made_whole(
    site: Site, fault: Fault, name: str, injected: str, harm: Harm
) -> None:
    fault.describe("Files", name, injected)
    before = stand(site)
    began = time.time()
    assert site.daemon
    with fault.recovering():
        with fault.noticing():
            harm(site.home.state_file)
            site.daemon.wait_for("re-adopted")
        wait_until(lambda: is_whole(site, before), 20, "all three registered again")
    cleaned = site.home.cli("cleanup")
    assert cleaned.returncode == 0, cleaned.stderr
    assert len(site.home.state_file.read_text().splitlines()) == 3
    check_untouched(site, before, began)


def test_ten_megabytes(site: Site, fault: Fault) -> None:
    """Wrong lines of a tunnel hide the right one from nobody; `cleanup` removes them."""
    fault.describe("Files", "state file of 10 MB", "rubbish, and 20,000 wrong lines of one tunnel")
    before = stand(site)
    began = time.time()
    huge(site.home.state_file)
    assert site.home.state_file.stat().st_size > 10 * MEGABYTE
    site.wait_well()
    with fault.recovering():
        cleaned = site.home.cli("cleanup")
        assert cleaned.returncode == 0, cleaned.stderr
        wait_until(lambda: is_whole(site, before), 20, "three lines again")
    assert len(site.home.state_file.read_text().splitlines()) == 3
    check_untouched(site, before, began)


def as_symlink(path: Path) -> None:
    aside = path.with_name("aside.state")
    path.rename(aside)
    path.symlink_to(aside)


def as_directory(path: Path) -> None:
    path.unlink()
    path.mkdir()


def take_away(path: Path) -> None:
    path.rmdir() if path.is_dir() and not path.is_symlink() else path.unlink()


@pytest.mark.parametrize(
    ("name", "harm", "words"),
    [
        ("state file replaced by a symlink", as_symlink, "symlink"),
        ("state file replaced by a directory", as_directory, "[Dd]irectory|not a regular file"),
    ],
)
def test_a_file_that_is_none_is_refused(
    site: Site, fault: Fault, name: str, harm: Harm, words: str
) -> None:
    fault.describe("Files", name, "until somebody removes it")
    before = stand(site)
    began = time.time()
    assert site.app
    path = site.home.state_file
    with fault.noticing():
        harm(path)
        site.app.shows(words)
    for command in ("start", "stop", "status", "cleanup"):
        said = site.home.cli(command)
        assert str(path) in said.stderr, (command, said)
        assert "Traceback" not in said.stderr
        assert said.returncode in (1, 3) or command == "status", (command, said)
    with fault.recovering():
        take_away(path)
        wait_until(lambda: is_whole(site, before), 20, "all three registered again")
    check_untouched(site, before, began)


def without_privileges(site: Site) -> None:
    """Let every command of this home run with the rights of an ordinary user.

    What makes root special are its capabilities (capabilities(7)); a user of another name could
    not reach a Python that is installed for root alone.
    """
    command = site.home.command
    prefix = ["setpriv", "--inh-caps=-all", "--bounding-set=-all"]
    site.home.command = lambda *arguments: [*prefix, *command(*arguments)]  # type: ignore[method-assign]


@pytest.mark.skipif(os.geteuid() != 0, reason="gives up the rights of root")
@pytest.mark.parametrize(("mode", "what"), [(0o000, "unreadable"), (0o444, "unwritable")])
def test_a_file_without_rights(site: Site, fault: Fault, mode: int, what: str) -> None:
    fault.describe("Files", f"state file {what}", f"chmod {mode:o}, all as an ordinary user")
    without_privileges(site)
    before = stand(site)
    began = time.time()
    assert site.app
    path = site.home.state_file
    path.chmod(mode)
    with fault.noticing():
        if mode == 0o444:  # it can be read, so nothing is wrong until somebody wants to write
            site.app.press("x")
        site.app.shows("Permission denied")
    for command in ["stop"] if mode else ["stop", "start", "status", "cleanup"]:
        said = site.home.cli(command)
        assert f"{path}: Permission denied" in said.stderr, (command, said)
        assert "Traceback" not in said.stderr
    path.chmod(0o666)
    if not mode:
        with fault.recovering():
            wait_until(lambda: "Permission denied" not in str(site.app and site.app.text), 10)
    check_untouched(site, before, began)
