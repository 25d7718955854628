"""What a person can have done: each is one call of the engine in a worker of its own."""

from collections import Counter
from collections.abc import Callable, Collection, Sequence
from functools import partial
from typing import Any

from textual.app import App

from tunnel_tui.errors import TunnelTuiError
from tunnel_tui.model import Outcome, TunnelSpec, TunnelStatus
from tunnel_tui.ssh.host_keys import ChangedKey
from tunnel_tui.supervise.info.tunnel_details import TunnelDetails
from tunnel_tui.tui.engine.engine import Engine, Progress
from tunnel_tui.tui.format.text import is_plain
from tunnel_tui.tui.notify.toasts import shorten
from tunnel_tui.tui.shell.messages import (
    BatchFinished,
    DetailsRead,
    ProgressMade,
    TunnelHandled,
    tell_screen,
)

BUSY = {"start": "starting", "stop": "stopping", "restart": "restarting"}


class Operations:
    """Runs the engine's calls beside the event loop and posts what came of them."""

    def __init__(self, app: App[Any], engine: Engine) -> None:
        self._app = app
        self._engine = engine
        self._starts: Counter[str] = Counter()

    @property
    def under_way(self) -> frozenset[str]:
        """Tunnels that are being started together: at the end, one toast lists what failed."""
        return frozenset(self._starts)

    def settle(self, starts: Collection[str]) -> None:
        """Take note that these are no longer being started together."""
        self._starts -= Counter(starts)

    def _run(self, work: Callable[[], None], group: str, *, exclusive: bool = True) -> None:
        self._app.run_worker(
            work, thread=True, exclusive=exclusive, group=group, exit_on_error=False
        )

    def handle_one(self, verb: str, spec: TunnelSpec) -> None:
        """Start, stop or restart one tunnel."""
        self._run(partial(self._handle_one, verb, spec), f"tunnel-{spec.hash}")

    def _handle_one(self, verb: str, spec: TunnelSpec) -> None:
        outcome, error = None, None
        calls = {
            "start": self._engine.start,
            "stop": self._engine.stop,
            "restart": self._engine.restart,
        }
        try:
            outcome = calls[verb](spec)
        except TunnelTuiError as problem:
            error = problem
        except Exception as problem:  # a person must read of it whatever it is
            error = TunnelTuiError(f"Cannot {verb} {spec.name}", repr(problem))
        tell_screen(self._app, TunnelHandled(spec.hash, spec.name, verb, outcome, error))
        self._engine.poke()

    def start_all(self, specs: Sequence[TunnelSpec]) -> None:
        """Start these tunnels."""
        self._batch("starting", partial(self._engine.start_all, specs), len(specs), specs)

    def stop_all(self, hashes: Sequence[str] | None = None) -> None:
        """Stop the tunnels given, or all and every orphan."""
        total = len(hashes) if hashes is not None else 0
        self._batch("stopping", partial(self._engine.stop_all, hashes), total)

    def restart_all(self, running: Sequence[str], specs: Sequence[TunnelSpec]) -> None:
        """Stop what runs of these tunnels, then start them all."""
        work = partial(self._engine.restart_all, running, specs)
        self._batch("restarting", work, len(running) + len(specs), specs)

    def bring_up(self, specs: Sequence[TunnelSpec]) -> None:
        """Let these tunnels ride on the login that their host has."""
        self._batch("bringing up", partial(self._bring_up, specs), len(specs))

    def _bring_up(self, specs: Sequence[TunnelSpec], progress: Progress) -> list[Outcome]:
        outcomes: list[Outcome] = []
        for spec in specs:
            try:
                outcomes.append(self._engine.attach(spec))
            except TunnelTuiError as error:
                why = ": ".join(filter(None, (error.title, error.detail)))
                outcomes.append(Outcome(spec.hash, spec.name, False, "failed", why, error.advice))
            progress(len(outcomes), len(specs), outcomes[-1])
        return outcomes

    def clean_up(self, specs: Sequence[TunnelSpec]) -> None:
        """Repair what is left over."""
        self._batch("cleaning up", lambda _: self._engine.clean_up(specs), 0)

    def apply(self, specs: Sequence[TunnelSpec], total: int) -> None:
        """Make what runs agree with the config."""
        self._batch("applying", partial(self._engine.apply, specs), total, specs)

    def _batch(
        self,
        what: str,
        work: Callable[[Progress], list[Outcome]],
        total: int,
        starts: Sequence[TunnelSpec] = (),
    ) -> None:
        keys = [spec.hash for spec in starts]
        self._starts.update(keys)
        if total:
            tell_screen(self._app, ProgressMade(what, 0, total))
        self._run(partial(self._run_batch, what, work, keys), "all", exclusive=False)

    def _run_batch(
        self, what: str, work: Callable[[Progress], list[Outcome]], starts: Collection[str]
    ) -> None:
        outcomes: list[Outcome] = []
        error = None

        def progress(done: int, total: int, _: Outcome) -> None:
            tell_screen(self._app, ProgressMade(what, done, total))

        try:
            outcomes = work(progress)
        except TunnelTuiError as problem:
            error = problem
        except Exception as problem:  # a person must read of it whatever it is
            error = TunnelTuiError(f"{what.capitalize()} failed", repr(problem))
        tell_screen(self._app, BatchFinished(what, outcomes, error, starts))
        self._engine.poke()

    def read_details(self, status: TunnelStatus) -> None:
        """Look up ladder and command of one tunnel."""
        self._run(partial(self._read_details, status), "details")

    def _read_details(self, status: TunnelStatus) -> None:
        key = status.spec.hash
        try:
            layers = self._engine.layers(status)
            command = self._engine.shell_line(status.spec)
            more = self._engine.particulars(status)
        except Exception as problem:  # details must not end the app
            tell_screen(
                self._app, DetailsRead(key, [], f"not available: {problem!r}", TunnelDetails())
            )
            return
        tell_screen(self._app, DetailsRead(key, layers, command, more))

    def accept_key(self, specs: Sequence[TunnelSpec], key: ChangedKey) -> None:
        """Forget the known key of a host, then start its tunnels, which take the new one."""

        def accept(progress: Progress) -> list[Outcome]:
            forgotten = self._engine.forget_key(key)
            return [forgotten, *self._engine.start_all(specs, progress)]

        self._batch("accepting the key", accept, 0, specs)

    def copy_command(self, spec: TunnelSpec) -> None:
        """Put the ssh command on the clipboard."""

        def copy() -> None:
            line = self._engine.shell_line(spec)
            if not is_plain(line, quoted=True):
                why = "it has characters that act where it is pasted"
                title, warn = "Cannot copy the ssh command", "warning"
                self._app.call_from_thread(self._app.notify, why, title=title, severity=warn)
                return
            self._app.call_from_thread(self._app.copy_to_clipboard, line)
            self._app.call_from_thread(
                self._app.notify,
                shorten(line),
                title="ssh command copied",
                markup=False,
                timeout=4,
            )

        self._run(copy, "copy")
