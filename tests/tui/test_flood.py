"""What a flood must not do: move what a person reads or points at, or fill the memory.

In CI these take seconds. For as long as it was promised:

    FLOOD_SECONDS=60 RESTLESS_SECONDS=600 pytest -s --timeout 0 tests/tui/test_flood.py
"""

import os
import statistics
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.tui.fake import FakeEngine
from tests.tui.restless import Restless, make_engine
from tests.tui.support import line_with, main_of, opened, until
from tests.tui.test_log import FileEngine, first_line
from tunnel_tui.tui.log.buffer import MAX_LINES, SLACK
from tunnel_tui.tui.shell.app import TunnelApp

FLOOD_SECONDS = float(os.environ.get("FLOOD_SECONDS", "5"))
RESTLESS_SECONDS = float(os.environ.get("RESTLESS_SECONDS", "6"))
LINES = 20_000
"""Per second, in a flood."""
TUNNELS, CHANGES = 200, 20


def resident() -> float:
    """Memory of this process, in MB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / (1 << 20)


def slope(readings: list[tuple[float, float]]) -> float:
    """MB per ten minutes."""
    times, values = zip(*readings, strict=True)
    return statistics.linear_regression(times, values).slope * 600


class Flood:
    """Writes 20,000 lines per second, and now and then truncates or rotates the log."""

    def __init__(self, path: Path, seconds: float) -> None:
        self.written = self.truncated = self.rotated = 0
        self._path = path
        self._turn = seconds / 5.5  # none at the very end
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> "Flood":
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._ending.set()
        self._thread.join()

    def _run(self) -> None:
        step, due = LINES // 50, time.monotonic()
        next_harm, file = due + self._turn, self._path.open("a")
        while not self._ending.wait(max(0.0, due - time.monotonic())):
            due += 1 / 50
            numbers = range(self.written, self.written + step)
            file.write("".join(f"flood {number} {'x' * 40}\n" for number in numbers))
            file.flush()
            self.written += step
            if time.monotonic() > next_harm:
                next_harm += self._turn
                if self.truncated > self.rotated:
                    self._path.rename(self._path.with_suffix(".1"))
                    file.close()
                    file = self._path.open("a")
                    self.rotated += 1
                else:
                    file.truncate(0)
                    self.truncated += 1
        file.close()


@pytest.mark.timeout(FLOOD_SECONDS + 60)
async def test_the_reader_keeps_the_place_and_memory_is_bounded(tmp_path: Path) -> None:
    engine = FileEngine(tmp_path)
    engine.shown.write_text("".join(f"line {n}\n" for n in range(1500)))
    async with opened(engine) as (app, pilot):
        await until(pilot, lambda: line_with(app, "line 1499"))
        await pilot.press("l", "ctrl+u", "ctrl+u", "k")
        log, place = main_of(app).log_view, first_line(app)
        assert place.startswith("line 1")
        readings, looks = [], 0
        start = time.monotonic()
        with Flood(engine.shown, FLOOD_SECONDS) as flood:
            while (passed := time.monotonic() - start) < FLOOD_SECONDS:
                await pilot.pause(0.05)
                looks += 1
                assert first_line(app) == place, f"after {passed:.1f} s"
                if passed > FLOOD_SECONDS / 4:
                    readings.append((passed, resident()))
        assert flood.written > LINES * FLOOD_SECONDS * 0.5, "the machine could not flood it"
        assert flood.truncated
        assert flood.rotated
        assert len(log.buffer.lines) + len(log._withheld) <= 2 * MAX_LINES + SLACK
        grown = max(value for _, value in readings) - readings[0][1]
        print(
            f"\n{flood.written:,} lines in {FLOOD_SECONDS:.0f} s, {flood.truncated} truncations, "
            f"{flood.rotated} rotations, {looks} looks at the place; memory from "
            f"{readings[0][1]:.1f} MB, at most {grown:+.1f} MB"
        )
        assert grown < 12, "MB: old lines are not let go"
        await pilot.press("f")
        await until(pilot, lambda: line_with(app, f"flood {flood.written - 1}"), "the newest")


@contextmanager
def restless(engine: FakeEngine) -> Iterator[None]:
    tunnels = Restless(engine, CHANGES)
    tunnels.start()
    try:
        yield
    finally:
        tunnels.stop()


def cursor_line(app: TunnelApp) -> int:
    table = main_of(app).table
    return table._cursor - table.scroll_offset.y


def drawn_name(app: TunnelApp) -> str:
    """The name on the line that has the cursor, as the screen shows it."""
    line = line_with(app, "▌", "tunnel-")
    return line[line.index("tunnel-") :].split()[0] if line else ""


@pytest.mark.timeout(RESTLESS_SECONDS + 60)
async def test_nothing_jumps_while_tunnels_change(tmp_path: Path) -> None:
    engine = make_engine(TUNNELS)
    async with opened(engine) as (app, pilot):
        rows, table = app.context.rows, main_of(app).table
        await pilot.press("o")
        await until(pilot, lambda: line_with(app, "by name") or rows.order.value == "by name")
        await pilot.press("pagedown", "pagedown", "pagedown", "pagedown", "space", "space", "k")
        marked = {row.key for row in rows.marked}
        key, line, name = table.key, cursor_line(app), drawn_name(app)
        readings: list[tuple[float, float]] = []
        start, half = time.monotonic(), RESTLESS_SECONDS / 2
        with restless(engine):
            while (passed := time.monotonic() - start) < half:
                await pilot.pause(0.05)
                assert (table.key, cursor_line(app), drawn_name(app)) == (key, line, name)
                assert {row.key for row in rows.marked} == marked
                if not readings or passed - readings[-1][0] > RESTLESS_SECONDS / 60:
                    readings.append((passed, resident()))
            while rows.order.value != "worst first":
                await pilot.press("o")
            lines = set()
            while (passed := time.monotonic() - start) < RESTLESS_SECONDS:
                await pilot.pause(0.05)
                assert (table.key, drawn_name(app)) == (key, name), "the cursor follows its tunnel"
                assert 0 <= cursor_line(app) < table.size.height, "and stays in sight"
                assert {row.key for row in rows.marked} == marked
                lines.add(table._cursor)
                if passed - readings[-1][0] > RESTLESS_SECONDS / 60:
                    readings.append((passed, resident()))
        assert len(lines) > 1, "it has moved with its tunnel"
        print("\nMB, every twelfth of the time:", *(f"{mb:.1f}" for _, mb in readings[::5]))
        # The second order has its own pictures to keep: each is given half of its time to settle.
        for begin, end in ((0.25, 0.5), (0.75, 1.0)):
            part = [(at, mb) for at, mb in readings if begin < at / RESTLESS_SECONDS <= end]
            if RESTLESS_SECONDS >= 300:
                assert slope(part) < 1.0, "MB in ten minutes"
