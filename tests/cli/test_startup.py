"""Commands that only read import next to nothing: starting Python is most of their time."""

import subprocess
import sys

import pytest

from tests.support.home import Home

CONFIG = "tunnels:\n" + "".join(
    f"  - {{name: t{n}, remote_host: h, remote_port: {n}, local_port: {n}}}\n"
    for n in range(9000, 9020)
)
HEAVY = (
    "textual",
    "rich",
    "argparse",
    "asyncio",
    "dataclasses",
    "difflib",
    "inspect",
    "json",
    "logging",
    "psutil",
    "ptyprocess",
    "pyte",
    "ruamel",
    "shutil",
    "subprocess",
    "tempfile",
    "tunnel_tui.tui",
)


def imported(home: Home, *arguments: str) -> set[str]:
    probe = (
        "import os, sys; leave = os._exit\n"
        "def show(code):\n"
        "    print('modules:', *sys.modules, file=sys.stderr, flush=True); leave(code)\n"
        "os._exit = show\n"
        f"sys.argv = {['tunnel-tui', *arguments]!r}\n"
        "from tunnel_tui.cli.main import main\n"
        "show(main())"
    )
    result = subprocess.run(
        [sys.executable, "-c", probe],
        env=home.variables,
        capture_output=True,
        text=True,
        check=True,
    )
    return set(result.stderr.partition("modules: ")[2].split())


@pytest.mark.parametrize(
    "command", ["status", "list", "stats", "logs", "parse", "config", "health"]
)
def test_reading_commands_import_nothing_heavy(home: Home, command):
    home.write_config("tunnels: []\n" if command == "health" else CONFIG)
    modules = imported(home, command)
    assert "tunnel_tui.cli.main" in modules
    assert not [name for name in HEAVY if name in modules]


def test_help_reads_no_configuration(home: Home):
    assert "yaml" not in imported(home, "--help")
