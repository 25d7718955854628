"""A signal ends the app like its own key does: the terminal is put right, the demo cleared up."""

import asyncio
import os
import signal
import threading
from types import FrameType
from typing import Protocol

PATIENCE = 5.0
"""Seconds for an orderly end, which a terminal that is gone may prevent."""


class Leavable(Protocol):
    """An app that can be asked to end."""

    def exit(self, result: int | None = None, return_code: int = 0) -> None:
        """End with a return code."""
        ...


def leave_on_signals(app: Leavable) -> None:
    """Make SIGTERM and SIGHUP end the app with code 128 + signal."""

    def leave(signum: int, frame: FrameType | None) -> None:
        del frame
        code = 128 + signum
        # The keeper clears up whichever way this process ends.
        last_resort = threading.Timer(PATIENCE, os._exit, (code,))
        last_resort.daemon = True
        last_resort.start()
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:  # before the app, or after it
            raise SystemExit(code) from None
        loop.call_soon_threadsafe(app.exit, None, code)

    for signum in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(signum, leave)
