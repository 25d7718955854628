"""The person's own editor on the configuration file, in the app's terminal."""

import os
import shlex
import shutil
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from tunnel_tui.errors import TunnelTuiError

FALLBACKS = ("nano", "vim", "vi")
"""Tried in this order where neither VISUAL nor EDITOR is set."""
_TAKES_LINE = frozenset(
    {"vi", "vim", "nvim", "view", "nano", "pico", "emacs", "emacsclient", "micro", "joe", "kak"}
    | {"ne", "mg", "jmacs", "vim.basic", "vim.tiny", "editor", "sensible-editor"}
)


def find_editor(environment: Mapping[str, str]) -> list[str]:
    """Find the command of the editor: VISUAL, EDITOR, or what is installed.

    Raises:
        TunnelTuiError: there is none.
    """
    path = environment.get("PATH", os.defpath)
    for variable in ("VISUAL", "EDITOR"):
        text = environment.get(variable, "").strip()
        if not text:
            continue
        try:
            words = shlex.split(text)
        except ValueError:
            words = [text]
        if shutil.which(words[0], path=path) is None:
            raise TunnelTuiError("No such editor", f"{variable}={text}", f"set {variable} anew")
        return words
    for name in FALLBACKS:
        if shutil.which(name, path=path):
            return [name]
    raise TunnelTuiError(
        "No editor is installed",
        "looked for " + ", ".join(FALLBACKS),
        "set EDITOR; or n adds a tunnel and E changes one without an editor",
    )


def editor_command(editor: Sequence[str], path: str, line: int = 0) -> list[str]:
    """Write the command that opens `path`, at `line` where the editor knows how to."""
    takes_line = os.path.basename(editor[0]) in _TAKES_LINE
    return [*editor, *([f"+{line}"] if line > 0 and takes_line else []), path]


def run_editor(command: Sequence[str]) -> int:
    """Run the editor until the person leaves it, and return its exit status.

    Raises:
        TunnelTuiError: it cannot be run.
    """
    with _signals_left_to_the_editor():
        try:
            return subprocess.run(command, check=False).returncode
        except OSError as error:
            raise TunnelTuiError("The editor cannot be run", str(error), "set EDITOR") from error


@contextmanager
def _signals_left_to_the_editor() -> Iterator[None]:
    """Let the keys of SIGINT and SIGQUIT reach the editor only, and that of SIGTSTP nobody.

    Nobody could bring a stopped editor back. A handler is not inherited through exec, "ignore" is:
    vi opens a shell where its ctrl+z is ignored.
    """
    before = {
        signal.SIGINT: signal.signal(signal.SIGINT, _do_nothing),
        signal.SIGQUIT: signal.signal(signal.SIGQUIT, _do_nothing),
        signal.SIGTSTP: signal.signal(signal.SIGTSTP, signal.SIG_IGN),
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _do_nothing(_number: int, _frame: object) -> None:
    """Handle a signal that is meant for the editor."""
