"""`docker exec -it NAME tunnel-tui` in a real terminal emulator."""

import os
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.conftest import need_program
from tests.container.engine import Container, Engine
from tests.container.site import Site
from tests.support.network import EchoService, free_port
from tests.support.tunnels import inward
from tests.support.waiting import wait_until

NAMES = ("grafana", "postgres", "redis")


class Terminal:
    """A tmux of the test's own with one window."""

    def __init__(self, engine: Engine, directory: Path, columns: int, rows: int) -> None:
        self._base = ["tmux", "-S", str(directory / "tmux.sock"), "-f", "/dev/null"]
        self._environment = {**engine.environment, "LANG": "C.UTF-8", "LC_ALL": "C.UTF-8"}
        self._environment.pop("TMUX", None)
        self.run("new-session", "-d", "-x", str(columns), "-y", str(rows), "sleep 600")
        self.run("set", "-g", "status", "off")
        self.run("set", "-g", "remain-on-exit", "on")
        self.resize(columns, rows)

    def run(self, *command: str) -> str:
        done = subprocess.run(
            [*self._base, *command],
            env=self._environment,
            capture_output=True,
            encoding="utf-8",
            timeout=20,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def open(self, *command: str) -> None:
        """Run a command in the window, in place of what runs there."""
        self.run("respawn-pane", "-k", *command)

    def resize(self, columns: int, rows: int) -> None:
        self.run("resize-window", "-x", str(columns), "-y", str(rows))

    def type(self, keys: str) -> None:
        self.run("send-keys", "-l", keys)

    def frame(self) -> list[str]:
        return [line.rstrip() for line in self.run("capture-pane", "-p").split("\n")[:-1]]

    @property
    def text(self) -> str:
        return "\n".join(self.frame())

    @property
    def ended(self) -> bool:
        return self.run("display", "-p", "#{pane_dead}").strip() == "1"

    def close(self) -> None:
        self.run("kill-server")


@pytest.fixture
def terminal(engine: Engine, tmp_path: Path) -> Iterator[Terminal]:
    need_program("tmux")
    opened = Terminal(engine, tmp_path, 100, 30)
    yield opened
    opened.close()


def drawn(frame: list[str], columns: int, rows: int) -> bool:
    """Say whether the app fills a screen of this size: header on top, keys at the bottom."""
    text = "\n".join(frame)
    return (
        len(frame) == rows
        and all(name in text for name in NAMES)
        and "quit" in frame[-1].lower() + frame[-2].lower()
        and max(map(len, frame)) > columns - 12
        and max(map(len, frame)) <= columns
    )


def test_app_is_drawn_right_at_once_and_follows_a_resize(
    site: Site,
    make_container: Callable[..., Container],
    echo: EchoService,
    terminal: Terminal,
    figures: dict[str, str],
) -> None:
    site.write(*(inward(echo.port, free_port(), name=name) for name in NAMES))
    container = make_container(site)
    container.wait_running(*NAMES)
    command = ("docker", "exec", "-it", container.name, "tunnel-tui")
    begun = time.monotonic()
    terminal.open(*command)
    see(terminal, 100, 30)
    figures["docker exec -it to a drawn screen"] = f"{time.monotonic() - begun:.1f} s"
    assert terminal.text.count("RUNNING") >= len(NAMES)
    assert "●" in terminal.text
    for columns, rows in ((140, 40), (80, 24), (100, 30)):
        terminal.resize(columns, rows)
        see(terminal, columns, rows)
    # A broken file is said, and changes nothing.
    before, good = container.pids(), site.file.read_text()
    site.write(text=good + "- name: [broken\n")
    wait_until(lambda: "config broken" in terminal.text, 10, "the app says so", 0.1)
    assert terminal.text.count("RUNNING") >= len(NAMES)
    site.write(text=good)
    wait_until(lambda: "config broken" not in terminal.text, 10, "the app is content", 0.1)
    terminal.type("q")
    wait_until(lambda: terminal.ended, 10, "the app ends")
    assert container.pids() == before
    # The same after the container was stopped and started.
    container.stop()
    container.start()
    container.wait_running(*NAMES)
    terminal.open(*command[:2], "-u", "myuser", *command[2:])
    see(terminal, 100, 30)
    container.remove()


def see(terminal: Terminal, columns: int, rows: int) -> None:
    """Wait until the app fills the terminal."""
    end = time.monotonic() + 10
    while not drawn(frame := terminal.frame(), columns, rows):
        assert time.monotonic() < end, "\n".join(frame)
        time.sleep(0.05)


def test_app_refuses_politely_without_a_terminal(
    site: Site, make_container: Callable[..., Container]
) -> None:
    site.write(text="tunnels: []\n")
    container = make_container(site)
    done = container.exec("tunnel-tui", check=False)
    assert done.returncode == 2
    assert "docker exec -it" in done.stderr or "terminal" in done.stderr
    assert os.linesep not in done.stdout
    container.remove()
