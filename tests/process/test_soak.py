"""The soak's judge finds each of the lies that it is there for."""

import os
import signal
import subprocess
from collections.abc import Iterator

import pytest

from tests.conftest import need_program
from tests.soak.model import Tunnel, Wish
from tests.soak.run import Soak
from tests.support.processes import descendants
from tunnel_tui.state.state_file import StateFile
from tunnel_tui.supervise.actions.lifecycle import start_tunnel, stop_tunnel

pytestmark = [pytest.mark.process, pytest.mark.slow, pytest.mark.timeout(300)]


@pytest.fixture
def soak() -> Iterator[Soak]:
    need_program("autossh", "tmux", "setsid")
    run = Soak(0, 1, 12)
    try:
        run._begin()
        assert run.judge.violations == []
        yield run
    finally:
        run.ending.set()
        run._close()


def _until_told(soak: Soak, *kinds: str, about: Tunnel) -> None:
    """Tick until each of these kinds was reported of a tunnel."""
    end = soak.clock.now() + 40
    missing = set(kinds)
    while missing:
        soak._tick()
        for text in soak.judge.violations:
            missing -= {kind for kind in missing if f": {kind}: {about}" in text}
        assert soak.clock.now() < end, f"never told {missing}: {soak.judge.violations}"


def test_what_nobody_told_the_model_is_found(soak: Soak, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in soak.place.home.variables.items():
        monkeypatch.setenv(name, value)
    able = [t for t in soak.model.configured() if not t.spec.interactive]
    stopped, frozen, wanted, doubled, orphaned = able[:5]
    settings, census = soak.place.settings, soak.judge.census
    for tunnel in able:
        tunnel.agree_by = 0.0
    # Stopped behind the model's back, and the other way round.
    stop_tunnel(settings, stopped.hash)
    wanted.wish = Wish.DOWN
    # Two for one tunnel.
    argv = ["autossh", "-M", "0", "-N", "-o", f"SetEnv=TUNNEL_HASH={doubled.hash}", doubled.server]
    twin = subprocess.Popen(argv, env=soak.place.home.variables | {"AUTOSSH_GATETIME": "0"})
    # Frozen, and the model does not know.
    cold = soak.place.servers[frozen.server].freeze()
    try:
        _until_told(soak, "down", about=stopped)
        _until_told(soak, "up", about=wanted)
        _until_told(soak, "doubled", about=doubled)
        _until_told(soak, "lie", "down", about=frozen)
    finally:
        for pid in cold:
            os.kill(pid, signal.SIGCONT)
        for pid in (*descendants(twin.pid), twin.pid):
            os.kill(pid, signal.SIGKILL)
        twin.wait()
    # Nobody watches: an orphan stays, a lost line stays lost, an app that hangs shows what was.
    assert soak.watch.daemon is not None
    os.kill(soak.watch.daemon.pid, signal.SIGSTOP)
    os.kill(soak.app.pid, signal.SIGSTOP)
    leader = next(s for s in census.of(orphaned.hash) if s.program == "autossh").pid
    os.kill(leader, signal.SIGKILL)
    StateFile.of(settings).remove(doubled.hash)
    start_tunnel(settings, stopped.spec)
    try:
        _until_told(soak, "orphan", "modest", about=orphaned)
        _until_told(soak, "lost", about=doubled)
        _until_told(soak, "screen", about=stopped)
    finally:
        os.kill(soak.watch.daemon.pid, signal.SIGCONT)
        os.kill(soak.app.pid, signal.SIGCONT)
