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

import asyncssh
from asyncssh.packet import Boolean, NameList, String, UInt32

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
    "delay": 0.0,  # seconds between the banner and the answer to a login
    "debug": [],  # texts of SSH_MSG_DEBUG, sent after the login
    "debug_before": [],  # the same, before it
    "disconnect": None,  # text of SSH_MSG_DISCONNECT
    "disconnect_when": "auth",  # or "open": a moment after the login; or "forward"
    "channel_failure": [],  # texts with which forwarded connections are refused, in turn
    "remote": "accept",  # or "refuse"; "silence"; "lie": success, and nothing listens
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


def _raw(text: str) -> bytes:
    return String(text.encode("latin-1", "replace"))


class _Silent(asyncssh.SSHListener):
    """Listens nowhere."""

    def get_port(self) -> int:
        return 1

    def close(self) -> None:
        pass

    async def wait_closed(self) -> None:
        pass


class _Server(asyncssh.SSHServer):
    """One connection."""

    def __init__(self, tricks: dict[str, Any]) -> None:
        self._tricks = tricks
        self._refused = 0

    def connection_made(self, conn: Any) -> None:
        self._connection = conn
        send, methods = conn.send_packet, self._tricks["methods"]

        def send_unpadded(kind: int, *arguments: Any, **options: Any) -> None:
            if kind == MSG_FAILURE and methods is not None:
                arguments = (NameList([methods.encode("latin-1")]), Boolean(False))
            if kind != MSG_IGNORE:  # asyncssh pads; ssh would log each
                send(kind, *arguments, **options)

        conn.send_packet = send_unpadded

    def _say(self, texts: list[str]) -> None:
        for text in texts:
            self._connection.send_packet(MSG_DEBUG, Boolean(True), _raw(text), String(b""))

    def _leave(self, when: str) -> None:
        text = self._tricks["disconnect"]
        if text is None or self._tricks["disconnect_when"] != when:
            return
        self._connection.send_packet(MSG_DISCONNECT, UInt32(11), _raw(text), String(b""))
        asyncio.get_running_loop().call_later(0.2, self._connection.abort)

    async def begin_auth(self, username: str) -> bool:
        banner = self._tricks["banner"]
        for _ in range(self._tricks["banner_times"] if banner else 0):
            for begin in range(0, len(banner), _PACKET):
                piece = _raw(banner[begin : begin + _PACKET])
                self._connection.send_packet(MSG_BANNER, piece, String(b""))
        self._say(self._tricks["debug_before"])
        self._leave("auth")
        await asyncio.sleep(self._tricks["delay"])
        return True

    def public_key_auth_supported(self) -> bool:
        return self._tricks["kbdint"] is None

    def validate_public_key(self, username: str, key: Any) -> bool:
        return not self._tricks["denies"]

    def kbdint_auth_supported(self) -> bool:
        return self._tricks["kbdint"] is not None

    def get_kbdint_challenge(self, username: str, lang: str, submethods: str) -> Any:
        name, instructions, prompts = self._tricks["kbdint"]
        return name, instructions, "", [tuple(prompt) for prompt in prompts]

    def validate_kbdint_response(self, username: str, responses: Any) -> bool:
        return not self._tricks["denies"]

    def auth_completed(self) -> None:
        def later() -> None:
            self._say(self._tricks["debug"])
            self._leave("open")

        asyncio.get_running_loop().call_later(0.3, later)

    def connection_requested(
        self, dest_host: str, dest_port: int, orig_host: str, orig_port: int
    ) -> bool:
        self._leave("forward")
        if texts := self._tricks["channel_failure"]:
            self._refused += 1
            raise asyncssh.ChannelOpenError(2, texts[(self._refused - 1) % len(texts)])
        return bool(self._tricks["forwards"])

    async def server_requested(self, listen_host: str, listen_port: int) -> Any:
        self._leave("forward")
        remote = self._tricks["remote"]
        if remote == "silence":
            await asyncio.sleep(3600)
        return _Silent() if remote == "lie" else remote == "accept"


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
        key = tricks["key"] or asyncssh.generate_private_key("ssh-ed25519")
        options = {"server_version": tricks["version"]} if tricks["version"] else {}
        server = await asyncssh.listen(
            "127.0.0.1",
            tricks["listen"],
            server_factory=lambda: _Server(tricks),
            server_host_keys=[key],
            login_timeout=0,
            **options,
        )
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(main())
