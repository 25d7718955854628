"""An ssh server that does its worst with banner and prompts. Run as a program: prints its port.

Needs no root: asyncssh with keyboard-interactive.
"""

import asyncio
import sys
from typing import Any

import asyncssh

ESCAPES = (
    "\x1b]0;owned\x07\x1b]52;c;b3duZWQ=\x07\x1b[?1049h\x1b[?1000h\x1b[?2004h\x1bP+q544e\x1b\\"
    "\x1b[6n\x1b[c\x1b[>c\x1b[21t\x1b[8;5;5t\x1b[2J\x1b[999;999H\x1b[5i\x1bc\x1b#8\x1b(0\x0e"
)
BANNER = ESCAPES + "e" + "\u0301" * 50_000 + "x" * 50_000 + "\r\n" + "\u202e\u200d\ufe0f" * 50
PROMPT = ESCAPES + "\x1b[2J\x1b[31mPassword for \x1b[1mevery\u0301body\x1b[0m: "


class Server(asyncssh.SSHServer):
    """Asks, and never lets anybody in."""

    def connection_made(self, conn: Any) -> None:
        self._connection = conn

    def begin_auth(self, username: str) -> bool:
        for _ in range(5):  # each as long as a packet may be: ssh gives up on longer ones
            self._connection.send_auth_banner(BANNER)
        return True

    def kbdint_auth_supported(self) -> bool:
        return True

    def get_kbdint_challenge(self, username: str, lang: str, submethods: str) -> Any:
        return ESCAPES, ESCAPES * 20 + "y" * 200_000, "", [(PROMPT, False)]

    def validate_kbdint_response(self, username: str, responses: Any) -> Any:
        return False


async def main() -> None:
    """Serve until stdin ends."""
    key = asyncssh.generate_private_key("ssh-ed25519")
    server = await asyncssh.listen("127.0.0.1", 0, server_factory=Server, server_host_keys=[key])
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(main())
