"""What a log proves of the ssh that runs now; whose process a command line is; the journal."""

import subprocess
import tracemalloc
from pathlib import Path

import pytest

from tests.support.logs import NAME, reader_of
from tunnel_tui.model import Direction, Forward, ReasonCode, TunnelSpec, tunnel_hash
from tunnel_tui.model import TunnelEntry as Entry
from tunnel_tui.observe.identity import is_ours, logs_forward_state, program, tag_of
from tunnel_tui.ssh.log.attempts import tell
from tunnel_tui.ssh.log.forward_state import BLOCK, ForwardState
from tunnel_tui.ssh.log.reasons import find_reason
from tunnel_tui.state.history import LIMIT, History, Record

OURS = "2026/11/22 14:02:07 tunnel-tui[1]: starting x\n"
ENTERED = "debug1: clientloop.c:client_loop():1290 (pid={}): Entering interactive session.\r\n"
ANSWERED = (
    "debug1: ssh.c:ssh_confirm_remote_forward():1827 (pid={}): remote forward success for: "
    "listen {}, connect localhost:80\r\n"
)
TIMEOUT = "clientloop.c:server_alive_check():780 (pid={}): Timeout, server h not responding.\r\n"
BIND = (
    "channels.c:channel_setup_fwd_listener_tcpip():3660 (pid=50): bind [127.0.0.1]:8080: Address "
    "already in use\r\n"
)
PROHIBITED = "channel 3: open failed: administratively prohibited: open failed"
VOID = f"channels.c:channel_input_open_failure():3563 (pid=50): {PROHIBITED}\n"
REFUSED = (
    "debug1: ssh.c:ssh_confirm_remote_forward():1827 (pid={}): remote forward failure for: "
    "listen {}, connect localhost:80\r\n"
)


def started(count: int) -> str:
    return f"2026/11/22 14:02:0{count % 10} autossh[9]: starting ssh (count {count})\n"


def ended() -> str:
    return "2026/11/22 14:02:09 autossh[9]: ssh exited with error status 255; restarting ssh\n"


def spec(
    direction: Direction = Direction.REMOTE_TO_LOCAL, remote: str = "80", local: str = "8080"
) -> TunnelSpec:
    digest = tunnel_hash("t", "u@h", remote, local, direction, "false")
    return TunnelSpec("t", "u@h", remote, local, direction, False, digest)


LOCAL: Forward = spec().forward()
REMOTE: Forward = spec(Direction.LOCAL_TO_REMOTE).forward()


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / NAME


@pytest.mark.parametrize(
    ("text", "stands", "known", "starts"),
    [
        ("", False, False, 0),
        (OURS, False, True, 0),
        (OURS + started(1), False, True, 1),
        (OURS + started(1) + ENTERED.format(50), True, True, 1),
        (OURS + ENTERED.format(50), True, True, 0),
        (OURS + started(1) + ENTERED.format(51), False, True, 1),
        (OURS + started(1) + ENTERED.format(5), False, True, 1),
        (started(1) + ENTERED.format(50) + started(2), False, True, 2),
        (started(1) + ENTERED.format(50) + OURS, False, True, 0),
        (ENTERED.format(50), True, True, 0),
        (started(3) + ENTERED.format(50) + TIMEOUT.format(50), False, True, 3),
        (started(3) + ENTERED.format(50) + TIMEOUT.format(51), True, True, 3),
        (started(3) + ENTERED.format(50) + "Timeout, server h not responding.\n", True, True, 3),
        (started(3) + ENTERED.format(50) + f"channel 2: open failed: {PROHIBITED}", True, True, 3),
        (
            started(1) + BIND + ENTERED.format(50),
            False,
            True,
            1,
        ),
        (
            started(1) + BIND.replace("already in use", "is foreign") + ENTERED.format(50),
            True,
            True,
            1,
        ),
        (
            started(1)
            + ENTERED.format(50)
            + "channel 2: open failed: connect failed: Connection refused\r\n",
            True,
            True,
            1,
        ),
    ],
)
def test_local_forwards(log: Path, text: str, stands: bool, known: bool, starts: int) -> None:
    log.write_text(text, newline="")
    run = reader_of(log).read(50, LOCAL, 0)
    assert (run.stands, run.known, run.starts) == (stands, known, starts)


@pytest.mark.parametrize(
    ("text", "stands"),
    [
        (ENTERED.format(50), False),
        (ENTERED.format(50) + ANSWERED.format(50, "localhost:80"), True),
        (ENTERED.format(50) + ANSWERED.format(50, "localhost:8080"), False),
        (ENTERED.format(50) + ANSWERED.format(50, "localhost:8"), False),
        (ENTERED.format(50) + ANSWERED.format(51, "localhost:80"), False),
        (ENTERED.format(50) + REFUSED.format(50, "localhost:80"), False),
    ],
)
def test_remote_forwards_stand_when_the_server_has_answered(
    log: Path, text: str, stands: bool
) -> None:
    log.write_text(OURS + started(1) + text, newline="")
    assert reader_of(log).read(50, REMOTE, 0).stands == stands


def test_reading_on_sees_the_end_and_the_new_beginning(log: Path) -> None:
    reader = reader_of(log)
    assert not reader.read(50, LOCAL, 0).known
    text = OURS + started(1) + ENTERED.format(50)
    log.write_text(text)
    first = reader.read(50, LOCAL, 0)
    assert first.stands
    assert reader.read(50, LOCAL, 0) is first
    for _ in range(3):
        text += "connect_to localhost port 80: failed.\n" * 5000
        log.write_text(text)
        assert reader.read(50, LOCAL, 0).stands
    fresh = reader_of(log).read(50, LOCAL, 0)
    assert (fresh.stands, fresh.starts) == (True, 1)
    text += VOID
    log.write_text(text)
    assert "prohibited" in reader.read(50, LOCAL, 0).void
    assert "prohibited" in reader_of(log).read(50, LOCAL, 0).void
    text += started(2)
    log.write_text(text)
    assert not reader.read(50, LOCAL, 0).confirmed
    text += ENTERED.format(60)
    log.write_text(text)
    assert not reader.read(50, LOCAL, 0).stands
    assert reader.read(60, LOCAL, 0).stands
    assert reader.read(60, LOCAL, 0).starts == 2
    log.unlink()
    assert reader.read(60, LOCAL, 0) == (False, False, "", "", 0)


def test_reading_on_through_a_flood_takes_little_memory(log: Path) -> None:
    log.write_text(OURS + started(1) + ENTERED.format(50))
    reader = reader_of(log)
    assert reader.read(50, LOCAL, 0).stands
    with log.open("r+b") as file:
        file.truncate(100_000_000)
    tracemalloc.start()
    assert reader.read(50, LOCAL, 0).stands
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2_000_000


@pytest.mark.parametrize("gap", [0, 511, 512, BLOCK - 600, BLOCK - 30, BLOCK, BLOCK + 480, 999_999])
def test_reading_on_misses_nothing_where_blocks_are_cut(log: Path, gap: int) -> None:
    text = OURS + started(1) + ENTERED.format(50)
    log.write_text(text)
    for then, stands in (
        (VOID, False),
        (started(2), False),
        (started(2) + ENTERED.format(50), True),
    ):
        reader = reader_of(log)
        assert reader.read(50, LOCAL, 0).stands
        with log.open("a") as file:
            file.write("n" * gap + "\n" + then + "m" * 300_000 + "\n")
        assert reader.read(50, LOCAL, 0).stands == stands
        log.write_text(text)


@pytest.mark.parametrize("padding", range(0, 9000, 487))
def test_the_success_line_is_found_wherever_blocks_are_cut(log: Path, padding: int) -> None:
    log.write_text(OURS + started(7) + ENTERED.format(50) + "x" * padding + "\n", newline="")
    run = reader_of(log).read(50, LOCAL, 0)
    assert (run.stands, run.starts) == (True, 7)
    log.write_text("y" * padding + "\n" + log.read_text(), newline="")
    assert reader_of(log).read(50, LOCAL, 0).stands


def test_the_success_line_may_be_in_the_old_copy(log: Path) -> None:
    Path(f"{log}.1").write_text(OURS + started(2) + ENTERED.format(50))
    log.write_text("noise\n" * 2000)
    run = reader_of(log).read(50, LOCAL, 0)
    assert (run.stands, run.starts) == (True, 2)
    Path(f"{log}.1").write_text(ENTERED.format(50) + started(2))
    assert not reader_of(log).read(50, LOCAL, 0).stands


def test_an_old_copy_of_another_run_says_nothing_of_an_emptied_log(log: Path) -> None:
    Path(f"{log}.1").write_text(OURS + started(13) + ENTERED.format(49) + ended() + started(14))
    log.write_text("")
    assert reader_of(log).read(50, LOCAL, 0) == ForwardState()
    log.write_text("debug1: something that ssh said later\n")
    assert reader_of(log).read(50, LOCAL, 0) == ForwardState()


def test_the_story_of_a_tunnel_that_fell() -> None:
    refused = "ssh: connect to host h port 22: Connection refused"
    lines = (
        OURS
        + started(1)
        + ENTERED.format(50)
        + "Timeout, server h not responding.\n"
        + ended()
        + started(2)
        + refused
        + "\n"
        + ended()
        + started(3)
    ).splitlines()
    past = tell(lines)
    assert past.stood
    assert past.attempts == 2
    assert past.trying
    assert not tell(lines[:-1]).trying
    assert past.reason is not None
    assert past.reason.code is ReasonCode.REFUSED
    assert past.down_since is not None
    # What failed before the forward stood again is history.
    assert find_reason([*lines, ENTERED.format(60)]) is None
    # So is everything before the last start.
    assert find_reason([*lines, OURS.strip()]) is None
    assert tell([]).reason is None


SSH = ("ssh", "-N", "-o", "SetEnv=TUNNEL_HASH=" + spec().hash, "-L", "localhost:8080:localhost:80")


def test_a_process_is_ours_by_its_tag() -> None:
    entry = Entry.of(spec(), 5)
    tagged = (*SSH, "u@h")
    assert tag_of(tagged) == spec().hash
    assert is_ours(entry, 5, tagged)
    assert is_ours(entry, 5, ("/usr/lib/autossh/autossh", "-M", "0", *tagged[1:]))
    assert is_ours(entry, 5, ("/bin/sh", "/usr/bin/autossh", "-M", "0", *tagged[1:]))
    assert not is_ours(entry._replace(hash="0" * 32), 5, tagged)
    assert not is_ours(entry, 5, ("vim", *tagged))
    assert not is_ours(entry, 5, ("grep", "ssh", *tagged))
    assert not is_ours(entry, 5, ())
    assert tag_of(("ssh", "h", "echo", "SetEnv=TUNNEL_HASH=" + "0" * 32)) is None
    assert tag_of(("ssh", "-oSetEnv=TUNNEL_HASH=" + "0" * 32)) == "0" * 32


@pytest.mark.parametrize(
    ("argv", "ours"),
    [
        ("autossh -M 0 -o A=b -F /c -N -L localhost:8080:localhost:80 u@h", True),
        ("autossh -M 0 -N -L 127.0.0.1:8080:localhost:80 u@h", True),
        ("autossh -M 0 -N -R localhost:80:localhost:8080 u@h", True),
        ("ssh -f -N -M -S /s/x -e none -L localhost:8080:localhost:80 u@h", True),
        ("autossh -M 0 -N -L localhost:8080:localhost:80 u@other", False),
        ("autossh -M 0 -N -L localhost:8081:localhost:80 u@h", False),
        ("autossh -M 0 -N u@h -L localhost:8080:localhost:80", False),
        ("ssh u@h", False),
        ("autossh -M 0 -N -L u@h localhost:8080:localhost:80", False),
    ],
)
def test_entries_of_the_shell_scripts_are_known_by_forward_host_and_log(
    argv: str, ours: bool, tmp_path: Path
) -> None:
    entry = Entry.of(spec(), 5)
    for name, theirs in ((f"tunnel-{entry.hash}.log", ours), ("tunnel.log", False)):
        with (
            (tmp_path / name).open("w") as log,
            subprocess.Popen(["sleep", "60"], stdout=log) as it,
        ):
            assert is_ours(entry, it.pid, tuple(argv.split())) == theirs
            it.kill()
    assert not is_ours(entry, 5, tuple(argv.split())), "nobody's process"


def test_a_renamed_master_is_known_by_the_whole_path_of_its_socket() -> None:
    entry = Entry.of(spec(), 5)
    assert is_ours(entry, 5, (f"ssh: /home/u/.autossh-sockets/{entry.hash} [mux]",))
    for path in (
        f"/home/u/.ssh/{entry.hash}",
        f"/home/u/.autossh-sockets/{entry.hash}00",
        f"/home/u/.autossh-sockets/00{entry.hash}",
        f"/home/u/.autossh-sockets/{entry.hash}/x",
    ):
        assert not is_ours(entry, 5, (f"ssh: {path} [mux]",))


def test_words_on_a_command_line() -> None:
    assert program(("ssh: /home/u/.autossh-sockets/x [mux]",)) == "ssh"
    assert program(("python3", "/opt/ssh")) == "ssh"
    assert program(("sshd: u@h",)) == ""
    verbose = "LogVerbose=*:ssh_confirm_remote_forward():*,*:client_loop():*"
    assert logs_forward_state(("ssh", "-o", verbose))
    assert not logs_forward_state(("ssh", "-o", "LogVerbose=*", "client_loop"))


def record(time: float, state: str, pid: int | None = 1, reason: str = "") -> Record:
    return Record(time, "a" * 32, "name ✗", state, pid, reason, "text")


def test_the_journal_writes_changes_only_and_survives_torn_lines(tmp_path: Path) -> None:
    history = History(str(tmp_path / "data" / "history.jsonl"))
    assert history.read() == []
    for state in ("STARTING", "STARTING", "RUNNING", "RUNNING", "DEAD"):
        history.append(record(1.0, state))
    other = record(2.0, "RUNNING")._replace(hash="b" * 32)
    history.append(other)
    history.append(record(3.0, "DEAD"))
    with open(history.path, "ab") as file:
        file.write(b'{"time": 1, "hash"')
    history.append(record(4.0, "RUNNING", 2))
    assert [r.state for r in history.read("a" * 32)] == ["STARTING", "RUNNING", "DEAD", "RUNNING"]
    assert len(history.read()) == 5
    assert history.read(limit=1) == [record(4.0, "RUNNING", 2)]
    assert Path(history.path).stat().st_mode & 0o777 == 0o600


def test_the_journal_is_bounded(tmp_path: Path) -> None:
    history = History(str(tmp_path / "history.jsonl"))
    padding = "x" * 10_000
    for number in range(300):
        history.append(record(number, "DEAD", number)._replace(text=padding))
    assert Path(history.path).stat().st_size <= LIMIT
    assert history.read()[-1].pid == 299
    assert len(history.read()) > 40


def test_the_summary_of_a_day(tmp_path: Path) -> None:
    history = History(str(tmp_path / "history.jsonl"))
    assert history.summary("a" * 32, 1e6) == (None, 0, None)
    now = 1_000_000.0
    hour = 3600.0
    history.append(record(now - 30 * hour, "RUNNING", 1))
    history.append(record(now - 6 * hour, "STARTING", 1, "refused"))
    history.append(record(now - 3 * hour, "RUNNING", 2))
    summary = history.summary("a" * 32, now)
    assert summary.uptime == pytest.approx(21 / 24)
    assert summary.reconnects == 1
    assert summary.last_failure is not None
    assert summary.last_failure.reason == "refused"
