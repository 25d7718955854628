"""What happens to the configuration file: edits in a hurry, and every kind of mistake."""

import os
import random
import re
import time
from pathlib import Path

import pytest

from tests.support.faults import Fault, Site
from tests.support.network import free_port
from tests.support.tunnels import as_yaml, inward
from tests.support.waiting import wait_until
from tunnel_tui.model import State, TunnelSpec
from tunnel_tui.state.state_file import StateFile

pytestmark = pytest.mark.process

GOOD = "tunnels:\n- {name: x, remote_host: h, remote_port: 1, local_port: 2}\n"
BOMB = "a0: &a0 [x, x]\n" + "".join(
    f"a{number}: &a{number} [{', '.join([f'*a{number - 1}'] * 9)}]\n" for number in range(1, 20)
)
MISTAKES: dict[str, bytes] = {
    "tabs": b"tunnels:\n\t- name: x\n",
    "duplicate keys": GOOD.replace("name: x", "name: x, name: y").encode(),
    "unknown keys only": b"tunnels:\n- {nmae: x, remote_hots: h}\n",
    "wrong types": b"tunnels:\n- {name: [1], remote_host: {a: b}, remote_port: []}\n",
    "no list": b"tunnels: 7\n",
    "ports out of range": GOOD.replace(": 2", ": 65536").encode(),
    "a host that is an option": GOOD.replace(": h", ": -oProxyCommand=x").encode(),
    "NUL": GOOD.replace("x", "x\0y").encode(),
    "control characters": GOOD.replace("x", "x\x1b[31m").encode(),
    "10 MB": GOOD.encode() + b"# padding\n" * (1 << 20),
    "an alias bomb": (BOMB + "tunnels: *a19\n").encode(),
    "deep nesting": b"tunnels: " + b"[" * 100_000,
    "invalid UTF-8": GOOD.encode().replace(b"x", b"caf\xe9"),
    "UTF-16": GOOD.encode("utf-16"),
    "half a file": as_yaml(inward(80, 8080)).encode()[:-40] + b'"',
}
"""Each a file that cannot be put into force."""
PLACES = ("a directory", "unreadable", "a dangling symlink", "missing", "a pipe")


def pids(site: Site) -> dict[str, int]:
    entries = StateFile(str(site.home.state_file)).read().entries
    return {entry.hash: entry.pid for entry in entries}


def clear(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        path.rmdir()
    else:
        path.unlink(missing_ok=True)


def put_in_place(path: Path, kind: str) -> None:
    """Put something else where the file was."""
    path.unlink()
    if kind == "a directory":
        path.mkdir()
    elif kind == "unreadable":
        path.write_text(GOOD)
        path.chmod(0)
    elif kind == "a dangling symlink":
        path.symlink_to(path.with_name("nowhere"))
    elif kind == "a pipe":
        os.mkfifo(path)


def replace_by(path: Path, data: bytes) -> None:
    """Write a file the way most editors do."""
    aside = path.with_name("config.new")
    aside.write_bytes(data)
    aside.rename(path)


def without_privileges(site: Site) -> None:
    """Let root's commands have the rights of a user: a file of mode 0 is unreadable for them."""
    command = site.home.command
    prefix = ["setpriv", "--inh-caps=-all", "--bounding-set=-all"] if os.geteuid() == 0 else []
    site.home.command = lambda *arguments: [*prefix, *command(*arguments)]  # type: ignore[method-assign]


class Mistakes:
    """Three tunnels that run while the file is spoilt again and again."""

    def __init__(self, site: Site, fault: Fault) -> None:
        self.site, self.fault = site, fault
        self.path = site.home.config_file
        site.tunnels()
        site.watch()
        site.open_app()
        site.start_all(60)
        self.good = self.path.read_bytes()
        self.before = pids(site)
        self.broken = 0

    def expect_refusal(self, kind: str, *, with_line: bool) -> None:
        """The app, the watcher and `validate` say what is wrong, and where; nothing stops."""
        site = self.site
        assert site.app
        assert site.daemon
        with self.fault.noticing():
            site.app.shows(r"config(?: broken)?: .*last good one holds")
        self.broken += 1
        site.daemon.wait_for("config-broken", count=self.broken)
        mistake = site.daemon.lines("mistake")[-1]["detail"]
        place = rf"{re.escape(str(self.path))}{':[1-9]' if with_line else ''}"
        assert re.search(place, mistake), (kind, mistake)
        said = site.home.cli("validate")
        assert said.returncode != 0, kind
        assert re.search(place, said.stderr), (kind, said)
        assert "Traceback" not in said.stderr
        assert pids(site) == self.before, kind
        if with_line:
            site.app.press("p")
            site.app.shows(r"(?s)line [1-9].*What runs stays as it is")

    def restore(self) -> None:
        app = self.site.app
        assert app
        with self.fault.recovering():
            clear(self.path)
            self.path.write_bytes(self.good)
            # The list of mistakes goes by itself, and so does the notice.
            wait_until(lambda: "last good" not in app.text, 15, "the notice goes away")
        assert self.site.daemon
        self.site.daemon.wait_for("config-restored", count=self.broken)

    def finish(self) -> None:
        assert pids(self.site) == self.before
        self.site.wait_well()
        self.site.check(*self.site.specs)


def test_every_kind_of_mistake(site: Site, fault: Fault) -> None:
    fault.describe("Files", "config with every kind of mistake", ", ".join(MISTAKES))
    mistakes = Mistakes(site, fault)
    for kind, data in MISTAKES.items():
        replace_by(mistakes.path, data)
        mistakes.expect_refusal(kind, with_line=kind not in ("10 MB",))
        mistakes.restore()
    mistakes.finish()


def test_something_else_in_its_place(site: Site, fault: Fault) -> None:
    fault.describe("Files", "config file that is none", ", ".join(PLACES))
    without_privileges(site)
    mistakes = Mistakes(site, fault)
    for kind in PLACES:
        put_in_place(mistakes.path, kind)
        mistakes.expect_refusal(kind, with_line=False)
        mistakes.restore()
    mistakes.finish()


def test_emptied_for_a_moment(site: Site, fault: Fault) -> None:
    """An empty file is a valid one without tunnels; but not at once, and not of a writer."""
    fault.describe("Files", "config emptied and written again", "ten times, half a second each")
    mistakes = Mistakes(site, fault)
    for _ in range(10):
        mistakes.path.write_bytes(b"")
        time.sleep(0.5)  # how long a slow writer may take
        mistakes.path.write_bytes(mistakes.good)
        time.sleep(0.3)
    mistakes.finish()


def test_a_hundred_edits_while_applying(site: Site, fault: Fault) -> None:
    fault.describe("Files", "config edited 100 times while applying", "in six seconds, three ways")
    chance = random.Random(17)
    pool = [inward(site.echo.port, free_port(), name=f"pool-{number}") for number in range(7)]
    site.configure(*pool)
    site.watch()
    site.open_app()
    site.start_all(60)
    chosen: list[TunnelSpec] = []
    for number in range(100):
        chosen = chance.sample(pool, chance.randint(1, len(pool)))
        chosen = [changed(spec) if chance.random() < 0.3 else spec for spec in chosen]
        write(site.home.config_file, as_yaml(*chosen), way=number % 3)
        time.sleep(0.06)
    assert as_yaml(*chosen) == site.home.config_file.read_text()
    wanted = {spec.hash for spec in chosen}
    with fault.recovering():
        wait_until(lambda: pids(site).keys() == wanted, 60, "exactly what the last file says")
        site.wait_well(*chosen)
    for spec in pool:
        if spec.hash not in wanted:
            assert site.status(spec).state is State.STOPPED
    assert site.app
    site.app.shows(rf"● {len(chosen)}\b")
    site.check(*chosen)


def changed(spec: TunnelSpec) -> TunnelSpec:
    """The same listener under another name: it must be given up before it can be taken."""
    service, listener = (
        int(text.rpartition(":")[2]) for text in (spec.remote_port, spec.local_port)
    )
    return inward(service, listener, name=f"{spec.name}-b")


def write(path: Path, text: str, way: int) -> None:
    """Write as editors do (a new file), as `cat >` does, and as something slow does (in parts)."""
    if way == 0:
        replace_by(path, text.encode())
    elif way == 1:
        path.write_text(text)
    else:
        with path.open("w") as file:
            for part in (text[: len(text) // 2], text[len(text) // 2 :]):
                file.write(part)
                file.flush()
