"""Who looks after the tunnels: a watcher, and an app in a terminal. Both may be killed."""

import os
import re
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.soak.model import Model
from tests.soak.place import Place
from tests.support import processes
from tests.support.daemon import Daemon
from tests.support.tmux import Tmux

SIZE = (140, 100)
"""Columns and lines: all rows are in sight."""
START = 45.0
"""Seconds until all tunnels stand after a watcher began, eight at a time."""
_ROW = re.compile(r"\b(RUNNING|STARTING|STOPPED|DEAD|INTERACTIVE)\b.{0,6}?\s([a-z]{3}-\d\d)\s")
_COUNTS = re.compile(r"✗ (\d+)\s+◐ (\d+)\s+◆ (\d+)\s+● (\d+)\s+○ (\d+)")
_ONE = re.compile(r"\b1 of \d+ ")
_EMPTY = "words, or state:"
"""What the filter says while nothing is typed."""
_TYPING = "enter keep"
"""What the footer says while the filter is typed."""
_STATES = ("DEAD", "STARTING", "INTERACTIVE", "RUNNING", "STOPPED")


class Window(Tmux):
    """A terminal that can be resized."""

    def filter(self, text: str) -> bool:
        """Show only the rows with this text, or all; False: the app did not follow.

        Without Escape: a busy app reads it together with the next key, as alt+key.
        """
        self.press("/")
        self.press("C-u")
        if not _wait(lambda: _EMPTY in self.text):
            return False
        if text:
            self.type(text)
        self.press("Enter")
        return _wait(lambda: bool(_ONE.search(self.text)) is bool(text))

    def unmark(self) -> None:
        """Mark all, then none."""
        self.press("*")
        self.press("*")

    def resize(self, columns: int, rows: int) -> None:
        self._run("resize-window", "-x", str(columns), "-y", str(rows))

    @property
    def title(self) -> str:
        """What the program has made of the terminal's title."""
        return self._run("display", "-p", "#{pane_title}")


class Screen:
    """What a person sees: badges by name, counts by state; None where there are none."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.rows = {name: badge for badge, name in _ROW.findall(text)}
        found = _COUNTS.search(text)
        self.counts = dict(zip(_STATES, map(int, found.groups()), strict=True)) if found else None


class App:
    """The app, opened again whenever it was closed.

    Attributes:
        lock: held while keys are pressed, and while it is killed or opened.
        hidden: how many faults keep its table out of sight just now.
    """

    def __init__(self, place: Place, model: Model, problem: Callable[[str], None]) -> None:
        self.lock = threading.RLock()
        self.hidden = 0
        self.opened = 0.0
        self.pid = 0
        self._place, self._model, self._problem = place, model, problem
        self._window: Window | None = None
        self._count = 0

    @property
    def window(self) -> Window | None:
        return self._window

    def open(self) -> None:
        with self.lock:
            self._count += 1
            directory = Path(f"{self._place.home.path}-{self._count}")
            directory.mkdir()
            home = self._place.home
            window = Window(directory, home.command(), home.variables, SIZE)
            deadline = time.monotonic() + 30
            while not Screen(window.text).rows:
                if time.monotonic() > deadline:
                    self._problem(f"the app shows no table within 30 s:\n{window.text}")
                    break
                time.sleep(0.1)
            self.pid = window.pid if window.exit_status is None else 0
            self.opened = self._model.clock.now()
            self._window = window

    def look(self) -> Screen | None:
        """What is on the screen; None while it is closed or covered."""
        if not self.lock.acquire(blocking=False):
            return None
        try:
            if self._window is None or self.hidden:
                return None
            status = self._window.exit_status
            if status is not None:
                text = self._window.everything
                self._problem(f"the app has ended with {status}:\n{text}")
                self._forget()
                self.open()
                return None
            return Screen(self._window.text)
        finally:
            self.lock.release()

    def kill(self) -> None:
        """Kill it: nobody is left to tidy up."""
        with self.lock:
            if self.pid:
                processes.end([self.pid])
            self._check_gone()

    def hang_up(self) -> None:
        """Close its terminal."""
        with self.lock:
            pid, window = self.pid, self._window
            if window is None:
                return
            window.close()
            deadline = time.monotonic() + 15
            while pid and processes.alive(pid):
                if time.monotonic() > deadline:
                    self._problem(f"the app (pid {pid}) stays though its terminal is closed")
                    processes.end([pid])
                time.sleep(0.05)
            self._window, self.pid = None, 0

    def quit(self) -> int | None:
        """Leave it as a person does; returns its exit status."""
        with self.lock:
            window = self._window
            if window is None:
                return None
            for _ in range(3):
                if _TYPING in window.text:  # it did not follow in time when a row was looked for
                    window.press("C-u")
                    window.press("Enter")
                window.press("q")
                if _wait(lambda: window.exit_status is not None, 10):
                    break
            status = window.exit_status
            if status != 0:
                self._problem(f"the app left with {status} after q:\n{window.everything}")
                if self.pid:
                    processes.end([self.pid])
            self._check_gone()
            return status

    @contextmanager
    def marked(self, names: list[str]) -> Iterator[Window | None]:
        """Select a tunnel, or mark several, by keys; the caller presses what acts on them."""
        with self.lock:
            window = self._window
            if window is None:
                yield None
                return
            for name in names:
                if not window.filter(name):
                    window.filter("")
                    yield None
                    break
                if len(names) > 1:
                    window.press("Space")
                    window.filter("")
            else:
                yield window
                window.filter("")
            if len(names) > 1:
                window.unmark()

    def _check_gone(self) -> None:
        assert self._window is not None
        text = self._window.everything
        if "Traceback" in text:
            self._problem(f"the app has shown a traceback:\n{text}")
        self._window.close()
        self._forget()

    def _forget(self) -> None:
        self._window, self.pid = None, 0


class Watch:
    """The watcher: `tunnel-tui daemon`, or the app where that has taken its place."""

    def __init__(self, place: Place, model: Model, problem: Callable[[str], None]) -> None:
        self.lock = threading.RLock()
        self.daemon: Daemon | None = None
        self.began = 0.0
        self._place, self._model, self._problem = place, model, problem
        self._read: dict[Path, int] = {}

    def start(self) -> bool:
        """Start a daemon, which starts all; False: somebody else watches."""
        with self.lock:
            daemon = Daemon(self._place.home)
            deadline = time.monotonic() + 30
            while not daemon.lines("watching"):
                if daemon.process.poll() is not None:
                    text = daemon.output.read_text(errors="replace")
                    if "already" not in text and "watch" not in text:
                        self._problem(f"the watcher did not start: {text}")
                    daemon.close()
                    return False
                if time.monotonic() > deadline:
                    self._problem("the watcher does not begin within 30 s")
                    break
                time.sleep(0.05)
            self.daemon = daemon
            self.began = self._model.clock.now()
            self._model.unwatched = False
            self._model.ask_for_all(START)
            return True

    def kill(self) -> None:
        with self.lock:
            if self.daemon is None:
                return
            self._model.unwatched = True
            os.kill(self.daemon.pid, signal.SIGKILL)
            self.daemon.process.wait()
            self.read()
            self.daemon = None

    def taken_by_app(self) -> None:
        """The app watches now; nothing is started that somebody has stopped."""
        self._model.unwatched = False
        self._model.disturb(self._model.configured(), START)

    def hang_up(self) -> bool:
        with self.lock:
            if self.daemon is None:
                return False
            self._model.ask_for_all(START)
            self.daemon.hang_up()
            return True

    def read(self) -> None:
        """Look for what must never be said."""
        daemon = self.daemon
        if daemon is None:
            return
        with daemon.output.open("rb") as file:
            file.seek(self._read.get(daemon.output, 0))
            fresh = file.read().decode(errors="replace")
            self._read[daemon.output] = file.tell()
        for line in fresh.splitlines():
            unexpected = "event=trouble" in line and re.search(r"\b[A-Z]\w+Error: ", line)
            if "Traceback" in line or unexpected:
                self._problem(f"the watcher said: {line}")

    def end(self) -> tuple[int, float]:
        """Tell it to end; it stops every tunnel."""
        assert self.daemon is not None
        found = self.daemon.end(timeout=30)
        self.read()
        return found

    def check(self) -> None:
        """See that it lives, unless it was killed."""
        if self.daemon is not None and self.daemon.process.poll() is not None:
            text = self.daemon.output.read_text(errors="replace")
            self._problem(f"the watcher has ended by itself:\n{text[-3000:]}")
            self.daemon = None
            self._model.unwatched = True
        self.read()


def _wait(condition: Callable[[], bool], seconds: float = 8.0) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.1)
    return True
