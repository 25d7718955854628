"""A real sshd on a free port of 127.0.0.1 with keys of its own."""

import os
import signal
import subprocess
from contextlib import suppress
from pathlib import Path

from tests.support import processes
from tests.support.network import free_port
from tests.support.waiting import wait_until

SSHD = "/usr/sbin/sshd"


class Keys:
    """A host key and a client key, made once."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.client = self.make("id_client")
        self.host = self.make("ssh_host")
        self.authorized = directory / "authorized_keys"
        self.authorized.write_bytes(self.client.with_suffix(".pub").read_bytes())

    def make(self, name: str) -> Path:
        """Make an Ed25519 key without a passphrase."""
        path = self.directory / name
        command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", str(path)]
        subprocess.run(command, check=True, stdin=subprocess.DEVNULL)
        return path


class Sshd:
    """One server; `stop` ends its sessions too, `start` brings it back on the same port."""

    def __init__(
        self, directory: Path, keys: Keys, port: int | None = None, **options: str
    ) -> None:
        self.directory = directory
        directory.mkdir(mode=0o755, parents=True, exist_ok=True)
        self.keys = keys
        self.port = port or free_port()
        self.log = directory / "sshd.log"
        self.configuration = directory / "sshd_config"
        self.program = Path(SSHD)
        self.process: subprocess.Popen[bytes] | None = None
        self.configure(**options)

    def configure(self, host_key: Path | None = None, **options: str) -> None:
        """Write the configuration; `options` override ours by sshd_config(5) keyword."""
        settings = {
            "Port": str(self.port),
            "ListenAddress": "127.0.0.1",
            "HostKey": str(host_key or self.keys.host),
            "AuthorizedKeysFile": str(self.keys.authorized),
            "PidFile": "none",
            "StrictModes": "no",
            "UsePAM": "no",
            "PermitRootLogin": "yes",
            "PasswordAuthentication": "no",
            "KbdInteractiveAuthentication": "no",
            "MaxStartups": "200",
            "GatewayPorts": "clientspecified",
            "UseDNS": "no",
            "LogLevel": "VERBOSE",
        }
        settings.update(options)
        # The first value of a keyword wins in sshd_config(5); a dictionary has only one.
        lines = (f"{keyword} {value}\n" for keyword, value in settings.items())
        self.configuration.write_text("".join(lines))

    def start(self) -> "Sshd":
        """Start the server and wait until it listens."""
        if os.geteuid() == 0:
            os.makedirs("/run/sshd", mode=0o755, exist_ok=True)
        command = [str(self.program), "-D", "-f", str(self.configuration), "-E", str(self.log)]
        seen = self._listening_lines()
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True)
        wait_until(
            lambda: self._listening_lines() > seen or self.process is None or self._failed(),
            what="sshd listening",
        )
        return self

    def _failed(self) -> bool:
        if self.process is not None and self.process.poll() is not None:
            raise AssertionError(f"sshd ended: {self.log.read_text(errors='replace')}")
        return False

    def _listening_lines(self) -> int:
        if not self.log.exists():
            return 0
        return self.log.read_text(errors="replace").count(
            f"listening on 127.0.0.1 port {self.port}"
        )

    @property
    def sessions(self) -> list[int]:
        """The processes of the connections that this server serves now."""
        return processes.descendants(self.process.pid) if self.process else []

    def drop_connections(self) -> None:
        """End all connections; the server stays."""
        processes.end(self.sessions)

    def freeze(self) -> list[int]:
        """Stop the server and its sessions in their tracks; returns the pids."""
        assert self.process
        pids = [self.process.pid, *self.sessions]
        for pid in pids:
            with suppress(ProcessLookupError):  # a session may end meanwhile
                os.kill(pid, signal.SIGSTOP)
        return pids

    def stop(self) -> None:
        """End the server and all its sessions."""
        if self.process is None:
            return
        pids = [self.process.pid, *self.sessions]
        processes.end(pids)
        self.process.wait()
        self.process = None
