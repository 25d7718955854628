"""A server that pretends to be somebody else at the prompt, in the app and in a plain terminal."""

import re
import subprocess
import sys
from collections.abc import Iterator

import pytest

from tests.conftest import Lab, need_program
from tests.support.network import free_port
from tests.support.tmux import Tmux
from tests.support.tunnels import as_yaml, inward
from tunnel_tui.cli.relay import Harmless

pytest.importorskip("asyncssh")

SERVER = r"""
import asyncio, sys, asyncssh
LIE = "  localhost gets what you type                         typing is hidden"
BOX = "+---------------+\n| sudo needs it |\n+---------------+\n"
ESCAPES = "\x1b]0;sudo\x07\x1b[2J\x1b[H\x1b[7m\x9b31m\b\b\b\u202e"
class Server(asyncssh.SSHServer):
    def begin_auth(self, user): return True
    def kbdint_auth_supported(self): return True
    def get_kbdint_challenge(self, user, lang, submethods):
        prompt = ESCAPES + "\n" * 60 + LIE + "\n" + BOX + "\r[sudo] password for root: "
        return ESCAPES, "\n" * 60, "", [(prompt, False)]
    def validate_kbdint_response(self, user, responses): return False
async def main():
    key = asyncssh.generate_private_key("ssh-ed25519")
    server = await asyncssh.listen("127.0.0.1", 0, server_factory=Server, server_host_keys=[key])
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
asyncio.run(main())
"""


@pytest.fixture
def liar(lab: Lab) -> Iterator[None]:
    need_program("tmux")
    pipe = subprocess.PIPE
    server = subprocess.Popen([sys.executable, "-c", SERVER], stdin=pipe, stdout=pipe)
    assert server.stdout
    options = {"User": "me", "StrictHostKeyChecking": "accept-new"}
    lab.home.add_host("liar", int(server.stdout.readline()), **options)
    tunnel = inward(lab.echo.port, free_port(), name="trap", host="liar", interactive=True)
    lab.home.write_config(as_yaml(tunnel))
    yield
    server.communicate(b"", 10)


@pytest.mark.process
@pytest.mark.parametrize("plain", [False, True], ids=["colours", "NO_COLOR"])
@pytest.mark.parametrize("size", [(80, 24), (140, 40)], ids=["80x24", "140x40"])
def test_the_pane_says_who_asks_whatever_the_server_draws(
    lab: Lab, liar: None, size: tuple[int, int], plain: bool, tmp_path_factory
) -> None:  # type: ignore[no-untyped-def]
    variables = lab.home.variables | ({"NO_COLOR": "1"} if plain else {})
    terminal = Tmux(tmp_path_factory.mktemp("tmux"), lab.home.command(), variables, size)
    try:
        terminal.shows(r"INTERACTIVE\s+trap")
        title = terminal._run("display", "-p", "#{pane_title}")
        terminal.press("a")
        lines = terminal.shows(r"password for root").splitlines()
        [head] = [
            n for n, line in enumerate(lines) if line.startswith("  liar (me@127.0.0.1) gets")
        ]
        assert "gets what you type" in lines[head]
        assert "typing is hidden" in lines[head]
        assert "┤ Login ├" in lines[head - 1]
        assert "typing goes to liar" in lines[-1]
        drawn = terminal._run("capture-pane", "-p", "-e").splitlines()
        assert re.match(r"\x1b\[([0-9]+;)*7(;[0-9]+)*m", drawn[head]), "reversed all the way"
        # The server's lines begin to the right of an edge that it cannot draw.
        for line in lines[head + 1 : -1]:
            assert line[:2].strip() == ""
        assert terminal._run("display", "-p", "#{pane_title}") == title
    finally:
        terminal.close()


@pytest.mark.process
def test_a_plain_terminal_says_it_behind_the_question(
    lab: Lab, liar: None, tmp_path_factory
) -> None:  # type: ignore[no-untyped-def]
    command = lab.home.command("auth", "trap")
    terminal = Tmux(tmp_path_factory.mktemp("tmux"), command, lab.home.variables, (100, 24))
    try:
        title = terminal._run("display", "-p", "#{pane_title}")
        for _ in range(2):
            terminal.shows(
                r"(?m)^\[sudo\] password for root:  liar \(me@127.0.0.1\) gets what you type"
            )
            assert "\u202e" not in terminal.everything
            terminal.type("x")
            terminal.press("Enter")
            terminal.shows(
                r"(?m)^\[sudo\] password for root:  liar \(me@127.0.0.1\) gets what you type"
            )
        assert "what follows is said by ssh and by liar (me@127.0.0.1)" in terminal.everything
        assert terminal._run("display", "-p", "#{pane_title}") == title
        terminal.press("C-c")
        terminal.shows("end of what was said by ssh and by liar")
    finally:
        terminal.close()


@pytest.mark.parametrize("size", [1, 2, 3, 1000])
def test_a_plain_terminal_gets_text_and_line_ends_only(size: int) -> None:
    said = "a\x1b[2J\x1b]52;c;eA==\x07\x9b1m\rb\r\nc\r\r\nd\te\u202ef\u2066\U000e0041g é中\r"
    harmless = Harmless()
    data = said.encode()
    shown = "".join(harmless.show(data[n : n + size]) for n in range(0, len(data), size))
    assert shown == (
        "a\\x1b[2J\\x1b]52;c;eA==\\x07\\x9b1m\r\nb\r\nc\r\nd\te\\u202ef\\u2066\\U000e0041g é中"
    )
