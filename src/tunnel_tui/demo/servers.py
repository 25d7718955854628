"""The demo's SSH servers: one class per behaviour, all on 127.0.0.1, all in one event loop."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

import asyncssh

from tunnel_tui.demo.cast import Behaviour, DemoHost
from tunnel_tui.demo.codes import PASSWORD, accepts
from tunnel_tui.demo.pages import answer

ADDRESS = "127.0.0.1"
SSH_MSG_IGNORE = 2
"""RFC 4253, section 11.2."""
PageOf = Callable[[str, str, int], str]
"""Host alias and destination of a forwarded connection → the page that answers it."""


class Flap:
    """When a flaky host drops its connections, and how long it then stays away (seconds)."""

    def __init__(self, period: float, absence: float) -> None:
        self.period = period
        self.absence = absence
        self.away_until = 0.0

    def drop(self, connection: Any) -> None:
        """End one connection without a word and be away for a while."""
        self.away_until = asyncio.get_running_loop().time() + self.absence
        connection.abort()

    async def wait(self) -> None:
        """Wait until the host is back."""
        await asyncio.sleep(self.away_until - asyncio.get_running_loop().time())


class SteadyServer(asyncssh.SSHServer):
    """Takes the demo's key, answers every forwarded connection itself, listens where asked."""

    def __init__(self, host: DemoHost, client_key: str, page_of: PageOf) -> None:
        self.host = host
        self._client_key = client_key
        self._page_of = page_of
        self._connection: Any = None

    def connection_made(self, conn: Any) -> None:
        """Remember the connection, and keep it from padding its packets.

        asyncssh puts an SSH_MSG_IGNORE before each packet; ssh would log every one of them.
        """
        self._connection = conn
        send = conn.send_packet

        def send_unpadded(pkttype: int, *args: Any, **kwargs: Any) -> None:
            if pkttype != SSH_MSG_IGNORE:
                send(pkttype, *args, **kwargs)

        conn.send_packet = send_unpadded

    def begin_auth(self, username: str) -> bool | Awaitable[bool]:
        """Accept the demo's key for any user."""
        del username
        keys = asyncssh.import_authorized_keys(self._client_key)
        self._connection.set_authorized_keys(keys)
        return True

    def connection_requested(
        self, dest_host: str, dest_port: int, orig_host: str, orig_port: int
    ) -> Any:
        """Answer a connection of `-L` with the page of its destination; nothing is dialled."""
        del orig_host, orig_port
        page = self._page_of(self.host.alias, dest_host, dest_port)

        async def serve(reader: Any, writer: Any) -> None:
            await answer(reader, writer, page)

        return serve

    def server_requested(self, listen_host: str, listen_port: int) -> bool:
        """Listen for `-R`, on this machine's loopback only."""
        del listen_port
        return listen_host in ("localhost", ADDRESS, "::1")


class FlakyServer(SteadyServer):
    """Drops each connection after a while and lets the next one wait."""

    flap: Flap

    async def _wait_and_begin(self, username: str) -> bool:
        await self.flap.wait()
        return bool(super().begin_auth(username))

    def begin_auth(self, username: str) -> Awaitable[bool]:
        """Keep whoever comes too early waiting."""
        return self._wait_and_begin(username)

    def auth_completed(self) -> None:
        """Start the clock of this connection."""
        loop = asyncio.get_running_loop()
        loop.call_later(self.flap.period, self.flap.drop, self._connection)


class RefusingServer(SteadyServer):
    """Lets people in and forwards nothing."""

    def connection_requested(
        self, dest_host: str, dest_port: int, orig_host: str, orig_port: int
    ) -> Any:
        """Refuse, as sshd does with AllowTcpForwarding no."""
        del dest_host, dest_port, orig_host, orig_port
        raise asyncssh.ChannelOpenError(asyncssh.OPEN_ADMINISTRATIVELY_PROHIBITED, "open failed")

    def server_requested(self, listen_host: str, listen_port: int) -> bool:
        """Refuse, and say so in a debug message as sshd does."""
        del listen_host, listen_port
        self._connection.send_debug("Server has disabled port forwarding.")
        return False


class BastionServer(SteadyServer):
    """Asks for a password, then for a code, by keyboard-interactive (RFC 4256)."""

    secret: str

    def begin_auth(self, username: str) -> bool:
        """Demand authentication; no key is accepted."""
        del username
        self._password_given = False
        return True

    def kbdint_auth_supported(self) -> bool:
        """Offer keyboard-interactive."""
        return True

    def get_kbdint_challenge(self, username: str, lang: str, submethods: str) -> Any:
        """Ask for the password."""
        del username, lang, submethods
        self._password_given = False
        return "", "", "", [("Password: ", False)]

    def validate_kbdint_response(self, username: str, responses: Any) -> Any:
        """Ask for the code after the right password; wrong answers fail after a second."""
        del username
        return self._validate(list(responses))

    async def _validate(self, responses: list[str]) -> Any:
        given = responses[0] if len(responses) == 1 else ""
        if not self._password_given and given == PASSWORD:
            self._password_given = True
            return "", "", "", [("Verification code: ", False)]
        if self._password_given and accepts(self.secret, given, time.time()):
            return True
        await asyncio.sleep(1.0)
        return False


CLASSES: dict[Behaviour, type[SteadyServer]] = {
    Behaviour.STEADY: SteadyServer,
    Behaviour.FLAKY: FlakyServer,
    Behaviour.REFUSING: RefusingServer,
    Behaviour.CHANGED_KEY: SteadyServer,
    Behaviour.BASTION: BastionServer,
}


async def open_server(
    host: DemoHost, host_key: Any, client_key: str, page_of: PageOf, flap: Flap, secret: str
) -> Any:
    """Open one host on a free port of 127.0.0.1 and return asyncssh's acceptor."""
    kind = CLASSES[host.behaviour]

    def make() -> SteadyServer:
        server = kind(host, client_key, page_of)
        if isinstance(server, FlakyServer):
            server.flap = flap
        if isinstance(server, BastionServer):
            server.secret = secret
        return server

    return await asyncssh.listen(
        ADDRESS, 0, server_factory=make, server_host_keys=[host_key], server_version="demo"
    )
