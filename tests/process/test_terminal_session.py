"""PTY sessions with real children: input, output, size, signals, ends."""

import gc
import os
import signal
import subprocess
import sys
import time

import pytest

from tests.support.waiting import wait_until
from tunnel_tui.terminal.session import MAX_UNWRITTEN, PtySession
from tunnel_tui.terminal.wait import wait_ready

ENV = {"PATH": os.environ.get("PATH", "/usr/bin:/bin"), "TERM": "xterm-256color", "LANG": "C.UTF-8"}


@pytest.fixture
def start(tmp_path):
    sessions = []

    def begin(*argv, **options):
        options.setdefault("cwd", str(tmp_path))
        session = PtySession.start(argv, ENV, **options)
        sessions.append(session)
        return session

    yield begin
    for session in sessions:
        session.kill()
        session.close()
        wait_until(lambda s=session: s.check_exit() is not None)


def shell(script):
    return ("/bin/sh", "-c", script)


def read_until(session, wanted, deadline=10.0):
    """Read until `wanted` (bytes, or None for the end) has come; return everything read."""
    seen = bytearray()
    end = time.monotonic() + deadline
    while time.monotonic() < end:
        if wanted is None and session.finished:
            return bytes(seen)
        if wanted is not None and wanted in seen:
            return bytes(seen)
        wait_ready(session, 0.2)
        session.write_ready()
        seen += session.read_ready() or b""
    raise AssertionError(f"{wanted!r} did not come; seen: {bytes(seen[-500:])!r}")


def python(script):
    return (sys.executable, "-c", script)


def test_output_and_exit_status(start):
    session = start(*shell("echo hello; exit 7"))
    assert b"hello\r\n" in read_until(session, None)
    assert session.exit_status == 7
    assert not session.running


def test_status_of_a_signal(start):
    session = start(*shell("kill -9 $$"))
    read_until(session, None)
    assert session.exit_status == -signal.SIGKILL


def test_typing_reaches_the_child_unchanged(start):
    session = start(*shell("stty raw -echo; echo ready; exec cat -v"))
    read_until(session, b"ready")
    session.write(b"\x03\x04\x11\x13\x1a\x1b[A\x7f")
    assert b"^C^D^Q^S^Z^[[A^?" in read_until(session, b"^?")


def test_non_ascii_password_is_read_unchanged(start):
    session = start(*python("import getpass; print(ascii(getpass.getpass('Secret: ')))"))
    read_until(session, b"Secret: ")
    session.write("pä$$w🔑rd".encode() + b"\r")
    seen = read_until(session, None)
    assert ascii("pä$$w🔑rd").encode() in seen


def test_hidden_exactly_while_a_secret_is_asked(start):
    session = start(
        *python(
            "import getpass; print('banner', flush=True); input('Name: ');"
            "getpass.getpass('Secret: '); input('Done: ')"
        )
    )
    read_until(session, b"Name: ")
    assert not session.hidden
    session.write(b"me\r")
    read_until(session, b"Secret: ")
    assert session.hidden
    session.write(b"correct horse\r")
    seen = read_until(session, b"Done: ")
    assert not session.hidden
    assert b"correct horse" not in seen


def test_size_and_its_change(start):
    script = "trap 'stty size' WINCH; stty size; while :; do sleep 0.1; done"
    session = start(*shell(script), cols=91, rows=17)
    assert b"17 91" in read_until(session, b"17 91")
    session.resize(133, 44)
    read_until(session, b"44 133")
    session.resize(0, 10**9)
    read_until(session, b"9999 1")


def test_child_leads_its_own_session_with_hangups_ignored(start):
    session = start(*shell("grep -E 'Sig(Ign|Blk)' /proc/self/status; ps -o sid= -p $$; echo done"))
    lines = read_until(session, b"done").decode().split()
    blocked, ignored = int(lines[lines.index("SigBlk:") + 1], 16), lines.index("SigIgn:") + 1
    assert blocked == 0
    # Signals 32 and 33 are the C library's own: no program can change what it inherits of them.
    own = int(lines[ignored], 16) & ~(0b11 << 31)
    assert own == 1 << (signal.SIGHUP - 1), "SIGHUP, and nothing but it"
    assert str(session.pid) in lines


def test_what_goes_to_the_background_survives_the_terminal(start, tmp_path):
    mark = tmp_path / "alive"
    script = f"(sleep 0.3; echo yes > {mark}) & exit 0"
    session = start(*shell(script))
    read_until(session, None)
    assert session.exit_status == 0
    session.close()
    wait_until(lambda: mark.exists() and mark.read_text() == "yes\n")


def test_end_without_end_of_file(start):
    """A process left behind keeps the PTY open: finished all the same, nothing lost."""
    session = start(*shell("seq 1 5000; sleep 30 & echo last $!; exit 3"))
    seen = read_until(session, None)
    assert session.exit_status == 3
    assert not session.eof
    left = int(seen.split()[-1])
    assert seen.split()[-2] == b"last"
    assert seen.count(b"\r\n") == 5001
    os.kill(left, signal.SIGKILL)


def test_end_of_file_before_the_end(start):
    session = start(*python("import os,time; os.close(0);os.close(1);os.close(2);time.sleep(0.5)"))
    wait_until(lambda: session.read_ready() is None and session.eof)
    assert session.running
    assert not session.finished
    wait_until(lambda: session.check_exit() == 0)
    assert session.finished


def test_everything_is_drained_after_the_end(start):
    """The child ends at once; what it wrote comes in full, fifty times out of fifty."""
    for _ in range(50):
        session = start(*shell("printf '%03000d' 7"))
        wait_until(lambda s=session: s.check_exit() is not None, interval=0.001)
        assert len(read_until(session, None)) == 3000
        session.close()


def test_a_child_that_does_not_read_blocks_nothing(start):
    session = start(*shell("stty raw -echo; echo ready; exec sleep 60"))
    read_until(session, b"ready")
    begin = time.monotonic()
    assert session.write(b"x" * 262_144)
    assert session.wants_write
    assert session.write(b"y" * 1000)
    assert not session.write(b"z" * MAX_UNWRITTEN), "more than it would hold"
    assert time.monotonic() - begin < 0.5
    session.cancel()
    assert not session.wants_write, "nothing typed stays"


def test_short_writes_arrive_in_order(start):
    session = start(
        *python(
            "import sys,tty,hashlib,time; tty.setraw(0); print('ready', flush=True);"
            "data=b'';\n"
            "while len(data) < 262144: data += sys.stdin.buffer.raw.read(65536)\n"
            "print(hashlib.sha256(data).hexdigest(), 'end', flush=True)"
        )
    )
    read_until(session, b"ready")
    import hashlib

    data = bytes(range(256)) * 1024
    assert session.write(data)
    seen = read_until(session, b"end", deadline=30)
    assert hashlib.sha256(data).hexdigest().encode() in seen
    assert not session.wants_write


def test_output_that_nobody_reads_is_there_later(start):
    session = start(*shell("head -c 262144 /dev/zero | tr '\\0' x; echo; echo end"))
    wait_ready(session, 1)
    seen = read_until(session, b"end")
    assert seen.count(b"x") == 262144


def test_cancel_is_gentle_first(start):
    session = start(*shell("trap 'echo bye; exit 9' TERM; echo ready; while :; do sleep 0.1; done"))
    read_until(session, b"ready")
    assert session.cancel(2.0) == 2.0
    assert b"bye" in read_until(session, None)
    assert session.exit_status == 9
    assert session.cancel(2.0) == 0.0


def test_kill_ends_a_stubborn_child_and_its_group(start):
    script = "trap '' TERM INT HUP; sleep 600 & echo ready $! .; while :; do sleep 0.1; done"
    session = start(*shell(script))
    helper = int(read_until(session, b" .").split()[1])
    session.cancel()
    wait_ready(session, 0.3)
    assert session.running
    session.kill()
    wait_until(lambda: session.check_exit() == -signal.SIGKILL)
    wait_until(lambda: not alive(helper))


def test_cancel_takes_along_what_the_child_leaves_in_its_group(start):
    session = start(*shell("(trap '' TERM; exec sleep 600) & echo ready $! .; wait"))
    helper = int(read_until(session, b" .").split()[1])
    session.cancel()
    wait_until(lambda: session.check_exit() is not None)
    wait_until(lambda: not alive(helper))


def test_a_stopped_child_is_ended_too(start):
    session = start("/bin/cat")
    os.kill(session.pid, signal.SIGSTOP)
    session.cancel()
    wait_until(lambda: session.check_exit() == -signal.SIGTERM)


def alive(pid):
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_close_returns_at_once_and_the_child_is_still_reaped(start):
    session = start(*shell("trap '' TERM; while :; do sleep 0.1; done"))
    begin = time.monotonic()
    session.close()
    session.close()
    assert time.monotonic() - begin < 0.1
    assert session.fileno() == -1
    assert session.read_ready() is None
    assert not session.write(b"x")
    assert not session.hidden
    session.resize(10, 10)
    session.kill()
    wait_until(lambda: session.check_exit() is not None)
    assert session.finished


@pytest.mark.parametrize("orphaned", [signal.SIGTERM, 0])
def test_whose_parent_is_killed_ends_when_bound_to_it(tmp_path, orphaned):
    """The app killed in the middle of a login; what went to the background is not touched."""
    script = (
        "import os, sys, time; from tunnel_tui.terminal.session import PtySession\n"
        "session = PtySession.start(['/bin/sh', '-c', 'sleep 61 & echo back $! .; exec sleep 60'],"
        f" dict(os.environ), orphaned={int(orphaned)})\n"
        "seen = b''\n"
        "while b' .' not in seen: seen += session.read_ready() or b''; time.sleep(0.01)\n"
        "print(session.pid, seen.split()[1].decode(), flush=True); time.sleep(60)"
    )
    app = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    child, background = (int(pid) for pid in app.stdout.readline().split())
    try:
        app.kill()
        app.wait()
        app.stdout.close()
        if orphaned:
            wait_until(lambda: not alive(child))
        else:
            assert alive(child)
        assert alive(background)
    finally:
        for pid in (child, background):
            if alive(pid):
                os.kill(pid, signal.SIGKILL)


def test_somebody_else_reaped_it(start):
    session = start(*shell("exit 4"))
    os.waitpid(session.pid, 0)
    assert session.check_exit() == 255


@pytest.mark.parametrize(
    ("argv", "options", "error"),
    [
        (("no-such-program-here",), {}, FileNotFoundError),
        (("/bin/sh",), {"cwd": "/no/such/directory"}, OSError),
    ],
)
def test_what_cannot_start_says_so_and_leaves_nothing(argv, options, error):
    before = set(os.listdir("/proc/self/fd"))
    with open("/proc/thread-self/children") as file:
        children = file.read().split()
    with pytest.raises(error):
        PtySession.start(argv, ENV, **options)
    assert set(os.listdir("/proc/self/fd")) <= before
    with open("/proc/thread-self/children") as file:
        assert file.read().split() == children, "no zombie"


def test_many_sessions_leave_no_descriptors(start):
    def descriptors():
        return len(os.listdir("/proc/self/fd"))

    gc.collect()  # what other tests left must not go meanwhile
    before = descriptors()
    for _ in range(20):
        session = start("/bin/echo", "x")
        read_until(session, None)
        session.close()
    assert descriptors() == before


def test_secrets_are_in_no_repr(start):
    session = PtySession.start(["/bin/cat"], {**ENV, "TOKEN": "s3cret-env"})
    session.write(b"s3cret-typed")
    for shown in (repr(session), repr(vars(session)), str(vars(session._process))):
        assert "s3cret-env" not in shown
    assert "s3cret" not in repr(session)
    session.kill()
    session.close()
    wait_until(lambda: session.check_exit() is not None)
