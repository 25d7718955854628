"""What ssh will use for a tunnel: names, hops, known-hosts files and keys, from `ssh -G`."""

import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.home import Home
from tests.support.tunnels import make_spec
from tunnel_tui.ssh import client_config
from tunnel_tui.ssh.client_config import (
    effective_options,
    host_names,
    hosts,
    identity_files,
    known_hosts_files,
)

pytestmark = pytest.mark.skipif(shutil.which("ssh") is None, reason="no ssh client")


@pytest.fixture
def home() -> Iterator[Home]:
    client_config._answer.cache_clear()
    home = Home()
    yield home
    home.close()


def test_names_of_the_host_and_of_its_hops_in_their_order(home: Home) -> None:
    home.add_ssh_config(
        "Host far",
        "  HostName Far.example",
        "  Port 2200",
        "  ProxyJump me@near:2222,[::1]:44,ssh://plain",
        "Host near",
        "  HostName near.example",
        "  ProxyJump first",
        "Host first",
        "  HostKeyAlias the-first",
    )
    spec = make_spec(1, 2, host="user@far")
    assert host_names(home.settings, spec) == (
        "[far.example]:2200",
        "[near.example]:2222",
        "[::1]:44",
        "plain",
        "the-first",
    )
    assert [host.hop for host in hosts(home.settings, spec)] == [False, True, True, True, True]


def test_jumps_in_a_circle_end(home: Home) -> None:
    home.add_ssh_config("Host a", "  ProxyJump b", "Host b", "  ProxyJump a")
    assert host_names(home.settings, make_spec(1, 2, host="a")) == ("a", "b", "a")


def test_the_tunnels_own_options_count_for_its_host_and_not_for_hops(home: Home) -> None:
    mine = home.path / "mine"
    spec = make_spec(1, 2, host="far")._replace(
        ssh_options=("HostKeyAlias=al", "ProxyJump=hop", f"UserKnownHostsFile={mine}")
    )
    own, hop = hosts(home.settings, spec)
    assert (own.name, hop.name) == ("al", "hop")
    assert str(mine) in own.files
    assert home.settings.known_hosts_file not in own.files
    assert str(mine) not in hop.files


def test_files_with_spaces_and_tokens(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(home.path))
    spaced = home.path / "my keys" / "known hosts"
    spaced.parent.mkdir()
    spaced.write_text("")
    identity = home.path / "id of me"
    home.add_ssh_config(
        "Host h", f'  GlobalKnownHostsFile "{spaced}" /etc/other', f'  IdentityFile "{identity}"',
        "  IdentityFile %d/id_%h", "  HostName real",
    )  # fmt: skip
    files = known_hosts_files(home.settings, make_spec(1, 2, host="h"))
    assert {str(spaced), "/etc/other", home.settings.known_hosts_file} <= set(files)
    keys = identity_files(home.settings, make_spec(1, 2, host="h"))
    assert keys == (str(identity), os.path.join(str(home.path), "id_real"))


def test_without_an_answer_nothing_is_known(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    home.add_ssh_config("Nonsense yes")
    spec = make_spec(1, 2, host="h")
    assert effective_options(home.settings, spec) == {}
    assert hosts(home.settings, spec) == known_hosts_files(home.settings, spec) == ()
    assert hosts(home.settings, spec._replace(remote_host="-oProxyCommand=x")) == ()
    monkeypatch.setenv("PATH", str(home.path))
    assert identity_files(home.settings, spec) == ()


def test_a_slow_configuration_is_given_up_after_two_seconds(home: Home) -> None:
    home.add_ssh_config('Match exec "sleep 30"', "  Port 1")
    begin = time.monotonic()
    assert effective_options(home.settings, make_spec(1, 2, host="h")) == {}
    assert time.monotonic() - begin < 5
    assert home.processes("sleep") == []


def test_an_answer_is_kept_while_the_file_is_the_same(home: Home, tmp_path: Path) -> None:
    count = tmp_path / "count"
    home.add_ssh_config(f'Match exec "echo >> {count}"', "  Port 1")
    spec = make_spec(1, 2, host="h")
    for _ in range(20):
        assert host_names(home.settings, spec) == ("[h]:1",)
    assert len(count.read_text().splitlines()) <= 2
    home.add_ssh_config("Match all", "  HostKeyAlias other")
    assert host_names(home.settings, spec) == ("other",)
