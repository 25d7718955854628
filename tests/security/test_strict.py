"""Strict mode: whoever may write the configuration cannot run programs or write files by it."""

import shutil
from pathlib import Path

import pytest

from tests.support.home import Home
from tests.support.tunnels import as_yaml, inward, make_spec
from tunnel_tui.config.load import load_config

ALLOWED = [
    "Port=2222",
    "ProxyJump=me@jump:22,[::1]:23",
    "HostName=10.0.0.1",
    "IdentityFile=~/.ssh/id_%h",
    "connecttimeout 5",
    "Ciphers=+aes128-ctr",
]


def refused(marker: Path) -> list[str]:
    return [
        f"ProxyCommand=touch {marker}",
        f"proxycommand touch {marker}",
        f"PROXYCOMMAND = touch {marker}",
        "PermitLocalCommand=yes",
        f"LocalCommand=touch {marker}",
        f"KnownHostsCommand=/bin/touch {marker}",
        f"Match exec 'touch {marker}'",
        "Include=/tmp/x",
        "PKCS11Provider=/tmp/x.so",
        "SecurityKeyProvider=/tmp/x.so",
        "IdentityAgent=/tmp/x",
        f"UserKnownHostsFile={marker}",
        "UpdateHostKeys=yes",
        "StreamLocalBindUnlink=yes",
        "XAuthLocation=/tmp/x",
        "ForwardX11=yes",
        "ForwardAgent=yes",
        "SendEnv=*",
        "Tunnel=yes",
        "StrictHostKeyChecking=no",
        f"ProxyJump=a;touch${{IFS}}{marker}",
        f"ProxyJump=$(touch {marker})",
        f"HostName=`touch {marker}`",
        f"User=a'b;touch {marker};'",
        "Port=22 # $(x)",
        "SomethingNew=yes",
    ]


@pytest.mark.process
def test_nothing_is_run_or_written(home: Home) -> None:
    if shutil.which("ssh") is None:
        pytest.skip("needs ssh")
    marker = home.path / "marker"
    for option in refused(marker):
        spec = make_spec(1, 2, host="127.0.0.1")._replace(ssh_options=("Port=1", option))
        home.write_config(as_yaml(spec))
        done = home.cli("--strict", "start")
        assert done.returncode == 1, option
        assert "config.yaml:" in done.stderr
        assert "tunnels[0].ssh_options[1]" in done.stderr, done.stderr
        assert not home.processes("ssh", "autossh")
    assert not marker.exists()


def test_what_runs_and_writes_nothing_is_allowed(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = home.write_config(as_yaml(inward(1, 2)._replace(ssh_options=tuple(ALLOWED))))
    for word in ("1", "true", "Yes"):
        monkeypatch.setenv("TUNNEL_TUI_STRICT", word)
        assert load_config(str(path)).valid


@pytest.mark.parametrize("word", ["", "0", "false", "No", "off"])
def test_without_it_the_configuration_may_run_programs(
    home: Home, word: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TUNNEL_TUI_STRICT", word)
    spec = inward(1, 2)._replace(ssh_options=("ProxyCommand=nc %h %p",))
    assert load_config(str(home.write_config(as_yaml(spec)))).valid


def test_no_file_is_removed_to_listen_in_its_place(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TUNNEL_TUI_STRICT", "1")
    path = home.write_config(as_yaml(make_spec(1, f"{home.path}/precious")))
    [problem] = load_config(str(path)).problems
    assert "socket path" in problem.message
