"""What the tests of the configuration share: the app's real engine on files of the test's own."""

import stat
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from textual.pilot import Pilot

from tests.tui.fake import make_settings
from tests.tui.support import ENVIRONMENT, until
from tunnel_tui.settings import Settings
from tunnel_tui.tui.engine.live_engine import LiveEngine
from tunnel_tui.tui.shell.app import TunnelApp

CONFIG = """\
# Tunnels of the lab.
tunnels:
  # Their Grafana.
  - name: grafana
    remote_host: ops@edge-3   # in the rack
    remote_port: 3000
    local_port: "3000"

  - name: hpc
    remote_host: me@hpc.uni
    remote_port: login-1:22
    local_port: 2222
    interactive: true
"""


def settle(directory: Path, config: str | None = CONFIG) -> Settings:
    """Make a place of its own; `config` is the file's text, None: there is none."""
    settings = make_settings(str(directory))
    for path in (settings.ssh_config_dir, settings.log_dir, settings.data_dir):
        Path(path).mkdir(parents=True, exist_ok=True)
    if config is not None:
        Path(settings.config_file).parent.mkdir(parents=True, exist_ok=True)
        Path(settings.config_file).write_text(config)
    return settings


def write_editor(path: Path, body: str) -> str:
    """Make a program that plays the editor; the file to edit is its last argument, "$file"."""
    path.write_text(f'#!/bin/sh\nfor file; do :; done\necho "$@" >> "{path}.calls"\n{body}\n')
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return str(path)


@asynccontextmanager
async def opened_live(
    settings: Settings, size: tuple[int, int] = (100, 30)
) -> AsyncIterator[tuple[TunnelApp, Pilot[int]]]:
    app = TunnelApp(LiveEngine(settings), environment=ENVIRONMENT)
    async with app.run_test(size=size, notifications=True) as pilot:
        await until(pilot, lambda: app.context.snapshot is not None, "the first snapshot")
        await pilot.pause()
        yield app, pilot
