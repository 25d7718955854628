"""Reasons: whatever a log says, somebody gets an answer and no control character."""

import tempfile
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from tests.properties import repeatable
from tests.properties.test_logs import ACTING, BYTES
from tests.support.logs import NAME, reader_of
from tests.support.tunnels import inward, outward
from tunnel_tui.model import TunnelSpec
from tunnel_tui.ssh.log.attempts import tell
from tunnel_tui.ssh.log.line_class import decode
from tunnel_tui.ssh.log.reasons import attempts_of, find_reason, last_words

SAYINGS = """\
2026/11/22 14:02:07 tunnel-tui[4]: starting web
2026/11/22 14:02:07 autossh[5]: starting ssh (count 3)
2026/11/22 14:02:07 autossh[5]: ssh child pid is 77
2026/11/22 14:02:07 autossh[5]: ssh exited with error status 255; restarting ssh
2026/11/22 14:02:07 autossh[5]: ssh exited prematurely with status 255; autossh exiting
2026/11/22 14:02:07 autossh[5]: received signal to exit (15)
debug1: clientloop.c:client_loop():1290 (pid=77): Entering interactive session.
debug1: ssh.c:ssh_confirm_remote_forward():1 (pid=77): remote forward success for: listen 18002
debug1: ssh.c:ssh_confirm_remote_forward():1 (pid=77): remote forward failure for: listen 18002
u@h: Permission denied (publickey,password).
@    WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!     @
ssh: Could not resolve hostname nowhere: Name or service not known
ssh: connect to host h port 22: Connection refused
Connection to h port 22 timed out
bind [127.0.0.1]:4022: Address already in use
Error: remote port forwarding failed for listen port 4022
channel 2: open failed: administratively prohibited: open failed
Received disconnect from 1.2.3.4 port 22:2: Too many authentication failures
Timeout, server h not responding.
client_loop: send disconnect: Broken pipe
/etc/ssh/ssh_config: line 7: Bad configuration option: foo
""".splitlines()


def spoil(saying: str, place: int, what: str) -> str:
    return saying[: place % (len(saying) + 1)] + what + saying[place % (len(saying) + 1) :]


LINES = st.lists(
    st.one_of(
        st.sampled_from(SAYINGS),
        st.builds(spoil, st.sampled_from(SAYINGS), st.integers(0, 200), st.text(max_size=5)),
        st.builds(lambda saying, end: saying[:end], st.sampled_from(SAYINGS), st.integers(0, 90)),
        st.text(max_size=40),
    ),
    max_size=30,
)
SPECS = st.sampled_from([None, inward(80, 8080), outward(4022, 18002)])


@given(LINES, SPECS)
@repeatable(200)
def test_no_lines_raise(lines: list[str], spec: TunnelSpec | None) -> None:
    shown = [decode(line.encode("utf-8", "replace")) for line in lines]
    for reason in (find_reason(shown, spec), last_words(shown)):
        if reason is not None:
            assert reason.text
            assert not ACTING.search(reason.text + reason.advice + reason.evidence)
    assert sum(len(attempt) for attempt in attempts_of(shown)) <= len(shown)
    if spec is not None:
        tell(shown, spec, remote=True)
        tell(shown, spec, remote=False)


@given(LINES, BYTES, st.sampled_from([0, 77]), SPECS)
@repeatable(150)
def test_no_log_stops_the_reader(
    lines: list[str], data: bytes, pid: int, spec: TunnelSpec | None
) -> None:
    forward = (spec or inward(80, 8080)).forward()
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory, NAME)
        path.write_bytes("\n".join(lines).encode("utf-8", "replace") + data)
        reader = reader_of(path)
        reader.read(pid, forward, 0)
        path.write_bytes(data)
        again = reader.read(pid, forward, 0)
        assert again == reader_of(path).read(pid, forward, 0)
