"""The app on watch: it applies changes by itself while no other watcher does."""

import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.tui.fake import FakeEngine, showcase, spec
from tests.tui.files import CONFIG, settle
from tests.tui.support import opened, text_of, until
from tunnel_tui.config.plan import Plan
from tunnel_tui.settings import Settings
from tunnel_tui.supervise.monitor.monitor import Snapshot
from tunnel_tui.supervise.process.watcher_lock import WatcherLock
from tunnel_tui.supervise.watch.watcher import watcher_state
from tunnel_tui.tui.engine import background_watcher
from tunnel_tui.tui.engine.background_watcher import OWN
from tunnel_tui.tui.engine.live_engine import LiveEngine
from tunnel_tui.tui.shell import app as app_module

Engines = Callable[[Settings], tuple[LiveEngine, list[Snapshot]]]


@pytest.fixture
def open_engine(monkeypatch: pytest.MonkeyPatch) -> Iterator[Engines]:
    monkeypatch.setattr(background_watcher, "RETRY", 0.05)
    engines: list[LiveEngine] = []

    def open_one(settings: Settings) -> tuple[LiveEngine, list[Snapshot]]:
        seen: list[Snapshot] = []
        engine = LiveEngine(settings, watching=True)
        engine.watch(seen.append)
        engines.append(engine)
        return engine, seen

    yield open_one
    for engine in engines:
        engine.close()


def wait(condition: Callable[[], object], what: str) -> None:
    end = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < end, what
        threading.Event().wait(0.01)


def test_it_watches_where_nobody_does(tmp_path: Path, open_engine: Engines) -> None:
    settings = settle(tmp_path)
    engine, seen = open_engine(settings)
    wait(lambda: seen and seen[-1].watcher == OWN, "it says so")
    assert watcher_state(settings).pid == os.getpid()
    engine.close()
    assert not watcher_state(settings).running, "the watch is free again"


def test_why_it_cannot_watch_is_said(tmp_path: Path, open_engine: Engines) -> None:
    settings = settle(tmp_path)
    os.rmdir(settings.log_dir)
    os.symlink(tmp_path, settings.log_dir)
    _, seen = open_engine(settings)
    wait(lambda: seen and "cannot watch" in seen[-1].trouble, "the trouble")
    assert settings.log_dir in seen[-1].trouble


def test_opening_an_app_starts_nothing(tmp_path: Path, open_engine: Engines) -> None:
    settings = settle(tmp_path)
    _, seen = open_engine(settings)
    wait(lambda: seen and seen[-1].watcher == OWN, "on watch")
    assert Path(settings.state_file).read_text() == ""


def test_a_removed_tunnel_is_taken_out_by_itself(tmp_path: Path, open_engine: Engines) -> None:
    settings = settle(tmp_path)
    _, seen = open_engine(settings)
    wait(lambda: seen and seen[-1].watcher == OWN, "on watch")
    log = Path(settings.data_dir) / "watcher.log"
    wait(lambda: log.exists() and "event=adopted" in log.read_text(), "the file is in force")
    known = seen[-1].config.tunnels[0]
    line = (known.remote_host, known.remote_port, known.local_port, "remote_to_local")
    entry = "\t".join((*line, known.name, known.hash, "999999")) + "\n"
    Path(settings.state_file).write_text(entry)
    wait(lambda: any(s.state == "DEAD" for s in seen[-1].statuses), "its entry is seen")
    Path(settings.config_file).write_text(CONFIG.replace("grafana", "loki").replace("3000", "1"))
    wait(lambda: known.hash not in Path(settings.state_file).read_text(), "the entry goes")


def test_another_watcher_is_left_alone_until_it_goes(tmp_path: Path, open_engine: Engines) -> None:
    settings = settle(tmp_path)
    other = WatcherLock(settings, "daemon")
    other.take()
    _, seen = open_engine(settings)
    wait(lambda: seen, "the first look")
    assert seen[-1].watcher == f"pid {os.getpid()}", "the holder of the lock"
    other.release()
    wait(lambda: seen[-1].watcher == OWN, "its turn")


async def test_the_header_says_who_watches_and_leaves_the_plan_to_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(app_module, "PATIENCE", 0.2)
    engine = FakeEngine(showcase(1_800_000_000.0))
    engine.watcher = ""
    async with opened(engine) as (app, pilot):
        assert "watcher off" in text_of(app)[0]
        engine.plan = Plan(start=(spec("a"),))
        engine.publish()
        await until(pilot, lambda: "p shows" in text_of(app)[0], "offered while nobody watches")
        engine.watcher = "pid 123"
        engine.publish()
        await until(pilot, lambda: "watcher pid 123" in text_of(app)[0], "who")
        assert "p shows" not in text_of(app)[0]
        engine.watcher = OWN
        engine.publish()
        await until(pilot, lambda: "watcher on (this app)" in text_of(app)[0], "us")
        await until(pilot, lambda: "p shows" in text_of(app)[0], "what we left undone")
