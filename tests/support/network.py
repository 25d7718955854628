"""Services on 127.0.0.1: free ports, an echo service, a delaying proxy."""

import asyncio
import os
import random
import socket
import socketserver
import threading
from types import TracebackType

ECHO_GREETING = b"ping from the tunnel"
FIRST_PORT, LAST_PORT = 20000, 32000
"""Below the range from which the kernel takes ports for outgoing connections."""
_handed_out: set[int] = set()
_WORKER = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
_WORKERS = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))


def free_port() -> int:
    """A TCP port that nobody holds on 127.0.0.1 and ::1 and that no test got before.

    Tests that run beside each other have ports of their own: a free one may be another's.
    """
    for _ in range(1000):
        port = random.randrange(FIRST_PORT + _WORKER, LAST_PORT, _WORKERS)
        if port not in _handed_out and _can_bind(port):
            _handed_out.add(port)
            return port
    raise AssertionError("no free port")


def _can_bind(port: int) -> bool:
    for family, address in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
        try:
            with socket.socket(family, socket.SOCK_STREAM) as probe:
                probe.bind((address, port))
        except OSError as error:
            if family is socket.AF_INET6 and error.errno in {97, 99}:  # no IPv6 here
                continue
            return False
    return True


def passes(port: int, host: str = "127.0.0.1", timeout: float = 5.0) -> bool:
    """Say whether an echo comes back through a connection to `port`."""
    try:
        with socket.create_connection((host, port), timeout=timeout) as connection:
            connection.settimeout(timeout)
            connection.sendall(ECHO_GREETING)
            received = b""
            while len(received) < len(ECHO_GREETING):
                part = connection.recv(100)
                if not part:
                    return False
                received += part
            return received == ECHO_GREETING
    except OSError:
        return False


class _EchoHandler(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        try:
            while data := self.request.recv(65536):
                self.request.sendall(data)
        except OSError:
            pass


class _EchoServer(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128


class EchoService:
    """A TCP service on 127.0.0.1 that sends back what it gets."""

    def __init__(self, port: int | None = None) -> None:
        self.port = port or free_port()
        self._server = _EchoServer(("127.0.0.1", self.port), _EchoHandler)
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.05,), daemon=True
        )
        self._thread.start()

    def close(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def __enter__(self) -> "EchoService":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


class DelayingProxy:
    """A TCP proxy on 127.0.0.1 that carries every byte `round_trip` / 2 seconds late."""

    def __init__(self, target_port: int, round_trip: float = 0.1, port: int | None = None) -> None:
        self.port = port or free_port()
        self._target = target_port
        self._delay = round_trip / 2
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        assert self._ready.wait(5)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(
            asyncio.start_server(self._serve, "127.0.0.1", self.port, backlog=256)
        )
        self._ready.set()
        self._loop.run_forever()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._target)
        except OSError:
            writer.close()
            return
        await asyncio.gather(self._carry(reader, far_writer), self._carry(far_reader, writer))

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        loop = asyncio.get_running_loop()
        try:
            while data := await reader.read(65536):
                loop.call_later(self._delay, writer.write, data)
        except OSError:
            pass
        loop.call_later(self._delay, writer.close)

    def close(self) -> None:
        """Drop all connections and stop listening."""

        def finish() -> None:
            for task in asyncio.all_tasks(self._loop):
                task.cancel()
            self._loop.call_later(0.05, self._loop.stop)

        self._loop.call_soon_threadsafe(finish)
        self._thread.join(5)
        self._loop.close()
