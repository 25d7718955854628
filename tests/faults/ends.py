"""Ways in which our programs end without being asked, and what holds them up in the middle."""

import ctypes
import os
import shutil
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support import processes
from tests.support.faults import Site
from tests.support.tmux import Tmux
from tests.support.waiting import wait_until

PTRACE_ATTACH, PTRACE_DETACH = 16, 17  # ptrace(2)
HOW = {"kill": "SIGKILL to the app", "hangup": "SIGHUP: its terminal was closed"}


def end_app(app: Tmux, how: str) -> None:
    """End the app in its terminal and wait until it is gone."""
    pid = app.pid
    if how == "kill":
        os.kill(pid, signal.SIGKILL)
        wait_until(lambda: not processes.alive(pid), what="the end of the app")
    assert "Traceback" not in app.everything
    app.close()
    wait_until(lambda: not processes.alive(pid), what="the end of the app")


def lose_app(site: Site, how: str) -> None:
    """End the app of a site; another one can be opened after it."""
    app = site.app
    assert app
    end_app(app, how)
    site.app = None
    site._apps.remove(app)
    shutil.rmtree(Path(f"{site.home.path}-{len(site._apps)}"))


@contextmanager
def held(pid: int) -> Iterator[None]:
    """Hold a process the way a debugger does: only SIGKILL gets through to it meanwhile."""
    libc = ctypes.CDLL(None, use_errno=True)
    assert libc.ptrace(PTRACE_ATTACH, pid, None, None) == 0, os.strerror(ctypes.get_errno())
    os.waitpid(pid, 0)
    try:
        yield
    finally:
        libc.ptrace(PTRACE_DETACH, pid, None, None)
