"""Opening the app in the terminal, and every way of leaving it.

A signal ends the app like its own key does: the terminal is put right, a login at its prompt ends,
the watch is given back.
"""

import _thread
import asyncio
import os
import signal
import sys
import time
from types import FrameType
from typing import TYPE_CHECKING

from tunnel_tui.tui.shell import gc_tuning

if TYPE_CHECKING:
    from tunnel_tui.tui.shell.app import TunnelApp

PATIENCE = 5.0
"""Seconds for an orderly end, which a terminal that is gone may prevent."""

SLICE = 0.0005
"""Seconds after which a busy thread makes room: a key passes through many turns of the loop, and
each may have to wait for a thread that reads logs or processes (sys.setswitchinterval)."""


def show(app: "TunnelApp") -> int:
    """Run the app until it is left, and return its exit code; 128 + signal where one ended it."""
    leave_on_signals(app)
    sys.setswitchinterval(SLICE)
    gc_tuning.put_off()
    app.begin()
    result = app.run()
    return app.return_code or (result or 0)


def leave_on_signals(app: "TunnelApp") -> None:
    """Make SIGTERM and SIGHUP end the app with code 128 + signal."""

    def leave(signum: int, frame: FrameType | None) -> None:
        del frame
        code = 128 + signum
        # Not through `threading`: what this handler interrupts may hold that module's lock.
        _thread.start_new_thread(_give_up, (code,))
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:  # before the app, or after it
            raise SystemExit(code) from None
        loop.call_soon_threadsafe(app.exit, None, code)

    for signum in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(signum, leave)


def _give_up(code: int) -> None:
    time.sleep(PATIENCE)
    os._exit(code)
