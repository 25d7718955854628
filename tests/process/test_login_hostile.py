"""A server that does its worst, met by the real app through the real ssh. Needs no root."""

import re
import subprocess
import sys
from collections.abc import Iterator

import pytest

from tests.conftest import Lab, need_program
from tests.support.network import free_port
from tests.support.tmux import Tmux
from tests.support.tunnels import as_yaml, inward
from tests.support.waiting import wait_until

pytest.importorskip("asyncssh")
pytestmark = [pytest.mark.process, pytest.mark.alone]


@pytest.fixture
def port() -> Iterator[int]:
    server = subprocess.Popen(
        [sys.executable, "-m", "tests.support.hostile"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert server.stdin is not None
    assert server.stdout is not None
    yield int(server.stdout.readline())
    server.stdin.close()
    server.wait(10)
    server.stdout.close()


@pytest.mark.parametrize("size", [(80, 24), (140, 40)], ids=["80x24", "140x40"])
def test_a_hostile_server_gets_no_further_than_its_pane(
    lab: Lab, port: int, size: tuple[int, int], tmp_path_factory: pytest.TempPathFactory
) -> None:
    need_program("tmux")
    home = lab.home
    home.add_host("hostile", port, User="me", StrictHostKeyChecking="accept-new")
    tunnel = inward(lab.echo.port, free_port(), name="trap", host="hostile", interactive=True)
    plain = inward(lab.echo.port, free_port(), name="plain")
    home.write_config(as_yaml(tunnel, plain))
    directory = tmp_path_factory.mktemp("tmux")
    terminal = Tmux(directory, home.command(), home.variables, size)
    try:
        before = terminal.shows(r"▌ . INTERACTIVE\s+trap").splitlines()
        title = terminal._run("display", "-p", "#{pane_title}")
        terminal.press("a")
        screen = terminal.shows("typing is hidden", 60).splitlines()
        assert screen[1] == before[1], "the head of the table"
        assert re.search(r"STOPPED\s+plain", "\n".join(screen))
        assert len(screen) == size[1]
        assert terminal._run("display", "-p", "#{pane_title}") == title
        assert terminal._run("list-buffers") == "", "nothing was put on the clipboard"
        terminal.type("secret")
        terminal.press("Enter")
        terminal.press("C-]")
        terminal.press("j")
        terminal.shows(r"▌ . STOPPED\s+plain")
        terminal.press("k", "x")
        terminal.shows("cancelled|denied")
        wait_until(lambda: not home.processes("ssh"), what="no ssh left")
        terminal.press("q")
        wait_until(lambda: terminal.exit_status is not None, what="the app's end")
        assert terminal.exit_status == 0
    finally:
        terminal.close()
