"""Processes of others that bear ssh's name: looked at once, not at every search."""

import os
import subprocess
import time
from pathlib import Path

import pytest

from tests.support.home import Home
from tests.support.waiting import wait_until
from tunnel_tui.observe import identity

SSH = '#!/bin/sh\nexec 3<>"$0.wait"\nread -r nothing <&3\n'


@pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="needs /proc")
def test_a_stranger_is_looked_at_once(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    program = home.path / "bin" / "ssh"
    program.parent.mkdir()
    program.write_text(SSH)
    program.chmod(0o755)
    os.mkfifo(f"{program}.wait")
    tag = ["-o", "SetEnv=TUNNEL_HASH=" + "a" * 32]
    running = [
        subprocess.Popen([str(program), *tag], env=dict(os.environ, AUTOSSH_STATE_FILE=state))
        for state in (str(home.state_file), "/nowhere/else")
    ]
    ours, stranger = (process.pid for process in running)
    looked: list[int] = []

    def look(pid: int, state_file: str) -> bool:
        looked.append(pid)
        return belongs_to(pid, state_file)

    belongs_to = identity.belongs_to
    monkeypatch.setattr(identity, "belongs_to", look)

    def found() -> bool:
        looked.clear()
        pids = [process.stat.pid for process in identity.find_tagged(str(home.state_file))]
        assert stranger not in pids
        return ours in pids

    wait_until(found, what="ours")
    time.sleep(identity._SETTLED)
    assert found()
    assert found()
    assert ours in looked
    assert stranger not in looked, "it was known"
    assert Path(f"/proc/{stranger}").exists()
    for process in running:
        process.kill()
        process.wait()
