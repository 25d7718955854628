"""The machine of the soak: servers, a configuration, tunnels through all of them."""

import os
import pty
import shutil
import subprocess
import tempfile
import threading
from pathlib import Path

from tests.soak.model import Model, Tunnel
from tests.soak.probe import Prober
from tests.support.home import Home
from tests.support.network import free_port
from tests.support.sshd import Keys, Sshd
from tests.support.tunnels import as_yaml, inward, outward

NAMES = ("ant", "bee", "cat", "dog", "elk")
"""The servers; the tunnels through them are ant-01, ant-02 and so on."""
LOGINS = 4
"""Tunnels of the last server that share a login."""


class Place:
    """Builds it all; nothing runs yet but the servers."""

    def __init__(self, model: Model, prober: Prober, count: int) -> None:
        self.model, self.prober = model, prober
        self.directory = Path(tempfile.mkdtemp(prefix="soak-", dir="/tmp"))
        self.directory.chmod(0o755)
        keys = Keys(self.directory / "keys")
        self.home = Home(keys.client)
        self.home.variables["EDITOR"] = "true"  # a key that goes astray opens no editor for long
        self.settings = self.home.settings
        self.servers: dict[str, Sshd] = {}
        for name in NAMES:
            server = Sshd(self.directory / name, keys, LogLevel="INFO")
            self.home.add_host(name, server.port, StrictHostKeyChecking="accept-new")
            self.servers[name] = server.start()
        self.file_lock = threading.Lock()
        self.edited = 0.0
        for number in range(count):
            model.tunnels.append(self.make(NAMES[number % len(NAMES)], number // len(NAMES) + 1))
        self.write_config()

    # -- tunnels

    def make(self, server: str, number: int, turn: int = 0) -> Tunnel:
        """Make a tunnel: two of three listen here, the others at the server."""
        name = f"{server}-{number:02}"
        login = server == NAMES[-1] and number <= LOGINS
        target = self.prober.targets[turn % len(self.prober.targets)]
        kind = outward if number % 3 == 0 and not login else inward
        spec = kind(target, free_port(), name=name, host=server, interactive=login)
        return Tunnel(spec, server)

    def change(self, tunnel: Tunnel, turn: int) -> Tunnel:
        """Make the same tunnel with another target: its listener is the same, its hash is not."""
        number = int(tunnel.name.rpartition("-")[2])
        kind = inward if tunnel.inward else outward
        target = self.prober.targets[turn % len(self.prober.targets)]
        spec = kind(target, tunnel.port, name=tunnel.name, host=tunnel.server)
        if spec.hash == tunnel.hash:
            return self.make(tunnel.server, number, turn)
        return Tunnel(spec, tunnel.server)

    def text(self) -> str:
        """The configuration as the model has it."""
        return as_yaml(*(tunnel.spec for tunnel in self.model.configured()))

    def write_config(self, text: str | None = None, *, replace: bool = False) -> None:
        """Write the file in place, or put a new one there as editors do."""
        text = self.text() if text is None else text
        self.edited = self.model.clock.now()
        if not replace:
            self.home.write_config(text)
            return
        fresh = self.home.path / "config.new"
        fresh.write_text(text)
        os.replace(fresh, self.home.config_file)

    def log(self, tunnel: Tunnel) -> Path:
        return self.home.log_dir / f"tunnel-{tunnel.hash}.log"

    # -- commands

    def log_in(self) -> "subprocess.CompletedProcess[bytes]":
        """Log in to the last server, as a person in a terminal does, for all of its tunnels."""
        first = next(t for t in self.model.configured() if t.spec.interactive)
        ours, theirs = pty.openpty()
        process = subprocess.Popen(
            ["setsid", "-c", *self.home.command("auth", "--yes", first.name)],
            env=self.home.variables,
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
        )
        os.close(theirs)
        said = b""
        try:
            while True:
                try:
                    part = os.read(ours, 4096)
                except OSError:  # the other end is closed
                    break
                if not part:
                    break
                said += part
            code = process.wait(60)
        finally:
            os.close(ours)
        return subprocess.CompletedProcess([], code, said, b"")

    def close(self) -> None:
        """End everything that was started here."""
        for server in self.servers.values():
            server.stop()
        self.home.close()
        shutil.rmtree(self.directory, ignore_errors=True)
        for directory in Path("/tmp").glob(f"{self.home.path.name}-[0-9]*"):
            shutil.rmtree(directory, ignore_errors=True)
