"""A login: a person at a prompt, one at a time for each remote host, and what comes of it."""

import os
import time
from collections.abc import Mapping, Sequence

from tunnel_tui.errors import (
    FileRefusedError,
    LockHeldError,
    NotOursError,
    SpawnError,
    TunnelTuiError,
)
from tunnel_tui.logs.sanitise import sanitise
from tunnel_tui.model import Outcome, Reason, ReasonCode, TunnelSpec
from tunnel_tui.settings import Settings
from tunnel_tui.ssh import control_socket
from tunnel_tui.ssh.command import Command
from tunnel_tui.ssh.log.own_words import own_words
from tunnel_tui.ssh.log.phrases import REFUSED_METHODS
from tunnel_tui.ssh.log.reasons import find_reason
from tunnel_tui.ssh.login_command import build_login
from tunnel_tui.supervise.login import control_master
from tunnel_tui.system import files, proc
from tunnel_tui.system.locks import FileLock, lock_holder

PROMPT_TIMEOUT = 120.0
"""Seconds without a key after which a prompt is ended: a forgotten one keeps others out."""
_STANDS_WITHIN = 3.0
_ANSWERED_WRONGLY = frozenset({ReasonCode.PERMISSION_DENIED, ReasonCode.TOO_MANY_FAILURES})
_ANSWER_AGAIN = "look at password and code (a code may count only once), then log in again"


class Login:
    """One login under way. It holds the host's login lock until `close()`.

    The caller runs `command` on a pseudo-terminal with SIGHUP ignored, and reports what came of
    it: `finish()` after exit status 0, `reason()` for anything else.
    """

    def __init__(self, settings: Settings, spec: TunnelSpec, command: Command) -> None:
        self.settings = settings
        self.spec = spec
        self.command = command
        self._lock = FileLock(settings.login_socket(spec.remote_host) + ".lock")

    def open(self) -> None:
        """Take the lock and clear away what a crashed login left behind.

        Raises:
            LockHeldError: another login to this host is under way, or has just succeeded.
            NotOursError: something holds the control socket and does not answer.
            FileRefusedError: the directory of control sockets is somebody else's.
        """
        self._make_socket_directory()
        files.make_directory(self.settings.data_dir, 0o700)
        host = self.spec.remote_host
        try:
            self._lock.try_lock()
        except LockHeldError:
            raise LockHeldError(
                f"a login to {host} is under way",
                _who(self._lock.path),
                "finish or cancel it there",
            ) from None
        try:
            self._clear_socket()
        except TunnelTuiError:
            self.close()
            raise

    def _make_socket_directory(self) -> None:
        try:
            files.make_directory(self.settings.socket_dir, 0o700)
        except FileRefusedError as error:
            advice = "root removes it; a shorter HOME has the control sockets in it"
            raise FileRefusedError("control sockets refused", error.detail, advice) from error

    def _clear_socket(self) -> None:
        path = self.settings.login_socket(self.spec.remote_host)
        # A socket that nobody serves would let ssh succeed without becoming a master.
        control_socket.remove_stale(path)
        if not os.path.lexists(path):
            return
        host = self.spec.remote_host
        if control_master.find_master(self.settings, host) is not None:
            raise LockHeldError(
                f"somebody is logged in to {host} already", "", "start the tunnel: it needs no code"
            )
        raise NotOursError(
            f"the login of {host} does not answer", path, "stop its tunnels, or remove that file"
        )

    def finish(self) -> Outcome:
        """Prove that the master stands, and attach the tunnel that was logged in for.

        Raises:
            SpawnError: ssh said that it went well and no master answers.
            PortBusyError and others: the login stands, this tunnel could not be attached.
        """
        deadline = time.monotonic() + _STANDS_WITHIN
        host = self.spec.remote_host
        while control_master.find_master(self.settings, host) is None:
            if time.monotonic() > deadline:
                raise SpawnError(
                    f"the login to {host} did not stand",
                    "ssh ended well, but nothing answers on its control socket",
                    "look for ControlMaster or ControlPath in your ssh config",
                )
            time.sleep(0.02)
        return control_master.attach(self.settings, self.spec)

    def reason(self, lines: Sequence[str]) -> Reason | None:
        """Say why a login failed, from the lines that ssh left on the terminal."""
        reason = find_reason(own_words((sanitise(line) for line in lines), 0), self.spec)
        if reason is not None and reason.code in _ANSWERED_WRONGLY and _asks(reason):
            return reason._replace(advice=_ANSWER_AGAIN)
        return reason

    def close(self) -> None:
        """Let others log in; what came of this login stays."""
        self._lock.release()


def _asks(reason: Reason) -> bool:
    """Say whether the host takes what a person types; else its keys are what matters."""
    found = REFUSED_METHODS.search(reason.evidence)
    return found is None or any(
        method in found["methods"] for method in ("password", "keyboard-interactive")
    )


def _who(lock: str) -> str:
    """Name the process that holds a lock, as far as it can be known."""
    pid = lock_holder(lock)
    if pid is None:
        return ""
    if pid == os.getpid():
        return "in this app"
    owner = proc.owner(pid)
    return f"in process {pid}" + (f" of {owner[1]}" if owner else "")


def begin_login(settings: Settings, spec: TunnelSpec, environment: Mapping[str, str]) -> Login:
    """Make ready for a login; the caller must `close()` what it gets.

    Raises:
        LockHeldError: another login to this host is under way, or has just succeeded.
        NotOursError: something holds the control socket and does not answer.
        ConfigError, SpawnError: the command cannot be made.
    """
    login = Login(settings, spec, build_login(settings, spec, environment))
    login.open()
    return login


def needs_login(settings: Settings, spec: TunnelSpec) -> bool:
    """Say whether a person must log in before this tunnel can run."""
    return spec.interactive and control_master.find_master(settings, spec.remote_host) is None
