"""Logs: nothing that acts on a terminal comes out; a follower sees what a re-read would."""

import os
import re
import tempfile
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule

from tests.properties import repeatable
from tunnel_tui.ssh.log.line_class import (
    LogFollower,
    classify,
    decode,
    sanitise,
    split_line,
    tail_lines,
)

ACTING = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ud800-\udfff\ufeff]"
)
ESCAPES = st.sampled_from(
    (
        *(b"\x1b[31m", b"\x1b]0;t\x07", b"\x1b]52;c;aGk=\x07", b"\x1bP$q\x1b\\", b"\x1bc"),
        *(b"\x9b2J", b"\xc2\x9b2J", b"\xe2\x80\xae", b"\xe2\x80\xa8", b"\xff\xfe", b"\xf0\x9f"),
        *(b"\r", b"\b", b"\n"),
    )
)
BYTES = st.lists(st.one_of(ESCAPES, st.binary(max_size=20), st.text().map(str.encode))).map(
    b"".join
)


@given(st.text(st.characters()), st.none() | st.integers(0, 50))
@repeatable(400)
def test_no_text_acts_on_a_terminal(text: str, limit: int | None) -> None:
    shown = sanitise(text, limit)
    assert not ACTING.search(shown)
    assert limit is None or len(shown) <= 6 * limit + 40


@given(BYTES)
@repeatable(400)
def test_no_bytes_act_on_a_terminal(data: bytes) -> None:
    shown = decode(data)
    assert not ACTING.search(shown)
    classify(shown)
    assert not ACTING.search("".join(split_line(shown)))


@given(BYTES, st.integers(0, 12), st.integers(0, 3), st.integers(0, 200_000))
@repeatable(200)
def test_the_tail_is_the_end_of_the_whole(data: bytes, count: int, times: int, long: int) -> None:
    data = data * times + b"x" * long + b"\n" * (long % 2) + data
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory, "log")
        path.write_bytes(data)
        found = tail_lines(str(path), count)
    lines = data.removesuffix(b"\n").split(b"\n") if data else []
    assert found == [decode(line) for line in lines[max(0, len(lines) - count) :]]


class FollowerMachine(RuleBasedStateMachine):
    """A follower beside the file that it follows; every line that is written is another one."""

    def __init__(self) -> None:
        super().__init__()
        self.directory = tempfile.TemporaryDirectory()
        self.path = Path(self.directory.name, "log")
        self.follower = LogFollower(str(self.path))
        self.shown = self.follower.open(1000)
        self.number = 0
        self.whole_lines = True

    def teardown(self) -> None:
        for _ in range(4):
            self.look()  # an unfinished line is shown once nobody goes on with it
        expected = self.path.read_bytes() if self.path.exists() else b""
        lines = expected.removesuffix(b"\n").split(b"\n") if expected else []
        wanted = [decode(line) for line in lines]
        assert "".join(self.shown) == "".join(wanted)
        if self.whole_lines:
            assert self.shown == wanted
        self.follower.close()
        self.directory.cleanup()

    def text(self, count: int) -> bytes:
        """Make lines that were never written before, some of them long."""
        lines = []
        for _ in range(count):
            self.number += 1
            lines.append(b"%d said \x1b[3%dm%s" % (self.number, self.number % 8, b"." * count))
        return b"\n".join(lines)

    @rule(count=st.sampled_from([1, 3, 200]))
    def write_lines(self, count: int) -> None:
        with self.path.open("ab") as file:
            file.write(self.text(count) + b"\n")

    @rule(count=st.sampled_from([1, 2]))
    def write_part_of_a_line(self, count: int) -> None:
        self.whole_lines = False
        with self.path.open("ab") as file:
            file.write(self.text(count))

    @precondition(lambda self: self.path.exists())
    @rule(then=st.sampled_from([0, 1, 200, 1000]))
    def truncate(self, then: int) -> None:
        os.truncate(self.path, 0)
        if then:
            self.write_lines(then)

    @precondition(lambda self: self.path.exists())
    @rule(then=st.sampled_from([0, 1, 200]))
    def rotate(self, then: int) -> None:
        self.path.rename(self.path.with_suffix(".1"))
        if then:
            self.write_lines(then)

    @precondition(lambda self: self.path.exists())
    @rule(then=st.sampled_from([0, 1, 200]))
    def delete(self, then: int) -> None:
        self.path.unlink()
        if then:
            self.write_lines(then)

    @rule()
    def replace_by_a_directory_and_back(self) -> None:
        self.path.unlink(missing_ok=True)
        self.path.mkdir()
        self.look()
        self.path.rmdir()

    @rule()
    def look(self) -> None:
        more = True
        while more:
            update = self.follower.poll()
            self.shown = [] if update.reset else self.shown
            self.shown += update.lines
            more = update.more
            assert not any(ACTING.search(line) for line in update.lines)


TestFollower = FollowerMachine.TestCase
TestFollower.settings = repeatable(80, steps=25)
