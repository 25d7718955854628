"""What a cache says is what the file says, and a cache that is odd in any way says nothing."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tunnel_tui.config import cache
from tunnel_tui.config.load import Config, load_config
from tunnel_tui.config.parse import parse_config
from tunnel_tui.model import DirectionMode

TEXT = """\
tunnels:
  - name: näme ‍ with 'quotes' | % \\
    remote_host: user@host
    remote_port: 127.0.0.1:8000
    local_port: 8001
    interactive: yes
    group: lab
    description: two words
    ssh_options: [Port=2222, "Compression = yes"]
    check: tcp
  - {remote_host: other, remote_port: 1, local_port: /tmp/socket, direction: local_to_remote}
"""


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path / "cache" / "tunnel-tui"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "config.yaml"
    path.write_text(TEXT)
    return path


def kept(place: Path) -> Path:
    [path] = place.iterdir()
    return path


def load(file: Path, place: Path, mode: DirectionMode = DirectionMode.DEFAULT) -> Config:
    return load_config(str(file), mode, str(place))


def recalled(file: Path, place: Path, mode: DirectionMode = DirectionMode.DEFAULT) -> bool:
    return cache.recall(str(place), str(file), file.read_bytes(), mode) is not None


def test_the_second_answer_is_the_first_without_parsing(
    file: Path, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = load(file, place)
    assert len(first.tunnels) == 2
    assert first.tunnels[0].ssh_options == ("Port=2222", "Compression = yes")
    assert place.stat().st_mode & 0o777 == 0o700
    assert kept(place).stat().st_mode & 0o777 == 0o600
    monkeypatch.setattr("tunnel_tui.config.parse.parse_config", None)
    assert load(file, place) == first


VALUES = st.one_of(
    st.text(max_size=12),
    st.sampled_from(["8000", "h:1", "[::1]:5", "user@host", "~", "null", "on", "tcp", "a\tb", "é"]),
)
KEYS = st.sampled_from(
    ["name", "remote_host", "remote_port", "local_port", "interactive", "group", "description"]
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    tunnels=st.lists(st.dictionaries(KEYS, VALUES, max_size=4), max_size=5),
    options=st.lists(st.text(max_size=9), max_size=2),
    mode=st.sampled_from(list(DirectionMode)),
)
def test_it_says_what_the_file_says(
    tunnels: list[dict[str, str]], options: list[str], mode: DirectionMode, tmp_path: Path
) -> None:
    import yaml

    good = {"remote_host": "h", "remote_port": "1", "ssh_options": ["Port=1", *options]}
    items = [{**good, "local_port": str(n + 1), **more} for n, more in enumerate(tunnels)]
    data = yaml.safe_dump({"tunnels": items}, allow_unicode=True).encode("utf-8", "replace")
    file = tmp_path / "config.yaml"
    file.write_bytes(data)
    plain = parse_config(str(file), data, mode)
    assert load(file, tmp_path / "cache", mode) == plain
    assert load(file, tmp_path / "cache", mode) == plain
    if plain.problems:
        assert not recalled(file, tmp_path / "cache", mode)
    else:
        assert recalled(file, tmp_path / "cache", mode)


def test_a_file_with_a_problem_is_not_kept(file: Path, place: Path) -> None:
    file.write_text(TEXT + "    unknown: key\n")
    assert load(file, place).problems
    assert not place.exists()


def test_another_text_or_mode_is_read_anew(file: Path, place: Path) -> None:
    load(file, place)
    assert not recalled(file, place, DirectionMode.SSH_STANDARD)
    file.write_text(TEXT.replace("8001", "8002"))
    assert not recalled(file, place)
    assert load(file, place).tunnels[0].local_port == "8002"
    file.write_text(TEXT.replace("8001", "8003"))
    os.utime(file, (0, 0))
    assert load(file, place).tunnels[0].local_port == "8003"


def _damage(path: Path) -> None:
    data = path.read_bytes()
    path.write_bytes(data.replace(b"user@host\t", b"evil@host\t", 1))


def _tear(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:200])


def _open_to_others(path: Path) -> None:
    path.chmod(0o660)


def _link(path: Path) -> None:
    path.rename(path.parent.parent / "elsewhere")
    path.symlink_to(path.parent.parent / "elsewhere")


def _second_name(path: Path) -> None:
    os.link(path, path.parent.parent / "second")


def _directory(path: Path) -> None:
    path.unlink()
    path.mkdir()


def _pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path, 0o600)


def _other_program(path: Path) -> None:
    path.write_bytes(path.read_bytes().replace(b"tunnel-tui ", b"tunnel-tui 9", 1))


@pytest.mark.parametrize(
    "harm",
    [_damage, _tear, _open_to_others, _link, _second_name, _directory, _pipe, _other_program],
)
def test_what_is_odd_is_not_believed(harm: Callable[[Path], None], file: Path, place: Path) -> None:
    first = load(file, place)
    assert recalled(file, place)
    harm(kept(place))
    assert not recalled(file, place)
    assert load(file, place) == first


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to be somebody else")
def test_nothing_of_another_user_is_believed_and_nothing_left_with_him(
    file: Path, place: Path
) -> None:
    first = load(file, place)
    os.chown(kept(place), 65534, 65534)
    assert not recalled(file, place)
    assert load(file, place) == first
    os.chown(place, 65534, 65534)
    kept(place).unlink()
    assert load(file, place) == first
    assert list(place.iterdir()) == []
    house = place.parent.parent / "house"
    house.mkdir()
    os.chown(house, 65534, 65534)
    assert load(file, house / ".cache" / "tunnel-tui") == first
    assert list(house.iterdir()) == []


def test_without_a_place_to_keep_it_nothing_changes(file: Path) -> None:
    for place in ("/proc/nowhere/tunnel-tui", "/dev/null/tunnel-tui", "/proc"):
        assert load(file, Path(place)) == parse_config(str(file), file.read_bytes())
