"""A real terminal for the real app: tmux on a socket of its own."""

import os
import re
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.support.processes import descendants
from tests.support.waiting import wait_until


class Tmux:
    """One program in one tmux pane."""

    def __init__(
        self,
        directory: Path,
        argv: Sequence[str],
        variables: Mapping[str, str],
        size: tuple[int, int] = (80, 24),
    ) -> None:
        self.size = size
        self._base = ["tmux", "-S", str(directory / "tmux.sock"), "-f", "/dev/null"]
        self._variables = dict(variables) | {"TMUX_TMPDIR": str(directory)}
        self._status = directory / "status"
        columns, rows = map(str, size)
        # tmux itself does not always learn how a program ended.
        argv = ["sh", "-c", f'"$@"; echo $? > {self._status}', "sh", *argv]
        settings = ["set", "-g", "status", "off", ";", "set", "-g", "escape-time", "0", ";"]
        settings += ["set", "-g", "default-terminal", "tmux-256color", ";"]
        settings += ["set", "-g", "remain-on-exit", "on", ";"]
        self._run(
            "start-server", ";", *settings, "new-session", "-d", "-x", columns, "-y", rows, *argv
        )

    def _run(self, *arguments: str, text: str | None = None) -> str:
        done = subprocess.run(
            [*self._base, *arguments],
            env=self._variables,
            input=text,
            capture_output=True,
            text=True,
            timeout=20,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    @property
    def pid(self) -> int:
        """The pid of the program in the pane."""
        return descendants(int(self._run("display", "-p", "#{pane_pid}")))[0]

    @property
    def exit_status(self) -> int | None:
        """The exit status of the program, None while it runs."""
        text = self._status.read_text() if self._status.exists() else ""
        return int(text) if text.endswith("\n") else None

    @property
    def text(self) -> str:
        """What is on the screen."""
        return self._run("capture-pane", "-p")

    @property
    def flat(self) -> str:
        """The screen as one line, so that wrapped sentences can be found."""
        return flatten(self.text)

    @property
    def everything(self) -> str:
        """What is on the screen and what has scrolled off it."""
        return self._run("capture-pane", "-p", "-S", "-")

    def press(self, *keys: str) -> None:
        """Press keys by tmux's names: `Enter`, `C-c`, `F12`, or single characters."""
        self._run("send-keys", *keys)

    def type(self, text: str) -> None:
        """Type text as it is."""
        self._run("send-keys", "-l", "--", text)

    def paste(self, text: str) -> None:
        """Paste text, marked if the program asked for that."""
        self._run("load-buffer", "-b", "test", "-", text=text)
        self._run("paste-buffer", "-p", "-d", "-r", "-b", "test")

    def shows(self, pattern: str, deadline: float = 20.0) -> str:
        """Wait until the screen, or it as one line, matches; return the screen."""
        last = ""

        def look() -> bool:
            nonlocal last
            last = self.text
            return bool(re.search(pattern, last) or re.search(pattern, flatten(last)))

        try:
            wait_until(look, deadline, interval=0.05)
        except AssertionError:
            raise AssertionError(f"never showed {pattern!r}:\n{last}") from None
        return last

    def close(self) -> None:
        """End the program and the server."""
        subprocess.run(
            [*self._base, "kill-server"], env=self._variables, capture_output=True, check=False
        )
        for path in (self._base[2], self._status):
            if os.path.exists(path):
                os.unlink(path)


def flatten(text: str) -> str:
    """Put a screen on one line, without the borders of dialogs and toasts."""
    return " ".join(re.sub("[▌│┃]", " ", text).split())
