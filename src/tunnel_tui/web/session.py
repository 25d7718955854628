"""One browser session's app: a process of its own that speaks textual-serve's packets."""

import asyncio
import json
import os
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import Awaitable, Callable, Mapping, Sequence
from importlib.metadata import version

from textual_serve.app_service import AppService
from textual_serve.download_manager import DownloadManager

from tunnel_tui.logs.sanitise import sanitise
from tunnel_tui.supervise.watch.event_log import EventLog

GRACE = 8.0
"""Seconds that the app has to leave; a login under way is cancelled in that time."""
_PRELUDE = b"__GANGLION__\n"
_LARGEST_PACKET = 16 * 1024 * 1024
_LOST = (asyncio.IncompleteReadError, ConnectionError, asyncio.LimitOverrunError, ValueError)
_RECORDS_KEYS = ("TEXTUAL", "TEXTUAL_DEBUG", "TEXTUAL_LOG")


class AppSession(AppService):
    """Runs the app for one WebSocket and outlives it by GRACE at most.

    textual-serve's protocol, with another life: no shell, no inherited keys, an end that does
    not depend on the app's good will, and nothing of what it writes to a log.
    """

    def __init__(
        self,
        argv: Sequence[str],
        *,
        write_bytes: Callable[[bytes], Awaitable[None]],
        write_str: Callable[[str], Awaitable[None]],
        close: Callable[[], Awaitable[None]],
        log: EventLog,
    ) -> None:
        super().__init__(
            argv[0],
            write_bytes=write_bytes,
            write_str=write_str,
            close=close,
            download_manager=DownloadManager(),
        )
        self._argv = tuple(argv)
        self._log = log
        self._unseen = False

    @property
    def pid(self) -> int | None:
        """The process of the app, once it was started."""
        return self._process.pid if self._process else None

    async def start(self, width: int, height: int) -> None:
        """Start the app for a terminal of so many cells.

        Raises:
            OSError: it cannot be started.
        """
        self._process = await asyncio.create_subprocess_exec(
            *self._argv,
            stdin=PIPE,
            stdout=PIPE,
            stderr=DEVNULL,  # a traceback would show what was typed
            env=app_environment(os.environ, width, height),
            start_new_session=True,
        )
        self._stdin = self._process.stdin
        self._task = asyncio.create_task(self.run())

    async def run(self) -> None:
        """Pass on what the app shows, until it ends or is ended."""
        assert self._process is not None
        assert self._process.stdout is not None
        stdout = self._process.stdout
        try:
            if await stdout.readuntil(_PRELUDE):
                while True:
                    await self._pass_on(stdout)
        except _LOST:
            pass
        self._unseen = True
        code = await self._process.wait()
        if code:
            self._log.warning("app-ended", pid=self.pid, status=code)
        await self.remote_close()

    async def _pass_on(self, stdout: asyncio.StreamReader) -> None:
        head = await stdout.readexactly(5)
        size = int.from_bytes(head[1:], "big")
        if size > _LARGEST_PACKET:
            raise ValueError("not a packet")
        payload = await stdout.readexactly(size)
        if self._unseen:
            return  # read on, so that the app never waits for somebody who has gone
        try:
            if head[:1] == b"D":
                await self.on_data(payload)
            elif head[:1] == b"M":
                await self.on_meta(payload)
        except ConnectionError:
            self._unseen = True

    async def on_meta(self, data: bytes) -> None:
        """Do what the app asks the browser for: open a link. All else is not for it."""
        meta = json.loads(data)
        url = str(meta.get("url", ""))
        if meta.get("type") == "open_url" and url.startswith(("http://", "https://")):
            await self.remote_write_str(json.dumps(["open_url", {"url": url, "new_tab": True}]))

    async def stop(self) -> None:
        """End the app and wait until nothing of it is left; idempotent."""
        self._unseen = True
        if self._process is None or self._task is None:
            return
        if self._process.returncode is None:
            try:
                async with asyncio.timeout(GRACE):
                    await self.send_meta({"type": "quit"})
                    self.stdin.close()  # whatever keeps it from reading: it sees the end
                    await self._process.wait()
            except TimeoutError:
                self._log.warning("app-killed", pid=self.pid)
                self._process.kill()
        await self._task


def app_environment(environment: Mapping[str, str], width: int, height: int) -> dict[str, str]:
    """Make the environment of an app whose terminal is a browser."""
    kept = {name: value for name, value in environment.items() if name not in _RECORDS_KEYS}
    return kept | {
        "TEXTUAL_DRIVER": "textual.drivers.web_driver:WebDriver",
        "TEXTUAL_FPS": "60",
        "TEXTUAL_COLOR_SYSTEM": "truecolor",
        "TERM": "xterm-256color",
        "TERM_PROGRAM": "textual",
        "TERM_PROGRAM_VERSION": sanitise(version("textual-serve")),
        "COLUMNS": str(width),
        "ROWS": str(height),
    }
