"""Completion, asked the way the shells ask."""

import os
import shutil
import subprocess
import sys

import pytest

from tests.support.home import Home

CONFIG = """\
tunnels:
  - {name: web, remote_host: h, remote_port: 80, local_port: 8080}
  - {name: "two words", remote_host: h, remote_port: 81, local_port: 8081}
  - {name: "$(touch pwned)", remote_host: h, remote_port: 82, local_port: 8082}
  - {name: twin, remote_host: h, remote_port: 83, local_port: 8083}
  - {name: twin, remote_host: h, remote_port: 84, local_port: 8084}
"""


def complete(home: Home, *words: str) -> list[str]:
    """Ask bash what it offers for the last of `words`."""
    script = (
        'eval "$(tunnel-tui completion bash)"\n'
        'COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1))\n'
        '_tunnel_tui; [[ ${#COMPREPLY[@]} -eq 0 ]] || printf "%s\\n" "${COMPREPLY[@]}"'
    )
    path = f"{os.path.dirname(sys.executable)}:{home.variables['PATH']}"
    result = subprocess.run(
        ["bash", "--norc", "-c", script, "bash", "tunnel-tui", *words],
        env=home.variables | {"PATH": path},
        cwd=home.path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert result.stderr == ""
    return result.stdout.splitlines()


@pytest.mark.skipif(not shutil.which("bash"), reason="bash is not installed")
def test_bash_completes_commands_options_and_names(home: Home):
    home.write_config(CONFIG)
    assert complete(home, "sta") == ["start", "status", "stats", "start-tunnel"]
    assert complete(home, "-c", str(home.config_file), "valid") == ["validate"]
    assert "--json" in complete(home, "status", "--")
    assert complete(home, "start", "--f") == ["--full"]
    assert complete(home, "wait", "--for", "r") == ["running"]
    assert complete(home, "stop-tunnel", "w") == ["web"]
    assert complete(home, "logs", "-f", "w") == ["web"]
    assert complete(home, "logs", "two") == ["two\\ words"]
    assert complete(home, "completion", "z") == ["zsh"]
    everything = complete(home, "show-tunnel", "")
    assert "\\$\\(touch\\ pwned\\)" in everything
    assert "twin" not in everything
    assert sum(len(word) == 32 for word in everything) == 2
    assert not (home.path / "pwned").exists()


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_scripts_are_valid_where_the_shell_is_there(home: Home, shell):
    result = home.cli("completion", shell)
    assert result.returncode == 0
    assert "start-tunnel" in result.stdout
    assert "complete-tunnels" in result.stdout
    if program := shutil.which(shell):
        flag = "--no-execute" if shell == "fish" else "-n"
        check = subprocess.run([program, flag], input=result.stdout, text=True, check=False)
        assert check.returncode == 0


def test_an_unknown_shell_is_wrong_use(home: Home):
    assert home.cli("completion", "tcsh").returncode == 2
