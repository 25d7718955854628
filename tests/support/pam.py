"""An sshd that asks for a password and a code, through the real PAM stack (root only).

The PAM service is the basename of sshd's argv[0] (sshd_config(5), UsePAM), so the server runs
through a symlink of its own name with its own `/etc/pam.d/<name>`.
"""

import os
import secrets
import shutil
import subprocess
from pathlib import Path

from tests.support.sshd import SSHD, Keys, Sshd

PAM_LINES = """\
auth required pam_unix.so
auth required pam_google_authenticator.so nullok
account required pam_unix.so
session required pam_permit.so
"""
PASSWORD = "kö!7\"$%&/()=?`'\\{[]}~+*#-_.,;<>|^@ 中文ß€ ærøskøbing-Zz9 ☃ end-of-it!"
"""64 characters with symbols and non-ASCII: what people paste."""


class Person:
    """A user of this machine, made for one test run, with a password and perhaps a code.

    Attributes:
        password: 64 characters, with symbols and non-ASCII: what people paste.
    """

    def __init__(self, name: str, with_code: bool, password: str | None = None) -> None:
        self.name = name
        self.password = password or secrets.token_urlsafe(18)
        subprocess.run(["useradd", "-m", "-s", "/bin/sh", name], check=True)
        self.set_password(self.password)
        self.home = Path(f"/home/{name}")
        if with_code:
            command = "google-authenticator -t -D -f -u -w 17 -q -Q NONE"
            subprocess.run(["su", name, "-c", command], check=True, stdout=subprocess.DEVNULL)

    def set_password(self, password: str) -> None:
        """Change the password."""
        line = f"{self.name}:{password}"
        subprocess.run(["chpasswd"], input=line.encode(), check=True)
        self.password = password

    @property
    def code(self) -> str:
        """The code that is valid now."""
        secret = (self.home / ".google_authenticator").read_text().splitlines()[0]
        command = ["oathtool", "--totp", "-b", "-"]
        result = subprocess.run(command, input=secret, capture_output=True, text=True, check=True)
        return result.stdout.strip()

    def remove(self) -> None:
        """Take the user off the machine again."""
        subprocess.run(["userdel", "-r", "-f", self.name], check=False, capture_output=True)


class PamSshd(Sshd):
    """A bastion; give its tests `Person`s to log in as."""

    def __init__(self, directory: Path, keys: Keys, **options: str) -> None:
        self.service = f"tt-pam-{os.getpid()}-{secrets.token_hex(3)}"
        self.pam_file = Path("/etc/pam.d") / self.service
        settings = {
            "UsePAM": "yes",
            "KbdInteractiveAuthentication": "yes",
            "AuthenticationMethods": "keyboard-interactive",
            "PasswordAuthentication": "no",
        }
        super().__init__(directory, keys, **(settings | options))
        self.program = self.directory / self.service
        self.program.symlink_to(SSHD)
        self.pam_file.write_text(PAM_LINES)

    def stop(self) -> None:
        """End the server and take its PAM service away."""
        super().stop()
        self.pam_file.unlink(missing_ok=True)


def pam_is_possible() -> bool:
    """Say whether this machine has what a `PamSshd` needs."""
    return os.geteuid() == 0 and all(
        shutil.which(name, path="/usr/sbin:/sbin:/usr/bin:/bin")
        for name in ("sshd", "useradd", "chpasswd", "google-authenticator", "oathtool", "su")
    )
