"""What a person mounts into a container: `~/.ssh` and the directory of the configuration."""

import os
import shutil
from pathlib import Path

from tests.support.tunnels import as_yaml
from tunnel_tui.model import TunnelSpec

IS_ROOT = os.geteuid() == 0
UID = 1234 if IS_ROOT else os.getuid()
GID = 1235 if IS_ROOT else os.getgid()


class Site:
    """The two directories, with one key that servers of the tests accept."""

    def __init__(self, directory: Path, key: Path) -> None:
        self.ssh = directory / "ssh"
        self.config = directory / "config"
        self.config.mkdir(parents=True)
        self.ssh.mkdir(mode=0o700)
        shutil.copy(key, self.ssh / "id_test")
        (self.ssh / "config").write_text("Host *\n  IdentitiesOnly yes\n")
        self.keep_private()

    @property
    def file(self) -> Path:
        return self.config / "config.yaml"

    def keep_private(self) -> None:
        """Give ~/.ssh the modes and the owner that ssh insists on."""
        (self.ssh / "id_test").chmod(0o600)
        if IS_ROOT:
            for path in (self.ssh, *self.ssh.iterdir()):
                os.chown(path, UID, GID)

    def add_host(self, alias: str, port: int, *lines: str) -> None:
        """Let ssh reach `alias` on a port of 127.0.0.1."""
        user = "root" if IS_ROOT else os.environ.get("USER", "root")
        entry = (f"Host {alias}", "HostName 127.0.0.1", f"Port {port}", f"User {user}", *lines)
        if not any(line.startswith("IdentityFile") for line in lines):
            entry += ("IdentityFile ~/.ssh/id_test",)
        with (self.ssh / "config").open("a") as file:
            file.write("\n  ".join(entry) + "\n")
        self.keep_private()

    def write(self, *specs: TunnelSpec, text: str = "") -> None:
        """Write the configuration in place, as `cat >` does."""
        with self.file.open("w") as file:
            file.write(text or as_yaml(*specs))

    def replace(self, *specs: TunnelSpec, text: str = "") -> None:
        """Replace the configuration by a rename, as editors do."""
        draft = self.config / ".config.yaml.swp"
        draft.write_text(text or as_yaml(*specs))
        draft.replace(self.file)

    def publish(self, version: str, *specs: TunnelSpec) -> None:
        """Replace the configuration as a kubelet updates a ConfigMap: by one symlink swap."""
        target = self.config / f"..{version}"
        target.mkdir()
        (target / "config.yaml").write_text(as_yaml(*specs))
        draft = self.config / "..data_tmp"
        draft.symlink_to(target.name)
        draft.replace(self.config / "..data")
        if not self.file.is_symlink():
            link = self.config / ".link"
            link.symlink_to("..data/config.yaml")
            link.replace(self.file)
