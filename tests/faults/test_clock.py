"""The clock is set: the watcher's, the app's, and that of every autossh and ssh."""

import os
import re
import signal
from pathlib import Path

import pytest

from tests.faults.ready import DOWN, NETWORK
from tests.support.faults import Fault, Site
from tests.support.network import free_port
from tests.support.processes import alive
from tests.support.tunnels import inward
from tests.support.waiting import wait_until
from tunnel_tui.model import State

pytestmark = pytest.mark.process

PLACES = ("usr/lib/*/faketime/libfaketime.so.1", "usr/lib*/faketime/libfaketime.so.1")
"""Where Debian and others have libfaketime."""
PROGRAM = """
import datetime, os, sys, time
file, library = sys.argv[1:3]
true, local, written, date = time.time, time.localtime, time.strftime, datetime.datetime
def now():
    return true() + int(open(file).read())
class Date(date):
    @classmethod
    def now(cls, tz=None):
        return cls.fromtimestamp(now(), tz)
time.time = now
time.localtime = lambda moment=None: local(now() if moment is None else moment)
time.strftime = lambda form, when=None: written(form, when or time.localtime())
datetime.datetime = Date
os.environ |= {
    "LD_PRELOAD": library,
    "FAKETIME_TIMESTAMP_FILE": file,
    "FAKETIME_NO_CACHE": "1",
    "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    "NO_FAKE_STAT": "1",
}
from tunnel_tui.cli.main import main
sys.exit(main(sys.argv[3:]))
"""
"""The clock of Python is replaced within: under libfaketime its sleep fails (EINVAL)."""


class Clock:
    """The wall clock of all that is started in a home; the steady one and files keep theirs."""

    def __init__(self, site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
        found = [path for place in PLACES for path in Path("/").glob(place)]
        if not found:
            pytest.skip("libfaketime is not installed")
        self._file = site.home.path / "clock"
        self.jump(0)
        python = site.home.command()[0]
        before = [python, "-c", PROGRAM, str(self._file), str(found[0])]
        monkeypatch.setattr(site.home, "command", lambda *words: [*before, *words])

    def jump(self, seconds: int) -> None:
        """Set it so far from the true time."""
        new = self._file.with_suffix(".new")
        new.write_text(f"{seconds:+d}\n")
        new.replace(self._file)


def uptimes(site: Site) -> list[str]:
    """What the app shows in the column of uptimes."""
    assert site.app
    rows = (line for line in site.app.text.splitlines() if "RUNNING" in line and "⇒" in line)
    found = (re.search(r"\s{2}(-?\d+[smhd](?: ?\d+[smhd])?)\s", row) for row in rows)
    return [match[1] for match in found if match]


@pytest.mark.slow
@pytest.mark.parametrize(("hours", "words"), [(2, "2 h forward"), (-1, "1 h back")])
def test_clock_jump(
    site: Site, fault: Fault, monkeypatch: pytest.MonkeyPatch, hours: int, words: str
) -> None:
    """What stands stays, what fails goes on being tried, and nobody shows hours of uptime."""
    fault.describe(
        NETWORK, f"clock set {words}", "for watcher, app and every ssh; a server is away"
    )
    clock = Clock(site, monkeypatch)
    site.home.add_host("away", free_port())
    away = inward(site.echo.port, free_port(), name="away", host="away")
    good = site.tunnels()
    site.configure(*good, away)
    watcher = site.watch()
    site.open_app()
    site.wait_well(*good)
    site.wait_badge(away, DOWN)
    before = {spec.name: site.ssh_pid(spec) for spec in good}
    tries = site.home.log(away.hash).count("starting ssh")
    clock.jump(3600 * hours)
    with fault.noticing():
        watcher.wait_for("network-changed", 20)
    wait_until(
        lambda: site.home.log(away.hash).count("starting ssh") >= tries + 3, 40, "further attempts"
    )
    for spec in good:
        assert site.status(spec).state is State.RUNNING
        assert site.carries(spec)
        site.wait_badge(spec, "RUNNING")
    assert {spec.name: site.ssh_pid(spec) for spec in good} == before
    shown = wait_until(lambda: uptimes(site), 5, "uptimes")
    assert not [text for text in shown if "h" in text or "d" in text or "-" in text], shown
    with fault.recovering():
        os.kill(before["web-0"], signal.SIGKILL)
        wait_until(lambda: not alive(before["web-0"]), what="its end")
        site.wait_well(*good)
    site.check(*good, away)
