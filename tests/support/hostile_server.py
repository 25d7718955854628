"""An ssh server (asyncssh) with a switch for each trick; needs no root.

`python -m tests.support.hostile_server` reads the switches as JSON from its arguments and prints
its port. `HostileServer(banner=…, refuses=…)` is the handle that tests use.
"""

import asyncio
import json
import subprocess
import sys
from contextlib import suppress
from typing import Any

MSG_DISCONNECT, MSG_IGNORE, MSG_DEBUG, MSG_FAILURE, MSG_BANNER = 1, 2, 4, 51, 53
"""RFC 4253, section 12; RFC 4252, section 6."""
_PACKET = 30_000
"""Bytes of one banner packet; ssh takes up to 256 kB, some versions less."""

DEFAULTS: dict[str, Any] = {
    "raw": None,  # bytes (latin-1) that are sent instead of any ssh: a version string, a flood
    "drip": 0.0,  # seconds between two bytes of `raw`
    "hangs_up": False,  # close after `raw`; else the connection stays open and silent
    "version": "",  # what follows SSH-2.0-
    "banner": "",  # latin-1: any bytes
    "banner_times": 1,
    "kbdint": None,  # [name, instructions, [[prompt, echo], …]]
    "methods": None,  # latin-1: what the failure says may go on
    "denies": False,  # no key is accepted
    "delay": 0.0,  # seconds before it answers a login
    "debug": [],  # texts of SSH_MSG_DEBUG, sent after the login
    "debug_before": [],  # the same, before it
    "disconnect": None,  # text of SSH_MSG_DISCONNECT
    "disconnect_when": "auth",  # or "open": a moment after the login; or "forward"
    "channel_failure": None,  # text with which each forwarded connection is refused
    "remote": "accept",  # or "refuse", or "lie": success, and nothing listens
    "forwards": True,  # dials where a client or a jump asks
    "key": "",  # path of the host key; "": a new one
    "listen": 0,
}


class HostileServer:
    """The server as a process; ends with `close`."""

    def __init__(self, **tricks: Any) -> None:
        assert set(tricks) <= set(DEFAULTS), set(tricks) - set(DEFAULTS)
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.support.hostile_server"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdin
        assert self._process.stdout
        # Not as an argument: a banner may be longer than those may be.
        self._process.stdin.write(json.dumps(tricks) + "\n")
        self._process.stdin.flush()
        self.port = int(self._process.stdout.readline())

    def close(self) -> None:
        """End the server."""
        self._process.kill()
        self._process.communicate()

    def __enter__(self) -> "HostileServer":
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()


def _make_server(tricks: dict[str, Any]) -> type:
    import asyncssh
    from asyncssh.packet import Boolean, NameList, String, UInt32

    def raw(text: str) -> bytes:
        return String(text.encode("latin-1", "replace"))

    class Silent(asyncssh.SSHListener):
        """Listens nowhere."""

        def get_port(self) -> int:
            return 1

        def close(self) -> None:
            pass

        async def wait_closed(self) -> None:
            pass

    class Server(asyncssh.SSHServer):
        def connection_made(self, conn: Any) -> None:
            self._connection = conn
            send = conn.send_packet

            def send_unpadded(kind: int, *arguments: Any, **options: Any) -> None:
                if kind == MSG_FAILURE and tricks["methods"] is not None:
                    arguments = (NameList([tricks["methods"].encode("latin-1")]), Boolean(False))
                if kind != MSG_IGNORE:  # asyncssh pads; ssh would log each
                    send(kind, *arguments, **options)

            conn.send_packet = send_unpadded

        def _say(self, texts: list[str]) -> None:
            for text in texts:
                self._connection.send_packet(MSG_DEBUG, Boolean(True), raw(text), String(b""))

        def _leave(self, when: str) -> None:
            if tricks["disconnect"] is None or tricks["disconnect_when"] != when:
                return
            text = raw(tricks["disconnect"])
            self._connection.send_packet(MSG_DISCONNECT, UInt32(11), text, String(b""))
            asyncio.get_running_loop().call_later(0.2, self._connection.abort)

        async def begin_auth(self, username: str) -> bool:
            await asyncio.sleep(tricks["delay"])
            banner = tricks["banner"]
            for _ in range(tricks["banner_times"] if banner else 0):
                for begin in range(0, len(banner), _PACKET):
                    piece = raw(banner[begin : begin + _PACKET])
                    self._connection.send_packet(MSG_BANNER, piece, String(b""))
            self._say(tricks["debug_before"])
            self._leave("auth")
            return True

        def public_key_auth_supported(self) -> bool:
            return tricks["kbdint"] is None

        def validate_public_key(self, username: str, key: Any) -> bool:
            return not tricks["denies"]

        def kbdint_auth_supported(self) -> bool:
            return tricks["kbdint"] is not None

        def get_kbdint_challenge(self, username: str, lang: str, submethods: str) -> Any:
            name, instructions, prompts = tricks["kbdint"]
            return name, instructions, "", [tuple(prompt) for prompt in prompts]

        def validate_kbdint_response(self, username: str, responses: Any) -> bool:
            return not tricks["denies"]

        def auth_completed(self) -> None:
            def later() -> None:
                self._say(tricks["debug"])
                self._leave("open")

            asyncio.get_running_loop().call_later(0.3, later)

        def connection_requested(
            self, dest_host: str, dest_port: int, orig_host: str, orig_port: int
        ) -> bool:
            self._leave("forward")
            if tricks["channel_failure"] is not None:
                raise asyncssh.ChannelOpenError(2, tricks["channel_failure"])
            return bool(tricks["forwards"])

        def server_requested(self, listen_host: str, listen_port: int) -> Any:
            self._leave("forward")
            if tricks["remote"] == "lie":
                return Silent()
            return tricks["remote"] == "accept"

    return Server


async def _serve_raw(tricks: dict[str, Any]) -> asyncio.Server:
    data = tricks["raw"].encode("latin-1", "replace")

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            if tricks["drip"]:
                for position in range(len(data)):
                    writer.write(data[position : position + 1])
                    await asyncio.sleep(tricks["drip"])
            else:
                writer.write(data)
                await writer.drain()
            if not tricks["hangs_up"]:
                while await reader.read(65536):
                    pass
            writer.close()

    return await asyncio.start_server(answer, "127.0.0.1", tricks["listen"])


async def main() -> None:
    """Serve until stdin ends."""
    tricks = DEFAULTS | json.loads(sys.stdin.readline())
    if tricks["raw"] is not None:
        server: Any = await _serve_raw(tricks)
    else:
        import asyncssh

        key = tricks["key"] or asyncssh.generate_private_key("ssh-ed25519")
        options = {"server_version": tricks["version"]} if tricks["version"] else {}
        server = await asyncssh.listen(
            "127.0.0.1",
            tricks["listen"],
            server_factory=_make_server(tricks),
            server_host_keys=[key],
            login_timeout=0,
            **options,
        )
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(main())
