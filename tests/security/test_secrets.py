"""What is typed or pasted at a prompt is nowhere afterwards: no memory, no traceback, no file.

A real terminal, a real ssh; the server asks for a password.
"""

import re
import secrets
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import Lab, need_program
from tests.support.network import free_port
from tests.support.tmux import Tmux
from tests.support.tunnels import as_yaml, inward
from tests.support.waiting import wait_until

pytest.importorskip("asyncssh")
pytestmark = pytest.mark.process

SERVER = """
import asyncio, sys, asyncssh
class Server(asyncssh.SSHServer):
    def begin_auth(self, user): return True
    def password_auth_supported(self): return True
    def validate_password(self, user, password): return password == sys.argv[1]
    def connection_requested(self, *where): return True
async def main():
    key = asyncssh.generate_private_key("ssh-ed25519")
    server = await asyncssh.listen("127.0.0.1", 0, server_factory=Server, server_host_keys=[key])
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
asyncio.run(main())
"""
BROKEN = """
import sys
from tunnel_tui.cli.main import main
from {module} import {owner}
def broken(self, secret, *more):
    copy = secret
    raise RuntimeError("broken on purpose")
{owner}.{method} = broken
sys.exit(main())
"""
PLACES = [
    ("tunnel_tui.terminal.session", "PtySession", "write"),
    ("tunnel_tui.tui.login.session", "LoginSession", "paste"),
    ("tunnel_tui.tui.login.terminal_view", "TerminalView", "_on_paste"),
    ("tunnel_tui.tui.keys.key_queue", "KeysInOrder", "on_event"),
    ("tunnel_tui.tui.keys.terminal_input", "ForgetfulDriver", "process_message"),
]


class Prompt:
    """The app in a terminal, at the prompt of a server that knows the secret."""

    def __init__(self, lab: Lab, port: int, directory: Path) -> None:
        self.home, self.directory = lab.home, directory
        options = {"User": "me", "StrictHostKeyChecking": "accept-new"}
        lab.home.add_host("vault", port, PreferredAuthentications="password", **options)
        tunnel = inward(lab.echo.port, free_port(), name="trap", host="vault", interactive=True)
        lab.home.write_config(as_yaml(tunnel))

    def open(self, argv: list[str] | None = None, **variables: str) -> Tmux:
        """Open the app and go as far as the prompt."""
        terminal = Tmux(
            self.directory, argv or self.home.command(), self.home.variables | variables, (100, 30)
        )
        terminal.shows(r"INTERACTIVE\s+trap")
        terminal.press("a")
        terminal.shows("typing is hidden")
        return terminal


@pytest.fixture(params=["short", "long", "not ASCII"])
def secret(request: pytest.FixtureRequest) -> str:
    return {
        "short": secrets.token_hex(6),
        "long": secrets.token_hex(300),
        "not ASCII": "é中" + secrets.token_hex(20),
    }[request.param]


@pytest.fixture
def prompt(lab: Lab, secret: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prompt]:
    need_program("tmux")
    pipe = subprocess.PIPE
    server = subprocess.Popen([sys.executable, "-c", SERVER, secret], stdin=pipe, stdout=pipe)
    assert server.stdout
    yield Prompt(lab, int(server.stdout.readline()), tmp_path_factory.mktemp("tmux"))
    server.communicate(b"", 10)


def in_memory(pid: int, secret: str) -> list[str]:
    """Where a process has the secret, or a good part of it, in any of the ways strings are kept."""
    part = secret[2:18]
    needles = [part.encode(code) for code in ("utf-8", "utf-16-le", "utf-32-le")]
    found = []
    with open(f"/proc/{pid}/maps") as maps, open(f"/proc/{pid}/mem", "rb", 0) as memory:
        for line in maps:
            match = re.match(r"([0-9a-f]+)-([0-9a-f]+) (r\S+)", line)
            if match is None or "[v" in line:
                continue
            begin, end = int(match[1], 16), int(match[2], 16)
            try:
                memory.seek(begin)
                data = memory.read(end - begin)
            except OSError:
                continue
            found += [f"{line.strip()}: {needle!r}" for needle in needles if needle in data]
    return found


@pytest.mark.parametrize("how", ["pasted", "typed"])
def test_no_memory_of_it_after_the_login(prompt: Prompt, secret: str, how: str) -> None:
    terminal = prompt.open()
    try:
        pid = terminal.pid
        if how == "pasted":
            terminal.paste(secret)
        else:
            for character in secret:
                terminal.type(character)
        terminal.press("Enter")
        terminal.shows(r"RUNNING\s+trap")
        assert in_memory(pid, secret) == []
        assert secret not in terminal.everything
    finally:
        terminal.close()


@pytest.mark.parametrize("secret", ["canary-8f1d-canary"])
@pytest.mark.parametrize("place", PLACES, ids=[f"{owner}.{name}" for _, owner, name in PLACES])
def test_no_error_shows_it(prompt: Prompt, secret: str, place: tuple[str, str, str]) -> None:
    module, owner, method = place
    program = BROKEN.format(module=module, owner=owner, method=method)
    if method in {"on_event", "process_message"}:  # these also carry what is not a paste
        condition = 'if type(secret).__name__ != "Paste": return original(self, secret, *more)'
        program = program.replace("def broken", f"original = {owner}.{method}\ndef broken")
        program = program.replace("    copy =", f"    {condition}\n    copy =")
    argv = [sys.executable, "-c", program]
    terminal = prompt.open(argv, TUNNEL_TUI_DEBUG="1", PYTHONASYNCIODEBUG="1", PYTHONDEVMODE="1")
    try:
        terminal.paste(secret)
        wait_until(lambda: terminal.exit_status is not None, what="the app's end")
        said = terminal.everything  # Textual writes everything to the terminal, errors too
        assert "broken on purpose" in said
        assert "canary" not in said
        assert not [
            path
            for path in prompt.home.path.rglob("*")
            if path.is_file() and b"canary" in path.read_bytes()
        ]
    finally:
        terminal.close()
