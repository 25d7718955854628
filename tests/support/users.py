"""Real users of this machine, made for one test, and programs that run as them. Needs root."""

import os
import secrets
import shutil
import site
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

from tests.support import processes
from tests.support.waiting import wait_until

_PACKAGES = ("yaml", "psutil")
"""What the commands import besides the standard library and ourselves."""


class User:
    """Somebody with an account (or, where useradd is missing, with a number) of their own."""

    def __init__(self, name: str, uid: int, gid: int) -> None:
        self.name, self.uid, self.gid = name, uid, gid

    def popen(self, argv: list[str], **options: Any) -> "subprocess.Popen[str]":
        """Start a program as this user, in a process group of its own, its output in a pipe."""
        settings: dict[str, Any] = {
            "env": {"PATH": os.defpath, "LANG": "C.UTF-8"},
            "cwd": "/",
            "stdin": subprocess.PIPE,
            "stdout": subprocess.PIPE,
            "text": True,
            "start_new_session": True,
        }
        identity = {"user": self.uid, "group": self.gid, "extra_groups": []}
        return subprocess.Popen(argv, **(settings | identity | options))

    def run_as(self, script: str, *arguments: object) -> "Running":
        """Run a Python script of the standard library as this user."""
        return Running(self.popen([interpreter(), "-I", "-c", script, *map(str, arguments)]))

    def do(self, script: str, *arguments: object, timeout: float = 30.0) -> str:
        """Run a script to its end; return what it printed."""
        running = self.run_as(script, *arguments)
        try:
            output, _ = running.process.communicate(timeout=timeout)
        finally:
            running.close()
        assert running.process.returncode == 0, f"the script failed: {output}"
        return output

    def processes(self) -> list[int]:
        """The live processes of this user; a test's user has no others."""
        found = []
        for name in filter(str.isdigit, os.listdir("/proc")):
            try:
                owned = os.stat(f"/proc/{name}").st_uid == self.uid
            except OSError:
                continue
            # A process that may not be dumped seems to be root's: its status says whose it is.
            if (owned or _real_uid(int(name)) == self.uid) and processes.alive(int(name)):
                found.append(int(name))
        return found

    def remove(self) -> None:
        """End what the user left running and take the account away."""
        for _ in range(3):  # one may have forked meanwhile
            processes.end(self.processes())
        subprocess.run(["userdel", "-f", self.name], check=False, capture_output=True)


class Running:
    """One script of a user; it is ended by its process group."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self.process = process
        self.pid = process.pid

    def line(self) -> str:
        """Wait for its next line."""
        assert self.process.stdout
        return self.process.stdout.readline().strip()

    def ready(self) -> "Running":
        """Wait until it has printed "ready"."""
        assert (said := self.line()) == "ready", f"it said {said!r}"
        return self

    def close(self) -> None:
        """End it and its children."""
        processes.end([*processes.descendants(self.pid), self.pid])
        self.process.wait()
        for stream in (self.process.stdin, self.process.stdout):
            if stream:
                stream.close()

    def __enter__(self) -> "Running":
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()


@contextmanager
def make_user(prefix: str = "ttx") -> Iterator[User]:
    """Make a user without a home and remove it afterwards."""
    user = _account(f"{prefix}{secrets.token_hex(4)}")
    try:
        yield user
    finally:
        user.remove()


def _account(name: str) -> User:
    import pwd

    command = ["useradd", "--no-create-home", "--no-log-init", "--shell", "/bin/sh", name]
    if shutil.which("useradd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"):
        # Another test may hold the lock of the password file for a moment.
        wait_until(
            lambda: subprocess.run(command, check=False, capture_output=True).returncode == 0,
            what=f"useradd {name}",
            interval=0.2,
        )
        account = pwd.getpwnam(name)
        return User(name, account.pw_uid, account.pw_gid)
    taken = {account.pw_uid for account in pwd.getpwall()}
    taken |= {os.stat(f"/proc/{pid}").st_uid for pid in os.listdir("/proc") if pid.isdigit()}
    uid = next(number for number in range(60000, 65000) if number not in taken)
    return User(f"#{uid}", uid, uid)


def _real_uid(pid: int) -> int:
    try:
        text = Path(f"/proc/{pid}/status").read_text(errors="replace")
    except OSError:
        return -1
    return next(int(line.split()[1]) for line in text.split("\n") if line.startswith("Uid:"))


@cache
def interpreter() -> str:
    """A Python that every user may run; "" where there is none (ours may be in root's home)."""
    for path in (os.path.realpath(sys.executable), "/usr/bin/python3", "/usr/local/bin/python3"):
        command = [path, "-I", "-c", "import sys; sys.exit(sys.version_info < (3, 11))"]
        try:
            done = subprocess.run(
                command, user=65534, group=65534, extra_groups=[], cwd="/", check=False
            )
        except OSError:
            continue
        if done.returncode == 0:
            return path
    return ""


@contextmanager
def product_for_users(directory: Path) -> Iterator[Path]:
    """Copy the program and what its commands import to where every user can read it."""
    import tunnel_tui

    place = directory / "python"
    sources = [Path(tunnel_tui.__file__).parent]
    for packages in site.getsitepackages():
        sources += [Path(packages, name) for name in _PACKAGES if Path(packages, name).is_dir()]
    for source in sources:
        shutil.copytree(source, place / source.name, ignore=shutil.ignore_patterns("__pycache__"))
    for path in (place, *place.rglob("*")):
        path.chmod(0o755 if path.is_dir() or os.access(path, os.X_OK) else 0o644)
    yield place
    shutil.rmtree(place, ignore_errors=True)


def variables_for(place: Path, variables: Mapping[str, str]) -> dict[str, str]:
    """The environment in which `interpreter()` finds the copy at `place`."""
    kept = {key: value for key, value in variables.items() if key != "VIRTUAL_ENV"}
    return kept | {"PYTHONPATH": str(place), "PYTHONDONTWRITEBYTECODE": "1"}
