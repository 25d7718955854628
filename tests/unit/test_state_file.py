"""The shared state file: hostile content, hostile places, many writers."""

import fcntl
import os
import threading
import time
from pathlib import Path

import pytest

from tunnel_tui.errors import FileRefusedError, StateFileError
from tunnel_tui.model import TunnelEntry
from tunnel_tui.state import state_file
from tunnel_tui.state.line import format_line, parse_line
from tunnel_tui.state.state_file import StateFile

SEED = (
    "cloud.usa2\t127.0.0.1:33000\t0.0.0.0:33001\tremote_to_local\tdone-hub\t"
    "7b840f8344679dff5df893eefd245043\t186"
)


def entry(number: int, pid: int = 4242) -> TunnelEntry:
    return TunnelEntry("u@h", "80", f"{8000 + number % 1000}", "remote_to_local", f"n{number}",
                       f"{number:032x}", pid)  # fmt: skip


@pytest.fixture
def state(tmp_path: Path) -> StateFile:
    return StateFile(str(tmp_path / "tunnels.state"), str(tmp_path / "data" / "locks"))


def test_the_documented_line_is_read_and_written_byte_for_byte(state: StateFile) -> None:
    found = parse_line(SEED)
    assert found == TunnelEntry(
        "cloud.usa2",
        "127.0.0.1:33000",
        "0.0.0.0:33001",
        "remote_to_local",
        "done-hub",
        "7b840f8344679dff5df893eefd245043",
        186,
    )
    assert format_line(found) == SEED
    state.put(found)
    assert Path(state.path).read_text() == SEED + "\n"
    assert os.stat(state.path).st_mode & 0o7777 == 0o666


@pytest.mark.parametrize(
    "line",
    [
        SEED.replace("\t186", "\t1"),
        SEED.replace("\t186", "\t0"),
        SEED.replace("\t186", "\t-1"),
        SEED.replace("\t186", "\t+5"),
        SEED.replace("\t186", "\t186 "),
        SEED.replace("\t186", "\t٣٤"),
        SEED.replace("\t186", "\t99999999"),
        SEED.replace("\t186", ""),
        SEED + "\t7",
        SEED.replace("7b840f", "7B840F"),
        SEED.replace("7b840f", "7b840"),
        SEED.replace("done-hub", "a\x1b[2Jb"),
        SEED.replace("done-hub", "a\udcffb"),
        SEED.replace("33001", "99999"),
        "",
        "\0" * 50,
    ],
)
def test_what_cannot_be_acted_on_is_no_entry(line: str) -> None:
    assert parse_line(line) is None


@pytest.mark.parametrize("name", ["名前", "🚇 a", "[red]%s'\"\\", "e\u0301", "a\u200db", "  "])
def test_honest_names_are_entries(state: StateFile, name: str) -> None:
    wanted = entry(1)._replace(name=name)
    state.put(wanted)
    assert state.read().entries == (wanted,)


def test_absent_empty_and_torn_files(state: StateFile) -> None:
    assert not state.read().exists
    assert state.remove("0" * 32) is False
    assert not Path(state.path).exists()
    state.clear()
    assert state.read().exists
    assert state.read().entries == ()
    Path(state.path).write_text(SEED + "\ncloud.usa2\t127.0")
    assert len(state.read().entries) == 1
    assert state.read().malformed == ("cloud.usa2\t127.0",)
    Path(state.path).write_text(SEED)  # a last line without its line feed
    assert len(state.read().entries) == 1


def test_binary_rubbish_of_megabytes_is_kept_and_then_cleaned(state: StateFile) -> None:
    rubbish = os.urandom(1_000_000)
    Path(state.path).write_bytes(rubbish + b"\n" + SEED.encode() + b"\n")
    begin = time.monotonic()
    assert parse_line(SEED) in state.read().entries
    state.put(entry(1))
    assert time.monotonic() - begin < 10
    kept = Path(state.path).read_bytes()
    assert all(line in kept for line in rubbish.split(b"\n")[:100])
    state.update(lambda entries: entries, keep_malformed=False)
    assert Path(state.path).read_text() == f"{SEED}\n{format_line(entry(1))}\n"


def test_of_two_lines_of_one_hash_the_last_counts_and_the_other_is_told(state: StateFile) -> None:
    state.update(lambda _: [entry(1, 100), entry(2), entry(1, 200)])
    read = state.read()
    assert read.entries == (entry(2), entry(1, 200))
    assert read.duplicates == (entry(1, 100),)
    assert state.remove(entry(1).hash, 100)
    assert state.read().duplicates == ()
    assert not state.remove(entry(1).hash, 100)
    state.put(entry(2, 77))
    assert state.read().entries == (entry(1, 200), entry(2, 77))


def test_put_refuses_what_could_not_be_read_back(state: StateFile) -> None:
    for bad in (entry(1, 1), entry(1)._replace(name="a\tb"), entry(1)._replace(name="a\nb")):
        with pytest.raises(ValueError, match="not an entry"):
            state.put(bad)
    assert not Path(state.path).exists()


def test_symlinks_directories_and_fifos_are_refused_not_followed(
    state: StateFile, tmp_path: Path
) -> None:
    victim = tmp_path / "victim"
    victim.write_text("precious")
    os.symlink(victim, state.path)
    read = state.read()
    assert read.entries == ()
    assert "symlink" in read.problem
    with pytest.raises(FileRefusedError):
        state.put(entry(1))
    assert victim.read_text() == "precious"
    os.unlink(state.path)
    os.mkdir(state.path)
    assert state.read().problem
    with pytest.raises((FileRefusedError, StateFileError)):
        state.clear()
    os.rmdir(state.path)
    os.mkfifo(state.path)
    assert state.read().problem
    with pytest.raises((FileRefusedError, StateFileError)):
        state.clear()


def test_a_full_disk_leaves_the_old_content(
    state: StateFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    state.put(entry(1))
    before = Path(state.path).read_bytes()

    def full(fd: int, offset: int, length: int) -> None:
        os.ftruncate(fd, offset + length // 2)  # what a real one may leave behind
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(state_file.os, "posix_fallocate", full)
    with pytest.raises(StateFileError, match="No space"):
        state.put(entry(2))
    assert Path(state.path).read_bytes() == before


def test_nobody_waits_for_ever_for_a_program_of_our_own(
    state: StateFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    state.put(entry(1))
    monkeypatch.setattr(state_file, "READ_LOCK_TIMEOUT", 0.1)
    monkeypatch.setattr(state_file, "WRITE_LOCK_TIMEOUT", 0.1)
    with open(os.path.join(state.lock_dir, "state")) as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        assert state.read().entries == (entry(1),)
        with pytest.raises(StateFileError, match="locked"):
            state.put(entry(2))


@pytest.mark.parametrize("kind", [fcntl.LOCK_EX, fcntl.LOCK_SH])
def test_a_strangers_lock_delays_a_moment_and_once(state: StateFile, kind: int) -> None:
    state.put(entry(0))
    with open(state.path) as other:
        fcntl.flock(other, kind)
        begun = time.monotonic()
        for number in range(1, 50):
            state.put(entry(number))
            assert StateFile(state.path, state.lock_dir).read().entries[-1] == entry(number)
            state.remove(entry(0).hash)
        assert time.monotonic() - begun < 1


def test_record_locks_of_strangers_are_nothing_to_us(state: StateFile) -> None:
    state.put(entry(0))
    with open(state.path) as other:
        fcntl.lockf(other, fcntl.LOCK_SH)
        with state.lock_tunnel(entry(1).hash, 0), state.lock_slot(1, 0):
            state.put(entry(1))
    assert state.read().entries == (entry(0), entry(1))


def flood(state: StateFile, lines: int) -> None:
    with open(state.path, "ab") as file:
        file.writelines(f"{format_line(entry(n + 1000, 999))}\n".encode() for n in range(lines))


def test_a_flood_is_read_at_both_ends_and_cut_off_at_the_next_change(state: StateFile) -> None:
    state.put(entry(1))
    flood(state, 300_000)
    begun = time.monotonic()
    with open(state.path, "ab") as file:
        file.write(f"{format_line(entry(2))}\n".encode())
    read = state.read()
    assert "too long" in read.problem
    assert read.exists
    assert len(read.entries) <= state_file.MAX_LINES
    assert {entry(1), entry(2)} <= set(read.entries)
    state.put(entry(3))
    assert os.stat(state.path).st_size < 8 * 1024 * 1024
    read = state.read()
    assert {entry(1), entry(2), entry(3)} <= set(read.entries)
    assert time.monotonic() - begun < 3


@pytest.mark.parametrize("hole", [9 * 1024 * 1024, 1 << 40])
def test_a_file_that_is_a_hole_is_read_and_mended_at_once(state: StateFile, hole: int) -> None:
    state.put(entry(1))
    os.truncate(state.path, hole)
    begun = time.monotonic()
    assert state.read().entries == (entry(1),)
    state.put(entry(2))
    assert state.read().entries == (entry(1), entry(2))
    assert os.stat(state.path).st_size < 1000
    assert time.monotonic() - begun < 3


def test_a_line_without_end_costs_no_memory(state: StateFile) -> None:
    state.put(entry(1))
    with open(state.path, "ab") as file:
        file.write(b"x" * 1_000_000 + b"\n")
    assert state.read().entries == (entry(1),)


def test_a_writer_follows_a_file_that_is_replaced(state: StateFile) -> None:
    """The scripts `mv` a new file over it: the entry must land in the one with the name."""
    stop = threading.Event()

    def replace() -> None:
        while not stop.is_set():
            Path(state.path + ".tmp").write_text(SEED + "\n")
            os.replace(state.path + ".tmp", state.path)

    thread = threading.Thread(target=replace)
    state.put(entry(1))
    thread.start()
    try:
        for number in range(50):
            state.put(entry(number))
    finally:
        stop.set()
        thread.join()
    state.put(entry(7))
    assert entry(7) in state.read().entries


def test_threads_exclude_each_other(state: StateFile) -> None:
    state.clear()
    inside, most = 0, 0
    guard = threading.Lock()

    def work() -> None:
        nonlocal inside, most
        with state.lock_slot(3, 20):
            with guard:
                inside += 1
                most = max(most, inside)
            time.sleep(0.01)
            with guard:
                inside -= 1

    threads = [threading.Thread(target=work) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == 3


def test_an_error_inside_the_lock_is_not_swallowed(state: StateFile) -> None:
    with pytest.raises(KeyError), state.lock_tunnel("a" * 32, 1):
        raise KeyError
    with state.lock_tunnel("a" * 32, 0):
        pass
