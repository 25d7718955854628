"""Logs as a person sees them: any size, any bytes, whatever becomes of the file."""

import os
import re
import time
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pytest

from tunnel_tui.settings import LOG_CAP
from tunnel_tui.ssh.log.line_class import (
    LineClass,
    LogFollower,
    cap_log,
    classify,
    read_tail,
    sanitise,
    split_line,
    tail_lines,
)
from tunnel_tui.ssh.log.retained_lines import what_stays

CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\u2028\u2029]")


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "tunnel.log"


@pytest.fixture
def follower(log: Path) -> Iterator[LogFollower]:
    follower = LogFollower(str(log))
    yield follower
    follower.close()


def append(log: Path, text: str | bytes) -> None:
    with log.open("ab") as file:
        file.write(text.encode() if isinstance(text, str) else text)


def drain(follower: LogFollower) -> list[str]:
    lines: list[str] = []
    while True:
        update = follower.poll()
        lines = [] if update.reset else lines
        lines += update.lines
        if not update.more:
            return lines


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain", "plain"),
        ("a\x1b[31mb", "a^[[31mb"),
        ("\x9b2J", "\\x9b2J"),
        ("bell\x07\x00\x7f", "bell^G^@^?"),
        ("a\tb", "a    b"),
        ("\u202egnp.exe", "\\u202egnp.exe"),
        ("日本 🚇 é", "日本 🚇 é"),
        ("x\ud800y", "x\ufffdy"),
        ("1\u20282\n3", "1\\u20282^J3"),
    ],
)
def test_sanitise_shows_what_would_act(text: str, shown: str) -> None:
    assert sanitise(text) == shown


def test_sanitise_of_everything_leaves_nothing_that_acts() -> None:
    everything = "".join(map(chr, range(0x11000)))
    shown = sanitise(everything)
    assert not CONTROL.search(shown)
    shown.encode()
    assert sanitise("a" * 100, 10) == "a" * 10 + " … (90 more characters)"


def test_tail_of_absent_empty_short_and_unfinished(log: Path) -> None:
    assert tail_lines(str(log), 5) == []
    assert read_tail(str(log), 10) == b""
    log.write_text("")
    assert tail_lines(str(log), 5) == []
    log.write_text("one\r\ntwo\n\nthree")
    assert tail_lines(str(log), 5) == ["one", "two", "", "three"]
    assert tail_lines(str(log), 2) == ["", "three"]
    assert tail_lines(str(log), 0) == []
    assert read_tail(str(log), 4) == b"hree"
    log.write_text("\n\n\n")
    assert tail_lines(str(log), 5) == ["", "", ""]


def test_tail_does_not_follow_symlinks_nor_wait_for_fifos(log: Path, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret")
    log.symlink_to(tmp_path / "secret")
    assert tail_lines(str(log), 5) == []
    log.unlink()
    os.mkfifo(log)
    assert tail_lines(str(log), 5) == []
    log.unlink()
    log.mkdir()
    assert read_tail(str(log), 5) == b""


def test_the_tail_of_a_gigabyte_comes_at_once_and_in_little_memory(log: Path) -> None:
    with log.open("wb") as file:
        file.truncate(1 << 30)  # sparse: a gigabyte of NUL, then lines
        file.seek(1 << 30)
        for number in range(5000):
            file.write(b"line %d\n" % number)
    tracemalloc.start()
    begin = time.perf_counter()
    lines = tail_lines(str(log), 1000)
    follower = LogFollower(str(log))
    assert follower.open(1000) == lines
    assert drain(follower) == []
    took = time.perf_counter() - begin
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    follower.close()
    assert lines == [f"line {number}" for number in range(4000, 5000)]
    assert took < 1.0
    assert peak < 10_000_000


def test_a_hundred_megabyte_line_is_shortened(log: Path, follower: LogFollower) -> None:
    with log.open("wb") as file:
        file.write(b"first\n")
        file.truncate(100_000_000)
        file.seek(100_000_000)
        file.write(b"\nlast\n")
    tracemalloc.start()
    lines = tail_lines(str(log), 3)
    assert lines[-1] == "last"
    assert all(len(line) < 10_000 for line in lines)
    follower.open(3)
    append(log, "x" * 1_000_000)
    append(log, b"y" * 30_000_000)
    shown = drain(follower)
    append(log, "z\nafter\n")
    shown += drain(follower)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert shown[-1] == "after"
    assert all(len(line) < 10_000 for line in shown)
    assert len(shown) < 10
    assert peak < 64_000_000


def test_following(log: Path, follower: LogFollower) -> None:
    append(log, "a\nb\nc\n")
    assert follower.open(2) == ["b", "c"]
    assert follower.poll().lines == []
    append(log, "d\ne")
    assert follower.poll().lines == ["d"]
    append(log, "f\n")
    update = follower.poll()
    assert (update.reset, update.lines) == (False, ["ef"])


def test_a_line_that_nobody_finishes_is_shown_after_a_while(
    log: Path, follower: LogFollower
) -> None:
    append(log, "a\n")
    follower.open(5)
    append(log, "last words")
    shown = [line for _ in range(3) for line in follower.poll().lines]
    assert shown == ["last words"]
    append(log, "\nmore\n")
    assert drain(follower)[-1] == "more"


def test_characters_and_escapes_cut_by_a_poll(log: Path, follower: LogFollower) -> None:
    append(log, "")
    follower.open(5)
    raw = "é🚇\x1b[2J".encode()
    for byte in raw:
        append(log, bytes([byte]))
        follower._read_new()
        follower._idle = False
    append(log, b"\xff\n")
    assert follower.poll().lines == ["é🚇^[[2J\ufffd"]


def test_truncation_deletion_recreation_rotation(log: Path, follower: LogFollower) -> None:
    assert follower.open(5) == []
    assert follower.poll().lines == []
    append(log, "born\n")
    assert follower.poll() == (True, ["born"], False)
    os.truncate(log, 0)
    append(log, "new\n")
    update = follower.poll()
    assert (update.reset, update.lines) == (True, ["new"])
    log.unlink()
    update = follower.poll()
    assert (update.reset, list(update.lines)) == (True, [])
    assert follower.poll().lines == []
    append(log, "again\n")
    update = follower.poll()
    assert (update.reset, update.lines) == (True, ["again"])
    append(log, "before rotation\n")
    log.rename(log.with_suffix(".1"))
    append(log.with_suffix(".1"), "late\n")
    append(log, "after rotation\n")
    assert follower.poll().lines == ["before rotation", "late"]
    update = follower.poll()
    assert (update.reset, update.lines) == (True, ["after rotation"])
    log.unlink()
    log.symlink_to(log.with_suffix(".1"))
    assert drain(follower) == []


def test_a_file_written_anew_beyond_our_place_is_noticed(log: Path, follower: LogFollower) -> None:
    append(log, "old line\n" * 10)
    follower.open(5)
    log.write_text("new line\n" * 30)
    update = follower.poll()
    assert update.reset
    assert update.lines == ["new line"] * 30


def test_a_flood_is_bounded_per_poll_and_ends_at_the_end(log: Path, follower: LogFollower) -> None:
    append(log, "start\n")
    follower.open(5)
    with log.open("ab") as file:
        for number in range(600_000):
            file.write(b"flood %d\n" % number)
    update = follower.poll()
    assert "faster than they can be shown" in update.lines[0]
    assert len(update.lines) < 50_000
    lines = [*update.lines, *drain(follower)]
    assert lines[-1] == "flood 599999"
    assert all(line.startswith(("flood ", "…")) for line in lines)


def test_random_cuts_lose_and_invent_nothing(log: Path, follower: LogFollower) -> None:
    import random

    source = random.Random(7)
    text = "".join(f"line {n} {'x' * source.randrange(300)}\n" for n in range(2000))
    raw = text.encode()
    append(log, "")
    follower.open(1)
    shown: list[str] = []
    while raw:
        size = source.randrange(1, 5000)
        append(log, raw[:size])
        raw = raw[size:]
        shown += follower.poll().lines
    assert shown == text.splitlines()


def test_capping_keeps_the_writers_and_what_proves_the_run(log: Path) -> None:
    start = "2026/11/22 15:08:23 autossh[7154]: starting ssh (count 2)\n"
    success = "debug1: clientloop.c:client_loop():1290 (pid=7218): Entering interactive session.\n"
    log.write_text(start + success)
    writer = os.open(log, os.O_WRONLY | os.O_APPEND)
    assert not cap_log(str(log), 1000, what_stays())
    line = b"channel 2: open failed: connect failed: Connection refused\n"
    os.write(writer, line * 100)
    before = log.read_bytes()
    assert cap_log(str(log), 1000, what_stays())
    assert Path(f"{log}.1").read_bytes() == before[-2000:]
    kept = start + success + line.decode()
    assert log.read_text() == kept
    os.write(writer, b"next\n")
    os.close(writer)
    assert log.read_text() == kept + "next\n"
    assert not cap_log(str(log.with_name("absent")), 10)


def test_capping_finds_what_proves_the_run_behind_a_flood(log: Path) -> None:
    earlier = "2026/11/22 15:08:01 autossh[7154]: starting ssh (count 1)\n"
    start = "2026/11/22 15:08:23 autossh[7154]: starting ssh (count 2)\n"
    success = "debug1: clientloop.c:client_loop():1290 (pid=7218): Entering interactive session.\n"
    flood = "debug1: channel 3: free: direct-tcpip, nchannels 4\n" * 20_000
    void = "clientloop.c:client_loop():1463 (pid=7218): send disconnect: Broken pipe\n"
    with log.open("w") as file:
        file.write(earlier + success.replace("7218", "7217") + void + start + success)
        for _ in range(2 * LOG_CAP // len(flood)):
            file.write(flood)
        file.write(void + flood)
    assert cap_log(str(log), LOG_CAP, what_stays())
    kept = log.read_text()
    last = kept.removeprefix(start + success + void)
    assert len(last) + len(start + success + void) == len(kept)
    assert set(last.splitlines(keepends=True)) == {flood[: flood.index("\n") + 1]}
    assert 60_000 < len(last) <= 65_536


def test_capping_leaves_a_reader_its_last_lines(log: Path, follower: LogFollower) -> None:
    append(log, "2026/11/22 15:08:23 autossh[7154]: starting ssh (count 2)\n")
    append(log, "".join(f"line {number}\n" for number in range(2000)) + "half of")
    shown = follower.open(3)
    assert cap_log(str(log), 10_000, what_stays())
    append(log, " a line\n")
    update = follower.poll()
    assert update.reset
    assert update.lines[-3:] == [*shown[:-1], "half of a line"]
    assert log.read_text().count("starting ssh") == 1


def test_capping_does_not_repeat_a_run_that_is_in_the_last_lines(log: Path) -> None:
    success = "debug1: clientloop.c:client_loop():1290 (pid=7218): Entering interactive session.\n"
    start = "2026/11/22 15:08:{} autossh[7154]: starting ssh (count {})\n"
    append(log, start.format(23, 1) + success + "noise\n" * 2000)
    append(log, start.format(24, 2) + success + "more\n")
    assert cap_log(str(log), 10_000, what_stays())
    kept = log.read_text()
    assert "count 1" not in kept
    assert kept.endswith("noise\n" + start.format(24, 2) + success + "more\n")


def test_capping_keeps_no_piece_of_a_line_without_an_end(log: Path) -> None:
    append(log, "2026/11/22 15:08:23 autossh[7154]: starting ssh (count 2)\n" + "m" * 50_000)
    assert cap_log(str(log), 10_000, what_stays())
    assert log.read_text() == "2026/11/22 15:08:23 autossh[7154]: starting ssh (count 2)\n"


def test_capping_does_not_follow_symlinks(log: Path, tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("v" * 5000)
    log.symlink_to(victim)
    assert not cap_log(str(log), 100, what_stays())
    log.unlink()
    log.write_text("l" * 5000)
    Path(f"{log}.1").symlink_to(victim)
    with pytest.raises(Exception, match="link"):
        cap_log(str(log), 100, what_stays())
    assert victim.read_text() == "v" * 5000
    assert log.stat().st_size == 5000


@pytest.mark.parametrize(
    ("line", "time_", "source", "text", "meaning"),
    [
        (
            "2026/11/22 14:02:07 tunnel-tui[12]: starting web",
            "14:02:07",
            "tunnel-tui",
            "starting web",
            LineClass.MARKER,
        ),
        (
            "2026/11/22 14:02:07 autossh[12]: ssh child pid is 13",
            "14:02:07",
            "autossh",
            "ssh child pid is 13",
            LineClass.DIM,
        ),
        (
            "2026/11/22 14:02:07 autossh[12]: ssh exited with error status 255; restarting ssh",
            "14:02:07",
            "autossh",
            "ssh exited with error status 255; restarting ssh",
            LineClass.FAILURE,
        ),
        (
            "debug1: clientloop.c:client_loop():1290 (pid=7218): Entering interactive session.",
            "",
            "ssh",
            "Entering interactive session.",
            LineClass.SUCCESS,
        ),
        (
            "[2026-11-22 14:02:07] [INFO] [AUTOSSH] Starting SSH tunnel",
            "14:02:07",
            "script",
            "Starting SSH tunnel",
            LineClass.MARKER,
        ),
        (
            "ssh: connect to host h port 22: Connection refused",
            "",
            "ssh",
            "ssh: connect to host h port 22: Connection refused",
            LineClass.FAILURE,
        ),
        ("hello", "", "ssh", "hello", LineClass.PLAIN),
        (
            "channel 2: open failed: connect failed: Connection refused",
            "",
            "ssh",
            "channel 2: open failed: connect failed: Connection refused",
            LineClass.WARNING,
        ),
    ],
)
def test_lines_are_split_and_classified(
    line: str, time_: str, source: str, text: str, meaning: LineClass
) -> None:
    assert split_line(line) == (time_, source, text)
    assert classify(line) is meaning
