"""The log pane: looking for words, copying, merging, and holding the reader's place."""

import os
import sys
import time
import tracemalloc
from pathlib import Path

import pytest

from tests.tui.fake import FakeEngine, showcase
from tests.tui.support import line_with, main_of, notes, opened, text_of, until
from tunnel_tui.logs.follow import LogUpdate
from tunnel_tui.model import State
from tunnel_tui.ssh.log.line_class import LineClass, LogFollower, classify
from tunnel_tui.tui.format.text import Tone
from tunnel_tui.tui.log.buffer import MAX_LINES, LogBuffer, spans_of
from tunnel_tui.tui.log.merged_log import SEPARATOR, MergedFollower

NOW = 1_800_000_000.0


class FileEngine(FakeEngine):
    """Follows real files, for what files do to a reader."""

    def __init__(self, directory: Path) -> None:
        super().__init__(showcase(NOW))
        self.directory = directory

    def follow(self, tunnel_hash: str) -> LogFollower:  # type: ignore[override]
        return LogFollower(str(self.path(tunnel_hash)))

    def path(self, tunnel_hash: str) -> Path:
        return self.directory / f"{tunnel_hash}.log"

    @property
    def shown(self) -> Path:
        return self.path(self.statuses[2].spec.hash)


@pytest.fixture
def engine() -> FakeEngine:
    return FakeEngine(showcase(NOW))


def first_line(app: object) -> str:
    log = main_of(app).log_view  # type: ignore[arg-type]
    return log.lines_in_sight()[0]


def test_keep_alive_noise_is_dim() -> None:
    line = "debug1: packet.c:ssh_packet_read_poll_seqnr():1609 (pid=7): Received SSH2_MSG_IGNORE"
    assert classify(line) is LineClass.DIM


def test_matches_are_cut_out() -> None:
    spans = spans_of("Ab ab xAB", Tone.PLAIN, "ab")
    assert [span.text for span in spans if span.tone is Tone.MATCH] == ["Ab", "ab", "AB"]
    assert "".join(span.text for span in spans) == "Ab ab xAB"


def test_the_merged_log_is_in_the_order_of_time(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("2026/11/22 14:00:01 autossh[1]: one\nits own\n")
    (tmp_path / "b").write_text(
        "2026/11/22 13:59:59 autossh[2]: zero\n2026/11/22 14:00:02 x[3]: two\n"
    )
    merged = MergedFollower([(name, LogFollower(str(tmp_path / name))) for name in "ab"])
    lines = [line.split(SEPARATOR) for line in merged.open(100)]
    assert [(name, text[-4:].strip()) for name, text in lines] == [
        ("b", "zero"), ("a", "one"), ("a", "own"), ("b", "two"),
    ]  # fmt: skip
    with (tmp_path / "b").open("a") as file:
        file.write("three\n")
    assert merged.poll().lines == [f"b{SEPARATOR}three"]
    merged.close()


async def test_search_walks_the_matches(engine: FakeEngine) -> None:
    key = engine.statuses[2].spec.hash
    engine.logs[key] = [f"line {n} {'Needle' if n % 100 == 7 else 'hay'}" for n in range(1000)]
    async with opened(engine) as (app, pilot):
        await until(pilot, lambda: line_with(app, "line 999"))
        await pilot.press("l", "slash", *"needle", "enter")
        await until(pilot, lambda: line_with(app, "line 907 Needle"), "the nearest at once")
        assert line_with(app, "10 of 1000")
        await pilot.press("N")
        await until(pilot, lambda: line_with(app, "▌", "line 907 ") or line_with(app, "line 807 "))
        await pilot.press("N")
        await until(pilot, lambda: line_with(app, "▌", "line 807 ") or line_with(app, "line 707 "))
        await pilot.press("n", "n")
        await until(pilot, lambda: line_with(app, "line 907 "))
        for _ in range(3):
            await pilot.press("n")
        assert any("none further down" in note for note in notes(app))
        await pilot.press("escape")
        assert not line_with(app, "10 of 1000")


async def test_slash_in_the_table_filters(engine: FakeEngine) -> None:
    async with opened(engine) as (app, pilot):
        await pilot.press("slash", *"grafana", "enter")
        await until(pilot, lambda: line_with(app, "1 of 9"))
        assert main_of(app).log_view.words == ""


async def test_the_lines_in_sight_are_copied_as_they_are(engine: FakeEngine) -> None:
    key = engine.statuses[2].spec.hash
    engine.logs[key] = ["2026/11/22 14:02:01 autossh[200]: starting ssh (count 1)", "x" * 400]
    async with opened(engine) as (app, pilot):
        await until(pilot, lambda: line_with(app, "starting ssh"))
        await pilot.press("l", "y")
        assert app.clipboard == "\n".join(engine.logs[key])


async def test_a_selection_is_copied(engine: FakeEngine) -> None:
    key = engine.statuses[2].spec.hash
    engine.logs[key] = [f"line {n}" for n in range(5)]
    async with opened(engine) as (app, pilot):
        await until(pilot, lambda: line_with(app, "line 4"))
        await pilot.mouse_down("#log", offset=(22, 1))
        await pilot.hover("#log", offset=(26, 3))
        await pilot.mouse_up("#log", offset=(26, 3))
        await pilot.press("l", "y")
        assert app.clipboard == "line 1\nline 2\nline 3"


async def test_all_logs_as_one(engine: FakeEngine) -> None:
    for index, name in ((0, "done-hub"), (2, "db-replica")):
        engine.logs[engine.statuses[index].spec.hash] = [f"from {name}"]
    async with opened(engine) as (app, pilot):
        await until(pilot, lambda: line_with(app, "from db-replica"))
        await pilot.press("L")
        await until(pilot, lambda: line_with(app, "done-h", "from done-hub"))
        assert line_with(app, "all logs")
        with engine.lock:
            engine.news[engine.statuses[0].spec.hash] = LogUpdate(False, ["one more"])
        await until(pilot, lambda: line_with(app, "done-h", "one more"))
        await pilot.press("L")
        await until(pilot, lambda: not line_with(app, "from done-hub"))
        await pilot.press("t", "k")
        await until(pilot, lambda: line_with(app, "db-rep", "from db-replica"), "a host's logs")


async def test_the_place_is_held_through_floods_truncation_and_rotation(tmp_path: Path) -> None:
    engine = FileEngine(tmp_path)
    path = engine.shown
    path.write_text("".join(f"line {n}\n" for n in range(1500)))
    async with opened(engine) as (app, pilot):
        await until(pilot, lambda: line_with(app, "line 1499"))
        await pilot.press("l", "ctrl+u", "ctrl+u", "k")
        place = first_line(app)
        assert place.startswith("line 1")
        written = 0
        with path.open("a") as log:
            for _ in range(20):
                log.writelines(f"flood {written + n} {'x' * 40}\n" for n in range(2000))
                log.flush()
                written += 2000
                await pilot.pause(0.05)
                assert first_line(app) == place
        with path.open("w") as log:
            log.write("truncated\n")
        await pilot.pause(0.3)
        assert first_line(app) == place
        path.rename(tmp_path / "old")
        path.write_text("rotated\n")
        await pilot.pause(0.3)
        assert first_line(app) == place
        path.unlink()
        await pilot.pause(0.3)
        assert first_line(app) == place
        path.write_text("made again\n")
        await pilot.pause(0.3)
        assert first_line(app) == place
        assert len(main_of(app).log_view.buffer.lines) <= MAX_LINES * 1.3
        await pilot.press("f")
        await until(pilot, lambda: line_with(app, "made again"), "the newest is there")


async def test_a_gigabyte_opens_at_once(tmp_path: Path) -> None:
    engine = FileEngine(tmp_path)
    with engine.shown.open("wb") as log:
        log.truncate(1 << 30)
        log.seek(0, os.SEEK_END)
        log.writelines(b"line %d\n" % n for n in range(10_000))
    start = time.monotonic()
    follower = LogFollower(str(engine.shown))
    assert follower.open(2000)[-1] == "line 9999"
    follower.close()
    assert time.monotonic() - start < 0.5
    async with opened(engine) as (app, pilot):
        await until(pilot, lambda: line_with(app, "line 9999"))


def test_memory_is_bounded_under_a_flood() -> None:
    buffer = LogBuffer()
    tracemalloc.start()
    for start in range(0, 200_000, 2000):
        buffer.append([f"line {n} {'x' * 80}" for n in range(start, start + 2000)])
        if start == 20_000:
            before = tracemalloc.get_traced_memory()[0]
    after = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert after < before * 1.5 + 1_000_000
    assert sys.getsizeof(buffer.lines) < 1_000_000


async def test_a_reader_survives_the_stop_of_its_tunnel(engine: FakeEngine) -> None:
    key = engine.statuses[2].spec.hash
    engine.logs[key] = [f"line {n}" for n in range(500)]
    async with opened(engine) as (app, pilot):
        await until(pilot, lambda: line_with(app, "line 499"))
        await pilot.press("l", "ctrl+u")
        place = first_line(app)
        with engine.lock:
            engine.news[key] = LogUpdate(True, ["2026/11/22 15:00:00 tunnel-tui[1]: starting"])
        engine.become("db-replica", State.STARTING)
        await until(pilot, lambda: line_with(app, "new below"))
        assert first_line(app) == place
        assert text_of(app)


async def test_a_flood_leaves_what_is_above_the_reader(engine: FakeEngine) -> None:
    key = engine.statuses[2].spec.hash
    engine.logs[key] = [f"line {n}" for n in range(2000)]
    async with opened(engine) as (app, pilot):
        await until(pilot, lambda: line_with(app, "line 1999"))
        await pilot.press("l", "ctrl+u")
        place = first_line(app)
        for begin in range(2000, 20_000, 3000):
            with engine.lock:
                engine.news[key] = LogUpdate(False, [f"line {begin + n}" for n in range(3000)])
            await until(pilot, lambda: key not in engine.news)
        assert first_line(app) == place
        await pilot.press("g")
        await until(pilot, lambda: line_with(app, "line 0 "))
