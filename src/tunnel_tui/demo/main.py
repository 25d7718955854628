"""`tunnel-tui demo`: hold a keeper, open the app on its tunnels, leave nothing behind."""

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from importlib import import_module
from typing import Any, NamedTuple

from tunnel_tui.demo.codes import PASSWORD, hint
from tunnel_tui.demo.departure import clear_up, end_stragglers
from tunnel_tui.demo.world import demo_settings, environment_of, remove_root
from tunnel_tui.errors import TunnelTuiError
from tunnel_tui.settings import Settings
from tunnel_tui.system.signal_queue import Signals

LEAVE_SECONDS = 20.0
"""How long the keeper may take to stop its tunnels before we do it ourselves."""


class Stage(NamedTuple):
    """A demo that stands: its settings, and what its bastion expects."""

    settings: Settings
    root: str
    secret: str
    starts: tuple[str, ...]


class Demo:
    """Context manager around the keeper process. Leaving it leaves nothing behind.

    Args:
        meanwhile: called while the keeper opens its servers.
        options: passed on to the keeper: `--root`, `--drop-after`, `--absence`.

    Raises:
        TunnelTuiError: asyncssh or ssh is missing, or the servers could not be opened.
    """

    def __init__(self, *options: str, meanwhile: Callable[[], object] | None = None) -> None:
        self._options = options
        self._meanwhile = meanwhile
        self._keeper: subprocess.Popen[bytes] | None = None
        self._root = ""

    def __enter__(self) -> Stage:
        _check_needs()
        self._keeper = subprocess.Popen(
            [sys.executable, "-m", "tunnel_tui.demo.keeper", *self._options],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # ctrl-c in the terminal is for the app alone
        )
        assert self._keeper.stdout is not None
        if self._meanwhile is not None:
            self._meanwhile()
        line = self._keeper.stdout.readline()
        report: dict[str, Any] = json.loads(line) if line else {"error": "its process ended"}
        if "error" in report:
            self._close()
            raise TunnelTuiError("The demo's servers did not start", str(report["error"]))
        self._root = report["root"]
        settings = demo_settings(self._root)
        return Stage(settings, self._root, report["secret"], tuple(report["starts"]))

    def __exit__(self, *exception: object) -> None:
        self._close()

    def _close(self) -> None:
        keeper, self._keeper = self._keeper, None
        if keeper is None or keeper.stdin is None or keeper.stdout is None:
            return
        keeper.stdin.close()
        try:
            keeper.wait(LEAVE_SECONDS)
        except subprocess.TimeoutExpired:
            keeper.kill()
            keeper.wait()
        keeper.stdout.close()
        if self._root:
            _leave_nothing(self._root)


def _leave_nothing(root: str) -> None:
    """Do what the keeper could not: it was killed, or the app started something meanwhile."""
    settings = demo_settings(root)
    if os.path.isdir(root):
        clear_up(settings)
    end_stragglers(settings)
    remove_root(root)


def run(headless: bool = False) -> int:
    """Run the demo and return the exit code.

    Args:
        headless: do not open the app; print the environment that reaches the tunnels from
            another terminal, and stay until SIGINT, SIGTERM or SIGHUP.
    """
    try:
        if headless:
            with Demo() as stage:
                return _stay(stage)
        with Demo(meanwhile=_app) as stage:
            return _open_app(stage)
    except TunnelTuiError as error:
        sys.stderr.write(f"tunnel-tui: {error}\n")
        return 1


def _check_needs() -> None:
    from importlib.util import find_spec

    if find_spec("asyncssh") is None:
        raise TunnelTuiError(
            "The demo needs asyncssh, which is not installed",
            advice="pip install 'tunnel-tui[demo]'",
        )
    if shutil.which("ssh") is None:
        raise TunnelTuiError("The demo needs an ssh client", advice="install openssh-client")


def _stay(stage: Stage) -> int:
    with Signals(signal.SIGINT, signal.SIGTERM, signal.SIGHUP) as signals:
        lines = [
            *(f"export {name}={value}" for name, value in environment_of(stage.settings).items()),
            "# the demo runs until ctrl-c",
            f"# bastion.lab: password “{PASSWORD}”, code from: oathtool --totp -b {stage.secret}",
        ]
        sys.stdout.write("\n".join(lines) + "\n")
        sys.stdout.flush()
        signals.wait()
    return 0


def hint_of(stage: Stage) -> str:
    """Say in one line how to try the demo out."""
    from tunnel_tui.config.load import load_config

    for spec in load_config(stage.settings.config_file).tunnels:
        if spec.name in stage.starts and not spec.interactive:
            listener = spec.forward().listener
            return f"demo: try curl {listener}; nothing of it stays"
    return "demo: nothing of it stays"


def _open_app(stage: Stage) -> int:
    app = _app().TunnelApp(
        import_module("tunnel_tui.tui.engine.live_engine").LiveEngine(stage.settings),
        hint_of(stage),
        login_hint=lambda: hint(stage.secret),
    )
    # The keeper clears up whichever way this process ends.
    return int(import_module("tunnel_tui.tui.shell.run").show(app))


def _app() -> Any:
    # By name: the demo launches the app like any launcher and knows nothing else of it.
    return import_module("tunnel_tui.tui.shell.app")
