"""The command line of a tunnel."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.home import Home
from tunnel_tui.errors import ConfigError, SpawnError
from tunnel_tui.model import Direction, DirectionMode, TunnelSpec, tunnel_hash
from tunnel_tui.ssh import command, features
from tunnel_tui.ssh.command import build_command, shell_line


def make_spec(
    remote_host: str = "me@host",
    remote_port: str = "8000",
    local_port: str = "8001",
    direction: Direction = Direction.REMOTE_TO_LOCAL,
    name: str = "web",
    ssh_options: tuple[str, ...] = (),
) -> TunnelSpec:
    digest = tunnel_hash(name, remote_host, remote_port, local_port, direction.value, "false")
    return TunnelSpec(
        name, remote_host, remote_port, local_port, direction, False, digest, "", "", ssh_options
    )


@pytest.fixture
def programs(home: Home) -> Callable[..., None]:
    """Put stand-ins of exactly these programs on the PATH."""

    def make(*names: str) -> None:
        directory = home.path / "bin"
        directory.mkdir(exist_ok=True)
        for name in names:
            (directory / name).write_text("#!/bin/sh\nexit 0\n")
            (directory / name).chmod(0o755)
        os.environ["PATH"] = str(directory)

    return make


def options_of(argv: tuple[str, ...]) -> list[str]:
    return [argv[i + 1] for i, word in enumerate(argv) if word == "-o"]


def test_the_documented_command(home: Home, programs: Callable[..., None]) -> None:
    programs("ssh", "autossh")
    spec = make_spec()
    built = build_command(home.settings, spec, os.environ)
    assert built.argv[0] == str(home.path / "bin" / "autossh")
    assert built.argv[1:5] == ("-M", "0", "-N", "-T")
    assert built.argv[-6:] == (
        "-F",
        str(home.ssh_config),
        "-L",
        "localhost:8001:localhost:8000",
        "--",
        "me@host",
    )
    options = options_of(built.argv)
    for wanted in (
        "ExitOnForwardFailure=yes",
        "BatchMode=yes",
        "ConnectTimeout=10",
        "ServerAliveInterval=14",
        "ServerAliveCountMax=3",
        "ControlMaster=no",
        "ControlPath=none",
        "StrictHostKeyChecking=accept-new",
        f"SetEnv=TUNNEL_HASH={spec.hash}",
        "LogLevel=VERBOSE",
    ):
        assert wanted in options
    known_hosts = next(option for option in options if option.startswith("UserKnownHostsFile="))
    assert known_hosts.startswith(f"UserKnownHostsFile={home.settings.known_hosts_file} ")
    assert f"{home.path}/.ssh/known_hosts" in known_hosts
    assert built.reconnects
    assert not any("IgnoreUnknown" in option for option in options)


def test_the_environment(home: Home, programs: Callable[..., None]) -> None:
    programs("ssh", "autossh")
    spec = make_spec()
    caller = dict(os.environ) | {"AUTOSSH_PORT": "1", "AUTOSSH_PIDFILE": "/x", "OWN": "kept"}
    built = build_command(home.settings, spec, caller)
    assert built.environment["AUTOSSH_PATH"] == str(home.path / "bin" / "ssh")
    assert built.environment["AUTOSSH_POLL"] == "30"
    assert built.environment["AUTOSSH_LOGLEVEL"] == "6"
    assert built.environment["TUNNEL_HASH"] == spec.hash
    assert built.environment["AUTOSSH_STATE_FILE"] == str(home.state_file)
    assert built.environment["OWN"] == "kept"
    assert not {"AUTOSSH_PORT", "AUTOSSH_PIDFILE", "AUTOSSH_GATETIME"} & set(built.environment)
    patient = home.settings._replace(gate_time="0")
    assert build_command(patient, spec, caller).environment["AUTOSSH_GATETIME"] == "0"


@pytest.mark.parametrize(
    ("direction", "mode", "expected"),
    [
        (Direction.REMOTE_TO_LOCAL, "default", ("-L", "localhost:8001:localhost:8000")),
        (Direction.LOCAL_TO_REMOTE, "default", ("-R", "localhost:8000:localhost:8001")),
        (Direction.REMOTE_TO_LOCAL, "ssh-standard", ("-R", "localhost:8000:localhost:8001")),
        (Direction.LOCAL_TO_REMOTE, "ssh-standard", ("-L", "localhost:8001:localhost:8000")),
    ],
)
def test_directions(
    home: Home,
    programs: Callable[..., None],
    direction: Direction,
    mode: str,
    expected: tuple[str, str],
) -> None:
    programs("ssh", "autossh")
    settings = home.settings._replace(direction_mode=DirectionMode(mode))
    argv = build_command(settings, make_spec(direction=direction), os.environ).argv
    assert argv[-4:-2] == expected


def test_own_options_win_over_preferences_but_not_over_what_the_truth_rests_on(
    home: Home, programs: Callable[..., None]
) -> None:
    programs("ssh", "autossh")
    spec = make_spec(ssh_options=("ConnectTimeout=99", "LogLevel=QUIET"))
    options = options_of(build_command(home.settings, spec, os.environ).argv)
    assert options.index("ConnectTimeout=99") < options.index("ConnectTimeout=10")
    assert options.index("LogLevel=VERBOSE") < options.index("LogLevel=QUIET")


def test_without_autossh_plain_ssh_runs(home: Home, programs: Callable[..., None]) -> None:
    programs("ssh")
    built = build_command(home.settings, make_spec(), os.environ)
    assert built.argv[0] == str(home.path / "bin" / "ssh")
    assert "-M" not in built.argv
    assert not built.reconnects


def test_without_ssh_it_says_so(home: Home, programs: Callable[..., None]) -> None:
    programs("autossh")
    with pytest.raises(SpawnError, match="ssh is not installed"):
        build_command(home.settings, make_spec(), os.environ)


@pytest.mark.parametrize("host", ["-oProxyCommand=touch /tmp/pwned", "-", ""])
def test_a_host_that_looks_like_an_option_is_refused(
    home: Home, programs: Callable[..., None], host: str
) -> None:
    programs("ssh", "autossh")
    with pytest.raises(ConfigError, match="option"):
        build_command(home.settings, make_spec(remote_host=host), os.environ)


def test_a_relative_socket_path_does_not_depend_on_where_one_stands(
    home: Home, programs: Callable[..., None]
) -> None:
    programs("ssh", "autossh")
    spec = make_spec(local_port="./run/web.sock")
    argv = build_command(home.settings, spec, os.environ).argv
    assert argv[-3] == f"{home.path}/./run/web.sock:localhost:8000"
    assert "StreamLocalBindUnlink=yes" in options_of(argv)


def test_known_hosts_with_spaces_and_percent_signs_stay_one_word(home: Home) -> None:
    settings = home.settings._replace(data_dir="/tmp/a b%d")
    assert '"/tmp/a b%%d/known_hosts"' in command.known_hosts(settings)


def test_the_line_for_people_has_no_machinery(home: Home, programs: Callable[..., None]) -> None:
    programs("ssh", "autossh")
    line = shell_line(build_command(home.settings, make_spec(name="it's"), os.environ))
    assert line.startswith("ssh -N -T -o ExitOnForwardFailure=yes")
    assert line.endswith("-L localhost:8001:localhost:8000 -- me@host")
    assert not any(word in line for word in ("autossh", "-M 0", "TUNNEL_HASH", "BatchMode"))


class TestProbe:
    @pytest.fixture(autouse=True)
    def _forget(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(features, "_known", {})

    def _ssh(self, home: Home, code: int) -> tuple[str, Path]:
        calls = home.path / "calls"
        script = home.path / "ssh-stand-in"
        script.write_text(f'#!/bin/sh\necho "$@" >> {calls}\nexit {code}\n')
        script.chmod(0o755)
        return str(script), calls

    @pytest.mark.parametrize(("code", "expected"), [(0, True), (255, False)])
    def test_ssh_is_asked_once(
        self, home: Home, monkeypatch: pytest.MonkeyPatch, code: int, expected: bool
    ) -> None:
        ssh, calls = self._ssh(home, code)
        for _ in range(2):
            assert features.knows_log_verbose(home.settings, ssh) is expected
            monkeypatch.setattr(features, "_known", {})  # as in the next process
        assert len(calls.read_text().splitlines()) == 1

    def test_another_binary_is_asked_again(
        self, home: Home, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        ssh, _ = self._ssh(home, 255)
        assert not features.knows_log_verbose(home.settings, ssh)
        ssh, _ = self._ssh(home, 0)
        os.utime(ssh, (1, 1))
        assert features.knows_log_verbose(home.settings, ssh)

    def test_a_data_directory_that_cannot_be_written_costs_only_time(self, home: Home) -> None:
        ssh, _ = self._ssh(home, 0)
        settings = home.settings._replace(data_dir="/proc/nowhere")
        assert features.knows_log_verbose(settings, ssh)
