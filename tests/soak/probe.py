"""Does traffic pass? One thread asks every listener once a second, and is the service behind."""

import selectors
import socket
import threading
import time
from collections.abc import Iterable
from contextlib import suppress

from tests.soak.clock import Clock
from tests.support.network import free_port

PATIENCE = 2.5
"""Seconds for a connection to bring back what was sent through it."""
GREETING = b"ping from the tunnel"
STALL = 1.0
"""Seconds between two rounds of a tenth after which the machine, and not a tunnel, stood still."""


class Answer:
    """What one listener has shown.

    Attributes:
        good_since: when the first of the probes began that all passed until now; None: fails.
        bad_since: when the first of those began that all failed until now; None: passes.
    """

    def __init__(self) -> None:
        self.good_since: float | None = None
        self.bad_since: float | None = None
        self.count = 0

    def note(self, began: float, passed: bool) -> None:
        self.count += 1
        if passed:
            self.good_since = began if self.good_since is None else self.good_since
            self.bad_since = None
        else:
            self.bad_since = began if self.bad_since is None else self.bad_since
            self.good_since = None


class _Probe:
    def __init__(self, port: int, began: float) -> None:
        self.port, self.began = port, began
        self.deadline = time.monotonic() + PATIENCE
        self.received = b""
        self.sent = False


class Prober:
    """Probes the listeners of `ports` and echoes at `targets`."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._selector = selectors.DefaultSelector()
        self._probes: dict[socket.socket, _Probe] = {}
        self._ports: tuple[int, ...] = ()
        self._answers: dict[int, Answer] = {}
        self._ending = threading.Event()
        self.targets = [self._listen(), self._listen()]
        self._thread = threading.Thread(target=self._run, name="prober", daemon=True)
        self._thread.start()

    def answer(self, port: int) -> Answer:
        """What a listener has shown so far."""
        return self._answers.get(port) or Answer()

    def watch(self, ports: Iterable[int]) -> None:
        """Ask these from now on; what is known of others is forgotten."""
        wanted = tuple(ports)
        for port in wanted:
            self._answers.setdefault(port, Answer())
        self._ports = wanted
        for port in self._answers.keys() - set(wanted):
            self._answers.pop(port, None)

    def close(self) -> None:
        self._ending.set()
        self._thread.join(5)

    def _listen(self) -> int:
        port = free_port()
        service = socket.create_server(("127.0.0.1", port), backlog=256)
        service.setblocking(False)
        self._selector.register(service, selectors.EVENT_READ, "service")
        return port

    def _run(self) -> None:
        due = last = time.monotonic()
        while not self._ending.is_set():
            now = time.monotonic()
            if now - last > STALL:
                self._forgive(now - last)
            last = now
            if now >= due:
                due = max(due + 1.0, now + 0.5)
                self._begin()
            for key, _ in self._selector.select(0.1):
                self._serve(key)
            self._expire()

    def _begin(self) -> None:
        busy = {probe.port for probe in self._probes.values()}
        for port in self._ports:
            if port in busy:
                continue
            probe = _Probe(port, self._clock.now())
            connection = socket.socket()
            connection.setblocking(False)
            if connection.connect_ex(("127.0.0.1", port)) not in (0, 115):
                connection.close()
                self._note(probe, False)
                continue
            self._probes[connection] = probe
            self._selector.register(connection, selectors.EVENT_WRITE, "probe")

    def _serve(self, key: selectors.SelectorKey) -> None:
        connection = key.fileobj
        assert isinstance(connection, socket.socket)
        try:
            if key.data == "service":
                accepted, _ = connection.accept()
                accepted.setblocking(False)
                self._selector.register(accepted, selectors.EVENT_READ, "echo")
            elif key.data == "echo":
                data = connection.recv(4096)
                if data:
                    connection.send(data)
                else:
                    self._drop(connection)
            else:
                self._advance(connection, self._probes[connection])
        except BlockingIOError:
            return
        except OSError:
            if key.data == "probe":
                self._finish(connection, False)
            elif key.data == "echo":
                self._drop(connection)

    def _advance(self, connection: socket.socket, probe: _Probe) -> None:
        if not probe.sent:
            connection.send(GREETING)
            probe.sent = True
            self._selector.modify(connection, selectors.EVENT_READ, "probe")
            return
        data = connection.recv(4096)
        probe.received += data
        if probe.received == GREETING:
            self._finish(connection, True)
        elif not data or len(probe.received) >= len(GREETING):
            self._finish(connection, False)

    def _forgive(self, seconds: float) -> None:
        """Give back what a machine that stood still (a virtual one, paused) took from everybody."""
        self._clock.skip(seconds)
        for probe in self._probes.values():
            probe.deadline += seconds

    def _expire(self) -> None:
        now = time.monotonic()
        for connection, probe in tuple(self._probes.items()):
            if now > probe.deadline:
                self._finish(connection, False)

    def _finish(self, connection: socket.socket, passed: bool) -> None:
        probe = self._probes.pop(connection)
        self._drop(connection)
        self._note(probe, passed)

    def _note(self, probe: _Probe, passed: bool) -> None:
        answer = self._answers.get(probe.port)
        if answer is not None:
            answer.note(probe.began, passed)

    def _drop(self, connection: socket.socket) -> None:
        with suppress(KeyError, ValueError):
            self._selector.unregister(connection)
        connection.close()
