"""An engine that only pretends, except that its logins are real children on real terminals."""

import sys
import threading
from collections.abc import Sequence
from pathlib import Path

from tests.tui.fake import FakeEngine, spec
from tunnel_tui.errors import TunnelTuiError
from tunnel_tui.model import Outcome, Reason, ReasonCode, State, TunnelSpec, TunnelStatus
from tunnel_tui.ssh.command import Command

DENIED = Reason(
    ReasonCode.PERMISSION_DENIED,
    "permission denied",
    "try again with the right password and code",
    "Permission denied (keyboard-interactive).",
)
ASK = """
import getpass, sys
word = getpass.getpass("Password: ")
code = getpass.getpass("Verification code: ")
sys.exit(0 if (word, code) == ("open", "123456") else 255)
"""
"""Asks like a bastion: with echo off, in line mode."""
ENVIRONMENT = {"PATH": "/usr/bin:/bin", "TERM": "xterm-256color", "LANG": "C.UTF-8"}


class FakeLogin:
    """One login; its command is a small Python program."""

    def __init__(self, engine: "LoginEngine", tunnel: TunnelSpec) -> None:
        self._engine = engine
        self._tunnel = tunnel
        self.command = Command((sys.executable, "-c", engine.script), ENVIRONMENT, False)

    def finish(self) -> Outcome:
        return self._engine.attach(self._tunnel)

    def reason(self, lines: Sequence[str]) -> Reason | None:
        self._engine.lines = list(lines)
        return DENIED

    def close(self) -> None:
        self._engine.locked.discard(self._tunnel.remote_host)


class LoginEngine(FakeEngine):
    """Tunnels behind hosts that ask."""

    def __init__(self, *statuses: TunnelStatus, directory: Path, script: str = ASK) -> None:
        super().__init__(statuses)
        self.settings = self.settings._replace(data_dir=str(directory / "data"))
        self.script = script
        self.locked: set[str] = set()
        self.logged_in: set[str] = set()
        self.refusal: TunnelTuiError | None = None
        self.lines: list[str] = []
        self.opening: threading.Event | None = None

    def begin_login(self, spec: TunnelSpec) -> FakeLogin:
        self.calls.append(("begin_login", spec.name))
        if self.opening is not None:
            self.opening.wait(10)
        if self.refusal is not None:
            raise self.refusal
        self.locked.add(spec.remote_host)
        return FakeLogin(self, spec)

    def needs_login(self, spec: TunnelSpec) -> bool:
        return spec.remote_host not in self.logged_in

    def attach(self, spec: TunnelSpec) -> Outcome:
        self.calls.append(("attach", spec.name))
        self.logged_in.add(spec.remote_host)
        self.become(spec.name, State.RUNNING)
        return Outcome(spec.hash, spec.name, True, "started")

    def siblings(self, spec: TunnelSpec, specs: Sequence[TunnelSpec]) -> list[TunnelSpec]:
        up = {status.spec.hash for status in self.statuses if status.state is State.RUNNING}
        return [
            other
            for other in specs
            if other.interactive
            and other.remote_host == spec.remote_host
            and other.hash not in {spec.hash, *up}
        ]


def asking(name: str, host: str = "me@hpc.uni", port: int = 2222) -> TunnelStatus:
    """A tunnel that needs a login."""
    return TunnelStatus(
        spec(name, host, "login-1:22", str(port), interactive=True), State.INTERACTIVE
    )
