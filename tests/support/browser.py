"""Headless Chromium with the app's page open; offers what `Tmux` offers."""

import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

from tests.support.waiting import wait_until
from tunnel_tui.terminal.screen import Screen

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext, Page, WebSocket

CHROMIUM = shutil.which("chromium") or ""
_ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
_NAMES = {"C-]": "Control+]"}


class BrowserTab:
    """One page with the app. What xterm.js was sent is read a second time, by our own terminal.

    Attributes:
        requests: every address that the page asked for.
        errors: what the browser complained about.
        console: what it noted besides.
    """

    def __init__(self, page: "Page") -> None:
        self.page = page
        self.requests: list[str] = []
        self.errors: list[str] = []
        self.console: list[str] = []
        self.everything = b""
        self._screen = Screen(80, 24)
        self.exit_status: int | None = None
        page.on("request", lambda request: self.requests.append(request.url))
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("console", lambda message: self.console.append(message.text))
        page.on("websocket", self._watch)

    def _watch(self, socket: "WebSocket") -> None:
        query = parse_qs(urlsplit(socket.url).query)
        self._screen = Screen(int(query["width"][0]), int(query["height"][0]))
        socket.on("framereceived", self._receive)

    def _receive(self, payload: "str | bytes") -> None:
        if isinstance(payload, bytes):
            self.everything += payload
            self._screen.feed(payload)

    def open(self, url: str, key: str) -> None:
        """Go to the server, give it the key, wait for the app."""
        self.page.goto(url)
        if key:
            self.page.fill("#key", key)
            self.page.press("#key", "Enter")
        try:
            self.page.wait_for_selector("body.-first-byte", timeout=30_000)
        except Exception as error:
            seen = (self.errors, self.console, self.requests, self.everything[:300])
            raise AssertionError(f"no app: {seen}") from error
        self.page.click("#terminal", position={"x": 300, "y": 400})

    @property
    def text(self) -> str:
        """What is on the screen."""
        self.page.wait_for_timeout(20)  # lets Playwright deliver what has arrived
        return "\n".join(self._screen.display)

    def shows(self, pattern: str, deadline: float = 20.0) -> str:
        """Wait for a pattern on the screen; return the screen."""

        def look() -> str:
            text = self.text
            return text if re.search(pattern, text) else ""

        try:
            return wait_until(look, deadline, pattern)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.text}") from None

    def type(self, text: str) -> None:
        """Type characters, one key after the other."""
        self.page.keyboard.type(text)

    def press(self, key: str) -> None:
        """Press one key."""
        self.page.keyboard.press(_NAMES.get(key, key))


class Browser:
    """A Chromium of one test module, with a profile of its own."""

    def __init__(self, context: "BrowserContext") -> None:
        self._context = context

    @contextmanager
    def tab(self) -> Iterator[BrowserTab]:
        """Open a tab without cookies, close it at the end."""
        self._context.clear_cookies()
        page = self._context.new_page()
        try:
            yield BrowserTab(page)
        finally:
            page.close()


@contextmanager
def run_browser() -> Iterator[Browser]:
    """Run Chromium; no browser is downloaded."""
    from playwright.sync_api import sync_playwright

    directory = Path(tempfile.mkdtemp(prefix="tt-browser-"))
    environment = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
    try:
        with sync_playwright() as playwright:
            context = playwright.chromium.launch_persistent_context(
                directory / "profile",
                executable_path=CHROMIUM,
                headless=True,
                args=_ARGUMENTS,
                viewport={"width": 1280, "height": 720},
                env=environment | {"HOME": str(directory)},
            )
            try:
                yield Browser(context)
            finally:
                context.close()
    finally:
        shutil.rmtree(directory, ignore_errors=True)
