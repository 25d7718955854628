"""A `tunnel-tui serve` of one test."""

import os
import shlex
import signal
import subprocess
import time
from collections.abc import Mapping

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
    """

    def __init__(
        self, home: Home, *arguments: str, variables: Mapping[str, str] | None = None
    ) -> None:
        self.home = home
        self.output = home.path / f"serve-{time.monotonic_ns()}.out"
        keys = {"API_KEY": f"{KEY}, {SECOND_KEY}"}
        with self.output.open("wb") as file:
            self.process = subprocess.Popen(
                home.command("serve", "--port", "0", *arguments),
                env=home.variables | keys | dict(variables or {}),
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
            )
        self.url = wait_until(self._url, 20, "the server's address")

    def _url(self) -> str:
        assert self.process.poll() is None, self.text
        return next((line["url"] for line in self.lines("serving")), "").rstrip("/")

    @property
    def text(self) -> str:
        return self.output.read_text(errors="replace")

    def lines(self, event: str) -> list[dict[str, str]]:
        """What it said of one event."""
        found = []
        for text in self.text.splitlines():
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
