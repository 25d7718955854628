"""What this terminal answers to questions: who it is (DA1), that it works, where the cursor is."""

from tunnel_tui.terminal.page import Page

MAX_REPLY = 256  # bytes that wait to be sent; a flood of questions gets no flood of answers


class Replies:
    """Gathers answers until somebody sends them."""

    def __init__(self, page: Page) -> None:
        self._page = page
        self._waiting = b""

    def identity(self, which: int, _: int) -> None:
        """Answer DA1 as a VT102; nothing else about this terminal is told."""
        if which == 0:
            self._add("\x1b[?6c")

    def status(self, which: int, _: int) -> None:
        """Answer DSR 5 (in order) and 6 (where the cursor is)."""
        page = self._page
        if which == 5:
            self._add("\x1b[0n")
        elif which == 6:
            top = page.region().top if page.origin else 0
            line, column = page.cursor.y - top + 1, min(page.cursor.x + 1, page.columns)
            self._add(f"\x1b[{line};{column}R")

    def take(self) -> bytes:
        """Return what waits, once."""
        reply, self._waiting = self._waiting, b""
        return reply

    def _add(self, text: str) -> None:
        if len(self._waiting) + len(text) <= MAX_REPLY:
            self._waiting += text.encode("ascii")
