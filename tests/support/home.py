"""An isolated environment: own HOME, XDG directories, state file, logs and ssh configuration."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from tests.support import processes
from tunnel_tui.settings import Settings, load_settings

KEPT = ("PATH", "TZ", "CI", "COVERAGE_PROCESS_START", "PYTHONPATH", "VIRTUAL_ENV")


class Home:
    """One person's machine, as far as tunnel-tui can see.

    Attributes:
        path: HOME, a short path directly under /tmp (control sockets have a length limit).
        variables: the environment that commands get.
    """

    def __init__(self, identity: Path | None = None) -> None:
        self.path = Path(tempfile.mkdtemp(prefix="tt-", dir="/tmp"))
        self.config_file = self.path / "config.yaml"
        self.state_file = self.path / "tunnels.state"
        self.log_dir = self.path / "logs"
        self.ssh_dir = self.path / "ssh"
        self.variables = {key: os.environ[key] for key in KEPT if key in os.environ}
        self.variables |= {
            "HOME": str(self.path),
            "LANG": "C.UTF-8",
            "TERM": "xterm-256color",
            "XDG_CONFIG_HOME": str(self.path / "xdg-config"),
            "XDG_STATE_HOME": str(self.path / "xdg-state"),
            "AUTOSSH_CONFIG_FILE": str(self.config_file),
            "AUTOSSH_STATE_FILE": str(self.state_file),
            "AUTOSSH_LOG_DIR": str(self.log_dir),
            "SSH_CONFIG_DIR": str(self.ssh_dir),
        }
        self.ssh_dir.mkdir(mode=0o700)
        self.ssh_config = self.ssh_dir / "config"
        self.ssh_config.write_text("")
        if identity:
            self.add_ssh_config(
                "Host *",
                f"IdentityFile {identity}",
                "IdentitiesOnly yes",
                "IdentityAgent none",
                "GlobalKnownHostsFile /dev/null",
            )

    @property
    def settings(self) -> Settings:
        """The settings that the variables make."""
        return load_settings(self.variables)

    def add_ssh_config(self, *lines: str) -> None:
        """Append lines to the ssh configuration."""
        with self.ssh_config.open("a") as file:
            file.write("\n".join(lines) + "\n")

    def add_host(self, alias: str, port: int, **options: str) -> None:
        """Let ssh reach `alias` on a port of 127.0.0.1."""
        extra = [f"  {keyword} {value}" for keyword, value in options.items()]
        user = [] if "User" in options else [f"  User {_user_name()}"]
        where = [] if "HostName" in options else ["  HostName 127.0.0.1"]
        self.add_ssh_config(f"Host {alias}", *where, f"  Port {port}", *user, *extra)

    def write_config(self, text: str) -> Path:
        """Write the tunnels file."""
        self.config_file.write_text(text)
        return self.config_file

    def log(self, tunnel_hash: str) -> str:
        """The log of one tunnel as text; empty if there is none."""
        path = self.log_dir / f"tunnel-{tunnel_hash}.log"
        return path.read_text(errors="replace") if path.exists() else ""

    def command(self, *arguments: str) -> list[str]:
        """The argument vector of `tunnel-tui <arguments>`."""
        program = "import sys; from tunnel_tui.cli.main import main; sys.exit(main())"
        return [sys.executable, "-c", program, *arguments]

    def cli(
        self, *arguments: str, timeout: float = 60.0, variables: Mapping[str, str] | None = None
    ) -> "subprocess.CompletedProcess[str]":
        """Run `tunnel-tui <arguments>` in this environment and return what came of it."""
        return subprocess.run(
            self.command(*arguments),
            env=self.variables | dict(variables or {}),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=timeout,
            check=False,
        )

    def processes(self, *names: str) -> list[int]:
        """Live processes that were started in this environment; of these programs, if named."""
        found = processes.with_environment("HOME", str(self.path))
        if not names:
            return found
        return [
            pid
            for pid in found
            if (line := processes.command_line(pid)) and os.path.basename(line[0]) in names
        ]

    def close(self) -> None:
        """End every process that was started in this environment and delete the directory."""
        # Twice: an autossh that dies between the looks may just have started an ssh.
        for _ in range(2):
            processes.end(self.processes(), signal.SIGKILL)
        shutil.rmtree(self.path, ignore_errors=True)


def _user_name() -> str:
    import pwd

    return pwd.getpwuid(os.geteuid()).pw_name
