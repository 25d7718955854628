"""What the ssh configuration says: asked from ssh, and read from the files."""

import shutil
import time
from pathlib import Path

import pytest

from tunnel_tui.config.parse import parse_config
from tunnel_tui.errors import ConfigError
from tunnel_tui.model import DirectionMode
from tunnel_tui.ssh.config_files import ConfiguredForward, configured_forwards, host_aliases
from tunnel_tui.ssh.host_settings import check_hosts, look_up

needs_ssh = pytest.mark.skipif(shutil.which("ssh") is None, reason="no ssh client")

CONFIG = """\
# mine
Include {included}
Host db "with space" db2
  HostName db.example.org
  User me
  Port 2222
  LocalForward 5432 localhost:5432   # the data base
  LocalForward=127.0.0.1:8081 [::1]:81
  RemoteForward 9000 localhost:90
  RemoteForward 1080
  DynamicForward 1081
HOST *.example.com !bad.example.com
  LocalForward 1 h:2
Match host foo
  LocalForward 3 h:4
Host plain
  ProxyJump db
Host clear
  ClearAllForwardings yes
Host sock
  LocalForward /tmp/a.sock /run/b.sock
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    included = tmp_path / "more.conf"
    included.write_text("Host first\n  User x\nInclude " + str(tmp_path / "config") + "\n")
    path = tmp_path / "config"
    path.write_text(CONFIG.format(included=included))
    return path


def test_hosts_are_listed_once_without_patterns_even_if_includes_go_in_circles(
    config: Path,
) -> None:
    expected = ["first", "db", "with space", "db2", "plain", "clear", "sock"]
    assert host_aliases(str(config)) == expected


def test_a_missing_configuration_has_no_hosts(tmp_path: Path) -> None:
    assert host_aliases(str(tmp_path / "none")) == []
    assert configured_forwards(str(tmp_path)) == []


def test_includes_are_looked_for_in_the_ssh_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    directory = tmp_path / ".ssh" / "conf.d"
    directory.mkdir(parents=True)
    for name in ("b", "a"):
        (directory / name).write_text(f"Host from-{name}\n")
    path = tmp_path / "elsewhere"
    path.write_text("Include conf.d/* ~/.ssh/conf.d/a\n")
    assert host_aliases(str(path)) == ["from-a", "from-b"]


def test_forwards_can_become_tunnels(tmp_path: Path) -> None:
    path = tmp_path / "config"
    path.write_text(CONFIG.format(included="none"))
    found = configured_forwards(str(path))
    assert [(f.host, f.keyword, f.listener, f.target, f.line) for f in found if f.host != "sock"][
        ::3
    ] == [
        ("db", "LocalForward", "5432", "localhost:5432", 7),
        ("db", "LocalForward", "127.0.0.1:8081", "[::1]:81", 8),
        ("db", "RemoteForward", "9000", "localhost:90", 9),
    ]
    assert {f.host for f in found} == {"db", "with space", "db2", "sock"}


def test_a_forward_inside_an_include_belongs_to_the_block_around_it(tmp_path: Path) -> None:
    (tmp_path / "inner").write_text("LocalForward 1 h:2\nHost other\nLocalForward 3 h:4\n")
    path = tmp_path / "config"
    path.write_text(f"Host outer\nInclude {tmp_path / 'inner'}\nLocalForward 5 h:6\n")
    found = configured_forwards(str(path))
    assert [(f.host, f.listener) for f in found] == [("outer", "1"), ("other", "3"), ("outer", "5")]


@pytest.mark.parametrize("mode", list(DirectionMode))
@pytest.mark.parametrize("keyword", ["LocalForward", "RemoteForward"])
def test_an_imported_forward_does_what_ssh_did(keyword: str, mode: DirectionMode) -> None:
    forward = ConfiguredForward("db", keyword, "127.0.0.1:8000", "localhost:80", "f", 1)
    pairs = ", ".join(f'{key}: "{value}"' for key, value in forward.values(mode).items())
    config = parse_config("c", f"tunnels: [{{{pairs}}}]".encode())
    assert config.problems == ()
    result = config.tunnels[0].forward(mode)
    assert result.kind.value == ("-L" if keyword == "LocalForward" else "-R")
    assert result.argument == "127.0.0.1:8000:localhost:80"


@needs_ssh
def test_ssh_says_what_it_would_use(tmp_path: Path) -> None:
    path = tmp_path / "config"
    path.write_text(CONFIG.format(included="none"))
    settings = look_up("db", str(path))
    assert (settings.hostname, settings.user, settings.port) == ("db.example.org", "me", 2222)
    assert settings.forwards == (
        "DynamicForward 1081",
        "LocalForward 5432 [localhost]:5432",
        "LocalForward [127.0.0.1]:8081 [::1]:81",
        "RemoteForward 9000 [localhost]:90",
        "RemoteForward 1080 [socks]:0",
    )
    assert look_up("plain", str(path)).proxy_jump == "db"
    assert look_up("me@plain", str(path)).forwards == ()


@needs_ssh
def test_hosts_that_stand_in_the_way_are_warned_of_once(tmp_path: Path) -> None:
    path = tmp_path / "config"
    path.write_text(CONFIG.format(included="none"))
    items = "".join(
        f"  - {{remote_host: {host}, remote_port: 1, local_port: {port}}}\n"
        for port, host in enumerate(["plain", "db", "db", "clear", "sock"], 1)
    )
    tunnels = parse_config("c.yaml", ("tunnels:\n" + items).encode()).tunnels
    problems = check_hosts("c.yaml", tunnels, str(path))
    assert [(problem.line, problem.fatal) for problem in problems] == [
        (3, False),
        (5, False),
        (6, False),
    ]
    assert "LocalForward 5432" in str(problems[0])
    assert "ClearAllForwardings" in str(problems[1])
    assert "/tmp/a.sock" in str(problems[2])


@needs_ssh
def test_a_broken_ssh_configuration_is_told(tmp_path: Path) -> None:
    path = tmp_path / "config"
    path.write_text("Host x\n  NoSuchKeyword 1\n")
    with pytest.raises(ConfigError, match=r"(?i)nosuchkeyword"):
        look_up("x", str(path))
    tunnels = parse_config(
        "c", b"tunnels: [{remote_host: x, remote_port: 1, local_port: 2}]"
    ).tunnels
    problems = check_hosts("c", tunnels, str(path))
    assert [problem.fatal for problem in problems] == [False]


@needs_ssh
def test_a_slow_match_is_given_up_with_all_that_it_started(tmp_path: Path) -> None:
    path = tmp_path / "config"
    pid_file = tmp_path / "pid"
    path.write_text(f'Match exec "echo $$ > {pid_file}; sleep 60"\n')
    begin = time.monotonic()
    with pytest.raises(ConfigError, match="too long"):
        look_up("x", str(path), timeout=1.0)
    assert time.monotonic() - begin < 10
    status = Path(f"/proc/{pid_file.read_text().strip()}/stat")
    deadline = time.monotonic() + 10
    while status.exists() and ") Z" not in status.read_text() and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not status.exists() or ") Z" in status.read_text()


def test_without_ssh_the_advice_is_to_install_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ConfigError, match="install"):
        look_up("x")
