"""The shared state file: any bytes can be read, nobody's line is lost, and it is a dictionary."""

import tempfile
from collections import Counter
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from tests.properties import repeatable
from tunnel_tui.model import TunnelEntry
from tunnel_tui.state.line import format_line, parse_line
from tunnel_tui.state.state_file import StateFile

HASHES = st.integers(0, 4).map(lambda number: f"{number:032x}")
PIDS = st.integers(2, 1 << 22)
NAMES = st.text(st.characters(exclude_categories=("Cc", "Cs")), max_size=20)
ENTRIES = st.builds(
    TunnelEntry,
    st.sampled_from(["u@h", "server", "ü@例え"]),
    st.sampled_from(["80", "127.0.0.1:80", "[::1]:80", "/run/a socket"]),
    st.sampled_from(["8080", "0.0.0.0:1", "~/s"]),
    st.sampled_from(["remote_to_local", "local_to_remote"]),
    NAMES,
    HASHES,
    PIDS,
)
LINES = st.one_of(
    ENTRIES.map(lambda entry: format_line(entry).encode()),
    st.binary(max_size=60).map(lambda data: data.replace(b"\n", b"")),
    st.builds(lambda entry, cut: format_line(entry).encode()[:cut], ENTRIES, st.integers(0, 80)),
    st.builds(
        lambda entry, pid: format_line(entry).encode().rpartition(b"\t")[0] + pid,
        ENTRIES,
        st.sampled_from([b"\t-1", b"\t0", b"\t1", b"\t99999999", b"\t\xb2", b"", b"\t7\t8"]),
    ),
)
CONTENTS = st.one_of(
    st.binary(max_size=400),
    st.lists(LINES, max_size=12).map(b"\n".join),
    st.lists(LINES, max_size=12).map(lambda lines: b"".join(line + b"\n" for line in lines)),
)


def file_with(directory: str, data: bytes) -> StateFile:
    path = Path(directory, "state")
    path.write_bytes(data)
    return StateFile(str(path), f"{directory}/data/locks")


@given(CONTENTS)
@repeatable(150)
def test_any_bytes_can_be_read(data: bytes) -> None:
    with tempfile.TemporaryDirectory() as directory:
        found = file_with(directory, data).read()
    assert not found.problem
    for entry in (*found.entries, *found.duplicates):
        assert parse_line(format_line(entry)) == entry
        assert entry.pid > 1
    assert len({entry.hash for entry in found.entries}) == len(found.entries)
    lines = Counter(line for line in data.decode("utf-8", "surrogateescape").split("\n") if line)
    told = [*map(format_line, (*found.entries, *found.duplicates)), *found.malformed]
    assert Counter(map(_pid_as_number, told)) == Counter(map(_pid_as_number, lines.elements()))


@given(CONTENTS, ENTRIES)
@repeatable(120)
def test_a_change_keeps_what_it_cannot_read(data: bytes, entry: TunnelEntry) -> None:
    with tempfile.TemporaryDirectory() as directory:
        state = file_with(directory, data)
        before = state.read()
        state.put(entry)
        after = state.read()
        assert Counter(after.malformed) == Counter(before.malformed)
        others = [other for other in before.entries if other.hash != entry.hash]
        assert list(after.entries) == [*others, entry]
        state.update(lambda entries: entries, keep_malformed=False)
        assert not state.read().malformed
        assert state.read().entries == after.entries


def _pid_as_number(line: str) -> str:
    """Let `007` and `7` be the same pid."""
    head, tab, pid = line.rpartition("\t")
    return f"{head}{tab}{int(pid)}" if parse_line(line) else line


class StateFileMachine(RuleBasedStateMachine):
    """The file beside a dictionary, with two handles as two programs have."""

    def __init__(self) -> None:
        super().__init__()
        self.directory = tempfile.TemporaryDirectory()
        path = f"{self.directory.name}/state"
        locks = f"{self.directory.name}/data/locks"
        self.files = [StateFile(path, locks), StateFile(path, locks)]
        self.path = Path(path)
        self.model: dict[str, TunnelEntry] = {}
        self.rubbish: Counter[str] = Counter()

    def teardown(self) -> None:
        self.directory.cleanup()

    @rule(entry=ENTRIES, who=st.integers(0, 1))
    def put(self, entry: TunnelEntry, who: int) -> None:
        self.files[who].put(entry)
        self.model.pop(entry.hash, None)
        self.model[entry.hash] = entry

    @rule(tunnel_hash=HASHES, who=st.integers(0, 1))
    def remove(self, tunnel_hash: str, who: int) -> None:
        removed = self.files[who].remove(tunnel_hash)
        assert removed == (self.model.pop(tunnel_hash, None) is not None)

    @rule(tunnel_hash=HASHES, who=st.integers(0, 1), exact=st.booleans())
    def remove_process(self, tunnel_hash: str, who: int, exact: bool) -> None:
        known = self.model.get(tunnel_hash)
        pid = known.pid if known and exact else 4242
        removed = self.files[who].remove(tunnel_hash, pid)
        assert removed == (known is not None and known.pid == pid)
        if removed:
            del self.model[tunnel_hash]

    @rule(line=st.sampled_from(["rubbish", "a\tb", "\udcff\udcfe", "x" * 5000]))
    def somebody_appends(self, line: str) -> None:
        with self.path.open("ab") as file:
            file.write(line.encode("utf-8", "surrogateescape") + b"\n")
        self.rubbish[line] += 1

    @rule(who=st.integers(0, 1))
    def repair(self, who: int) -> None:
        self.files[who].update(lambda entries: entries, keep_malformed=False)
        self.rubbish.clear()

    @rule(who=st.integers(0, 1))
    def clear(self, who: int) -> None:
        self.files[who].clear()
        self.model.clear()
        self.rubbish.clear()

    @rule()
    def delete(self) -> None:
        self.path.unlink(missing_ok=True)
        self.model.clear()
        self.rubbish.clear()

    @invariant()
    def everybody_reads_the_same(self) -> None:
        for file in self.files:
            found = file.read()
            assert list(found.entries) == list(self.model.values())
            assert Counter(found.malformed) == self.rubbish
            assert not found.duplicates
            assert not found.problem


TestStateFile = StateFileMachine.TestCase
TestStateFile.settings = repeatable(40, steps=25)
