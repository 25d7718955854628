"""A `tunnel-tui serve` of one test."""

import os
import pty
import re
import shlex
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from tests.support.home import Home
from tests.support.processes import descendants
from tests.support.waiting import wait_until

KEY = "the-first-key-of-this-test"
SECOND_KEY = "another key with a space"
BEARER = {"Authorization": f"Bearer {KEY}"}


class WebServer:
    """The server as a process; it chooses its port itself.

    Attributes:
        url: where it says that it serves.

    Args:
        port: where it listens; 0: wherever it likes.
        terminal: its output is a terminal.
        prepare: called in the new process before it becomes the server.
    """

    def __init__(
        self,
        home: Home,
        *arguments: str,
        variables: Mapping[str, str] | None = None,
        port: int = 0,
        terminal: bool = False,
        prepare: Callable[[], None] | None = None,
    ) -> None:
        self.home = home
        self.output = home.path / f"serve-{time.monotonic_ns()}.out"
        keys = {"API_KEY": f"{KEY}, {SECOND_KEY}"}
        with self.output.open("wb") as file:
            master, slave = pty.openpty() if terminal else (-1, file.fileno())
            self.process = subprocess.Popen(
                home.command("serve", "--port", str(port), *arguments),
                env=home.variables | keys | dict(variables or {}),
                stdin=subprocess.DEVNULL,
                stdout=slave,
                stderr=subprocess.STDOUT,
                preexec_fn=prepare,
            )
        if terminal:
            os.close(slave)
            threading.Thread(target=self._copy, args=(master,), daemon=True).start()
        self.url = wait_until(self._url, 20, "the server's address")

    def _url(self) -> str:
        assert self.process.poll() is None, self.text
        return next((line["url"] for line in self.lines("serving")), "").rstrip("/")

    def _copy(self, master: int) -> None:
        with self.output.open("ab", buffering=0) as file:
            try:
                while data := os.read(master, 4096):
                    file.write(data)
            except OSError:  # the other end is closed
                os.close(master)

    @property
    def link(self) -> str:
        """The link that it prints on a terminal."""
        return wait_until(self._link, 10, "a link")

    def _link(self) -> str:
        found = re.search(r"http\S+\?token=\S+", self.text)
        return found[0] if found else ""

    @property
    def key_file(self) -> str:
        """Where it says that its key is."""
        return self.lines("key")[0]["file"]

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self.lines("serving")[0]["port"])

    @property
    def memory(self) -> int:
        """Bytes of memory that it has (RSS)."""
        with open(f"/proc/{self.process.pid}/statm") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    @property
    def text(self) -> str:
        return self.output.read_text(errors="replace")

    def lines(self, event: str) -> list[dict[str, str]]:
        """What it said of one event."""
        found = []
        for text in self.text.splitlines():
            if not text.startswith("time="):
                continue
            line = dict(word.partition("=")[::2] for word in shlex.split(text))
            if line.get("event") == event:
                found.append(line)
        return found

    @property
    def children(self) -> list[int]:
        """The apps of its sessions, and what they started."""
        return descendants(self.process.pid)

    @property
    def descriptors(self) -> int:
        """How many files and sockets it has open."""
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    @property
    def cpu_seconds(self) -> float:
        """What it has computed so far."""
        with open(f"/proc/{self.process.pid}/stat") as file:
            fields = file.read().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def stop(self) -> int:
        """End it the way an init system does; return its exit status."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=30)


@contextmanager
def servers_of(home: Home) -> Iterator[Callable[..., WebServer]]:
    """Give what makes servers for a home; all are stopped at the end."""
    servers: list[WebServer] = []

    def make(*arguments: str, **options: object) -> WebServer:
        servers.append(WebServer(home, *arguments, **options))  # type: ignore[arg-type]
        return servers[-1]

    yield make
    for server in servers:
        server.stop()
