"""The logins of the app: one for each remote host, several open, each going on when unseen."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

from textual import constants
from textual.app import App

from tunnel_tui.errors import TunnelTuiError
from tunnel_tui.model import TunnelSpec
from tunnel_tui.supervise.login.login import PROMPT_TIMEOUT
from tunnel_tui.tui.engine.engine import Engine
from tunnel_tui.tui.login.session import GRACE, LoginSession, Phase
from tunnel_tui.tui.shell.messages import LoginChanged, LoginEnded, tell_screen

RECORDS_KEYS = (
    "this app runs in Textual's debug mode, which writes every key to a file:"
    " start it without TEXTUAL, TEXTUAL_DEBUG and TEXTUAL_LOG to log in"
)


class Logins:
    """Begins logins, keeps them while the pane is hidden, ends them with the app.

    Attributes:
        patience: seconds without a key after which a prompt is ended.
    """

    def __init__(
        self, app: App[Any], engine: Engine, configured: Callable[[], Sequence[TunnelSpec]]
    ) -> None:
        self._app = app
        self._engine = engine
        self._configured = configured
        self.patience = PROMPT_TIMEOUT
        self._sessions: dict[str, LoginSession] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._queue: list[list[TunnelSpec]] = []

    def why_not(self) -> str:
        """Say why no secret may be typed into this app; empty where it may."""
        features = self._app.features
        recorded = self._app.debug or "devtools" in features or constants.LOG_FILE is not None
        return RECORDS_KEYS if recorded else ""

    def of(self, spec: TunnelSpec | None) -> LoginSession | None:
        """Find the login of a tunnel's remote host, under way or failed."""
        return self._sessions.get(spec.remote_host) if spec is not None else None

    def alive(self) -> list[LoginSession]:
        """List the logins under way."""
        return [session for session in self._sessions.values() if session.alive]

    def begin(self, spec: TunnelSpec, *, everything: bool = False) -> LoginSession:
        """Log in for a tunnel, or join the login of its host that is under way."""
        session = self._sessions.get(spec.remote_host)
        if session is not None and session.alive:
            if spec.hash not in {other.hash for other in (session.spec, *session.riders)}:
                session.riders.append(spec)
            return session
        columns = max(20, self._app.size.width)
        session = LoginSession(
            spec, self._changed, (columns, 10), patience=self.patience, everything=everything
        )
        self._sessions[spec.remote_host] = session
        self._changed(session)
        task = asyncio.get_running_loop().create_task(self._drive(session))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return session

    def again(self, failed: LoginSession) -> LoginSession:
        """Try once more what failed."""
        fresh = self.begin(failed.spec, everything=failed.everything)
        fresh.riders = failed.riders
        return fresh

    def begin_all(self, specs: Sequence[TunnelSpec]) -> int:
        """Log in to the host of each of these tunnels, one prompt at a time.

        Hosts whose login has just failed come last, so that one that cannot succeed does not
        keep a person from the others.

        Returns:
            How many hosts there are.
        """
        hosts: dict[str, list[TunnelSpec]] = {}
        for spec in specs:
            hosts.setdefault(spec.remote_host, []).append(spec)
        self._queue = sorted(hosts.values(), key=lambda group: self._has_failed(group[0]))
        self._begin_next()
        return len(hosts)

    def _has_failed(self, spec: TunnelSpec) -> bool:
        session = self.of(spec)
        return session is not None and session.phase is Phase.FAILED

    def _begin_next(self) -> None:
        if not self._queue:
            return
        first, *others = self._queue.pop(0)
        session = self.begin(first, everything=True)
        session.everything = session.wants_front = True
        known = {spec.hash for spec in (session.spec, *session.riders)}
        session.riders += [spec for spec in others if spec.hash not in known]

    def cancel(self, session: LoginSession) -> bool:
        """End a login, and the walk through the hosts with it."""
        self._queue.clear()
        return session.cancel()

    def dismiss(self, session: LoginSession) -> None:
        """Forget a login that is over; done by the screen, once it has told of it."""
        if not session.alive and self._sessions.get(session.spec.remote_host) is session:
            del self._sessions[session.spec.remote_host]

    async def close(self) -> None:
        """End every prompt; the app leaves. What has logged in already is finished."""
        self._queue.clear()
        for session in self.alive():
            session.cancel()
        waiting = [session.wait_gone(GRACE) for session in self.alive()]
        await asyncio.gather(*waiting, return_exceptions=True)

    async def _drive(self, session: LoginSession) -> None:
        outcome = await session.run(self._engine)
        others: list[TunnelSpec] = []
        if outcome is not None:
            others = await asyncio.to_thread(self._siblings, session)
        self._engine.poke()
        tell_screen(self._app, LoginEnded(session, others))
        refused = session.phase is Phase.FAILED and not session.prompted
        if outcome is not None or refused:
            self._begin_next()

    def _siblings(self, session: LoginSession) -> list[TunnelSpec]:
        """List what else could ride on the new login; it is only an offer."""
        try:
            return self._engine.siblings(session.spec, self._configured())
        except (TunnelTuiError, OSError):
            return session.riders

    def _changed(self, session: LoginSession) -> None:
        tell_screen(self._app, LoginChanged(session))
