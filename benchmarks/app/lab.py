"""Tunnels that stand without a server: real autossh, and an ssh that only says it is connected."""

import os
import shutil
import sys
import time
from pathlib import Path
from unittest.mock import patch

from tests.support.home import Home

from benchmarks.app.terminal import Terminal
from tunnel_tui.config.load import load_config
from tunnel_tui.model import TunnelSpec
from tunnel_tui.state.state_file import StateFile
from tunnel_tui.supervise.actions.lifecycle import start_tunnels

SSH = """\
#!/bin/sh
[ "$1" = -G ] && exit 0
echo 'Authenticated to x ([127.0.0.1]:22) using "publickey".' >&2
echo "debug1: clientloop.c:client_loop():1290 (pid=$$): Entering interactive session." >&2
exec 3<>"$0.wait"
read -r nothing <&3
"""
"""It waits without a child, and keeps its name: so it looks like ssh to whoever looks."""


class Lab:
    """A home with running tunnels that vanish with it."""

    def __init__(self, tunnels: int, *, running: bool = True) -> None:
        for program in ("autossh", "ssh"):
            if shutil.which(program) is None:
                raise SystemExit(f"{program} is needed to measure the app")
        self.home = Home()
        directory = self.home.path / "bin"
        directory.mkdir()
        (directory / "ssh").write_text(SSH)
        (directory / "ssh").chmod(0o755)
        os.mkfifo(directory / "ssh.wait")
        self.home.variables["PATH"] = f"{directory}:{self.home.variables['PATH']}"
        self.home.variables["COLORTERM"] = "truecolor"
        self.home.write_config("tunnels:\n" + "".join(map(_tunnel, range(tunnels))))
        self.settings = self.home.settings
        self.specs = load_config(self.settings.config_file).tunnels
        if running:
            self.start(self.specs)

    def __enter__(self) -> "Lab":
        return self

    def __exit__(self, *_: object) -> None:
        self.home.close()

    def start(self, specs: "tuple[TunnelSpec, ...]") -> None:
        """Start tunnels as this home's person would."""
        with patch.dict(os.environ, self.home.variables, clear=True):
            failed = [o for o in start_tunnels(self.settings, specs) if not o.ok]
        if failed:
            raise SystemExit(f"{len(failed)} tunnels do not start: {failed[0].message}")

    def autossh(self) -> dict[str, int]:
        """The pids of the running tunnels by their hashes."""
        entries = StateFile.of(self.settings).read().entries
        return {entry.hash: entry.pid for entry in entries}

    def ssh(self) -> list[int]:
        """The pids of what plays ssh, in the order of the tunnels' start."""
        return [pid for leader in self.autossh().values() for pid in _children(leader)]

    def open(self, size: tuple[int, int] = (140, 40)) -> Terminal:
        """Open the app as a person does."""
        return Terminal(self.home.command(), self.home.variables, size)


def pretend(lab: Lab, *arguments: str) -> Terminal:
    """Open the app on tunnels that only pretend."""
    program = [sys.executable, "-m", "benchmarks.app.pretended", *arguments]
    return Terminal(program, lab.home.variables)


def settle(terminal: Terminal, seconds: float = 4.0) -> None:
    """Let the app come to rest after its start."""
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        terminal.wait(left)


def _children(pid: int) -> list[int]:
    try:
        text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    except OSError:
        return []
    return [int(word) for word in text.split()]


def _tunnel(number: int) -> str:
    return (
        f"- name: tunnel-{number:03}\n  remote_host: me@host-{number % 20}\n"
        f"  remote_port: {8000 + number}\n  local_port: {12_000 + number}\n"
    )
