"""An ordinary user beside root, at the same state file, logs and configuration."""

import importlib.util
import os
import pwd
import shutil
import subprocess
import sys

from tests.support.home import Home
from tests.support.sshd import Keys

NOBODY = "nobody"
PACKAGES = ("tunnel_tui", "yaml", "_yaml", "psutil")


class OrdinaryUser:
    """The user `nobody`, with a home, a key and an ssh configuration of its own.

    The package is copied to where it can be read, because a checkout often lies in root's home.
    """

    def __init__(self, home: Home, keys: Keys, port: int) -> None:
        account = pwd.getpwnam(NOBODY)
        self.uid, self.gid = account.pw_uid, account.pw_gid
        self.home = home
        home.path.chmod(0o755)
        self.path = home.path / NOBODY
        key = self.path / "key"
        ssh = self.path / "ssh"
        ssh.mkdir(parents=True)
        shutil.copy(keys.client, key)
        (ssh / "config").write_text(
            f"Host server\n  HostName 127.0.0.1\n  Port {port}\n  User root\n"
            f"  IdentityFile {key}\n  IdentitiesOnly yes\n  IdentityAgent none\n"
            "  GlobalKnownHostsFile /dev/null\n"
        )
        for path in (self.path, *self.path.rglob("*")):
            os.chown(path, self.uid, self.gid)
        key.chmod(0o600)
        self._library = home.path / "library"
        for name in PACKAGES:
            spec = importlib.util.find_spec(name)
            if spec and spec.submodule_search_locations:
                place = spec.submodule_search_locations[0]
                ignored = shutil.ignore_patterns("tests")
                shutil.copytree(place, self._library / name, ignore=ignored)
        for path in (self._library, *self._library.rglob("*")):
            path.chmod(path.stat().st_mode | (0o555 if path.is_dir() else 0o444))
        self.variables = home.variables | {
            "HOME": str(self.path),
            "XDG_STATE_HOME": str(self.path / "state"),
            "XDG_CONFIG_HOME": str(self.path / "config"),
            "SSH_CONFIG_DIR": str(ssh),
            "PYTHONPATH": str(self._library),
            "PYTHONDONTWRITEBYTECODE": "1",
        }

    def cli(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        """Run `tunnel-tui <arguments>` as this user."""
        user = [f"--reuid={self.uid}", f"--regid={self.gid}", "--clear-groups"]
        rights = ["--inh-caps=-all", "--bounding-set=-all"]
        program = self.home.command(*arguments)[1:]
        return subprocess.run(
            ["setpriv", *user, *rights, os.path.realpath(sys.executable), *program],
            env=self.variables,
            cwd="/",
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )


def is_possible() -> bool:
    """Say whether this machine lets us be somebody else."""
    return os.geteuid() == 0 and shutil.which("setpriv") is not None
