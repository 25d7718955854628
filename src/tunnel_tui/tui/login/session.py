"""One login under way: an ssh on a terminal of its own, from the lock to the attached tunnel.

Nothing that is typed is kept: keys go to the terminal as bytes and are forgotten. Knows no widget.
"""

import asyncio
import signal
from collections.abc import Callable
from enum import StrEnum

from tunnel_tui.errors import TunnelTuiError
from tunnel_tui.model import Outcome, Reason, ReasonCode, TunnelSpec
from tunnel_tui.ssh.client_config import name_askers
from tunnel_tui.supervise.login.login import PROMPT_TIMEOUT
from tunnel_tui.terminal.aio import AsyncSession
from tunnel_tui.terminal.keys import encode_key, encode_paste
from tunnel_tui.terminal.screen import Screen
from tunnel_tui.terminal.session import PtySession
from tunnel_tui.tui.engine.engine import Engine, Login

GRACE = 2.0
"""Seconds between TERM and KILL for an ssh that is to end."""
QUIET = 5.0
"""Seconds of silence after which a prompt may be one that ends with a new line."""
LAST_WORDS = 30
"""Seconds before the end of a forgotten prompt at which the pane begins to count."""


class Phase(StrEnum):
    """How far a login has come."""

    OPENING = "opening"
    ASKING = "asking"
    PROVING = "proving"
    UP = "up"
    FAILED = "failed"
    CANCELLED = "cancelled"


UNDER_WAY = frozenset({Phase.OPENING, Phase.ASKING, Phase.PROVING})


class LoginSession:
    """The login of one remote host, for one of its tunnels.

    Attributes:
        spec: the tunnel that is logged in for.
        askers: who may ask, and gets what is typed.
        riders: other tunnels that a person asked for meanwhile.
        everything: whether all tunnels of the host are to come up, without a question.
        reason: why it failed.
        prompted: whether ssh ran on its terminal; else the host had a login, or was refused us.
        watched: whether the keyboard is its own at the moment.
        wants_front: whether somebody waits for its prompt.
        on_paint: called when its screen has changed.
    """

    def __init__(
        self,
        spec: TunnelSpec,
        on_change: Callable[["LoginSession"], None],
        size: tuple[int, int] = (80, 24),
        patience: float = PROMPT_TIMEOUT,
        everything: bool = False,
    ) -> None:
        self.spec = spec
        self.askers = spec.remote_host
        self.riders: list[TunnelSpec] = []
        self.everything = everything
        self.screen = Screen(*size)
        self.phase = Phase.OPENING
        self.reason: Reason | None = None
        self.prompted = False
        self.watched = False
        self.wants_front = False
        self.on_paint: Callable[[], None] | None = None
        self._on_change = on_change
        self._patience = patience
        self._driver: AsyncSession | None = None
        self._deadline = 0.0
        self._last_output = 0.0
        self._idle = False
        self._cancelled = False
        self._asked_unseen = False
        self._has_spoken = False

    @property
    def alive(self) -> bool:
        """Whether it is still under way."""
        return self.phase in UNDER_WAY

    @property
    def takes_keys(self) -> bool:
        """Whether keys reach ssh now."""
        return self.phase is Phase.ASKING

    @property
    def asks_unseen(self) -> bool:
        """Whether ssh asks for a secret right now: what is typed does not show."""
        return self._driver is not None and self.takes_keys and self._driver.session.asks_unseen

    @property
    def pid(self) -> int | None:
        """The pid of the ssh at its prompt."""
        return self._driver.session.pid if self._driver is not None else None

    @property
    def seconds_left(self) -> float:
        """Seconds until a prompt at which nobody types is ended."""
        return self._deadline - asyncio.get_running_loop().time() if self.takes_keys else 0.0

    def describe(self) -> str:
        """Say in two or three words what it is at, for the row of its tunnel."""
        if self.phase is Phase.PROVING:
            return "attaching"
        if self.phase is not Phase.ASKING or not self._has_spoken:
            return "connecting"
        return "logging in" if self.watched else "waiting for you"

    # What a person does ----------------------------------------------------------------------

    def type_key(self, key: str, character: str | None) -> bool:
        """Send a key to ssh; False where it would only be shown, because nothing is asked."""
        data = encode_key(key, character, self.screen.app_cursor)
        if data[:1] >= b" " and self.shows_typing_ahead:
            return False
        self._send(data)
        return True

    def paste(self, text: bytearray) -> bool:
        """Send pasted text to ssh, marked only if it asked for marks; False as `type_key`.

        Nothing of it stays behind but in `text`.
        """
        if self.shows_typing_ahead:
            return False
        data = encode_paste(text, self.screen.bracketed)
        self._send(data)
        data[:] = bytes(len(data))
        return True

    @property
    def shows_typing_ahead(self) -> bool:
        """Whether what is typed now would be shown, and then thrown away by ssh.

        Between two questions a terminal echoes. A password that is typed too early would stand
        on the screen, while ssh forgets it: it flushes its input before it asks for a secret. A
        question leaves the cursor behind its words; at the left edge there is none.
        """
        if self._driver is None or not self.takes_keys or self._driver.session.hidden:
            return False
        quiet = asyncio.get_running_loop().time() - self._last_output
        return self.screen.cursor.column == 0 and quiet < QUIET

    def _send(self, data: bytes | bytearray) -> None:
        if self._driver is not None and self.takes_keys and data:
            self._stay()
            self._driver.write(data)

    def watch(self, watched: bool) -> None:
        """Note whether the keyboard is its own."""
        if watched != self.watched:
            self.watched = watched
            self._on_change(self)

    def resize(self, columns: int, rows: int) -> None:
        """Give its terminal another size."""
        if columns < 1 or rows < 1 or self.screen.size == (columns, rows):
            return
        if self._driver is not None and self.takes_keys:
            self._driver.resize(columns, rows)
        else:
            self.screen.resize(columns, rows)

    def cancel(self) -> bool:
        """End it; False where it is past ending: ssh has logged in, or it is over."""
        if self.phase not in {Phase.OPENING, Phase.ASKING}:
            return False
        self._cancelled = True
        if self._driver is not None:
            self._driver.cancel(GRACE)
        return True

    # Its course ------------------------------------------------------------------------------

    async def run(self, engine: Engine) -> Outcome | None:
        """Go all the way; return what came of the tunnel, or None: it failed or was cancelled.

        Must run in the main thread: the end of the thread that starts ssh ends ssh.
        """
        try:
            outcome = await self._run(engine)
        except TunnelTuiError as error:
            self._fail(Reason(ReasonCode.UNKNOWN, error.title, error.advice, error.detail))
            return None
        except Exception as error:  # a person must read of it whatever it is
            self._fail(Reason(ReasonCode.UNKNOWN, "the login failed", "", repr(error)))
            return None
        if outcome is not None:
            self._enter(Phase.UP)
        return outcome

    async def _run(self, engine: Engine) -> Outcome | None:
        if not await asyncio.to_thread(engine.needs_login, self.spec):
            return await asyncio.to_thread(engine.attach, self.spec)
        self.askers = await asyncio.to_thread(name_askers, engine.settings, self.spec)
        login = await asyncio.to_thread(engine.begin_login, self.spec)
        try:
            if self._cancelled:
                self._enter(Phase.CANCELLED)
                return None
            status = await self._talk(login)
            if status == 0:
                self._enter(Phase.PROVING)
                return await asyncio.to_thread(login.finish)
            await self._explain(login, status)
            return None
        finally:
            login.close()

    async def _talk(self, login: Login) -> int:
        """Run ssh on its terminal until it ends; return its exit status."""
        loop = asyncio.get_running_loop()
        ended: asyncio.Future[int] = loop.create_future()
        try:
            session = PtySession.start(
                login.command.argv,
                login.command.environment,
                *self.screen.size,
                orphaned=signal.SIGTERM,
            )
        except OSError as error:
            raise TunnelTuiError("ssh cannot be started", str(error)) from None
        self._driver = AsyncSession(session, self.screen, self._painted, ended.set_result)
        self.prompted = True
        self._stay()
        self._last_output = loop.time()
        self._enter(Phase.ASKING)
        watch = loop.create_task(self._end_when_forgotten())
        try:
            return await ended
        finally:
            watch.cancel()
            self._driver.close(GRACE)

    async def _explain(self, login: Login, status: int) -> None:
        """Find out why ssh ended."""
        if self._idle:
            span = f"{self._patience / 60:.0f} minutes" if self._patience >= 60 else "a while"
            text = "the prompt was ended"
            said = f"nobody typed anything for {span}"
            self._fail(Reason(ReasonCode.UNKNOWN, text, "log in again", said))
            return
        if self._cancelled or status < 0:
            self._enter(Phase.CANCELLED)
            return
        lines = [*self.screen.history, *self.screen.display]
        reason = await asyncio.to_thread(login.reason, lines)
        self._fail(
            reason
            or Reason(
                ReasonCode.UNKNOWN,
                "the login failed",
                "what ssh said stands above",
                f"ssh ended with status {status}",
            )
        )

    def _fail(self, reason: Reason) -> None:
        if self._cancelled:
            self._enter(Phase.CANCELLED)
            return
        self.reason = reason
        self._enter(Phase.FAILED)

    def _enter(self, phase: Phase) -> None:
        self.phase = phase
        self._on_change(self)

    def _stay(self) -> None:
        """Somebody is there: begin to count anew."""
        self._deadline = asyncio.get_running_loop().time() + self._patience

    async def _end_when_forgotten(self) -> None:
        """End a prompt at which nobody types: it keeps others from logging in."""
        while (left := self.seconds_left) > 0:
            await asyncio.sleep(min(1.0, left))
            if self.seconds_left < LAST_WORDS:
                self._on_change(self)
        self._idle = True
        if self._driver is not None:
            self._driver.cancel(GRACE)

    def _painted(self) -> None:
        """Take notice of a changed screen: at most 30 times a second."""
        if self.screen.dirty:
            self._last_output = asyncio.get_running_loop().time()
        if not self._has_spoken and any(self.screen.display):
            self._has_spoken = True
            self._on_change(self)
        elif self.asks_unseen != self._asked_unseen:
            self._asked_unseen = self.asks_unseen
            self._on_change(self)
        if self.on_paint is not None:
            self.on_paint()

    async def wait_gone(self, timeout: float) -> None:
        """Wait until its ssh is gone, and end it for good after `timeout` seconds."""
        driver = self._driver
        if driver is None:
            return
        loop = asyncio.get_running_loop()
        deadline = loop.time() + timeout
        while driver.session.check_exit() is None and loop.time() < deadline:
            await asyncio.sleep(0.02)
        driver.session.kill()
        driver.session.check_exit()
