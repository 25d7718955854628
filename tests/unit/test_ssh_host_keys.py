"""Which host key has changed: the log selects, ssh's configuration says among what."""

import base64
import hashlib
import hmac
import os
import time
from pathlib import Path

import pytest

from tests.tui.fake import make_settings
from tunnel_tui.settings import Settings
from tunnel_tui.ssh.client_config import Host
from tunnel_tui.ssh.host_keys import ChangedKey, known_fingerprint, read_changed_key

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIA=="
NAME = "[h]:22"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    settings = make_settings(str(tmp_path))
    (tmp_path / "data").mkdir()
    Path(settings.known_hosts_file).write_text(f"# comment\n{NAME} {KEY}\nother {KEY}\n")
    return settings


def warning(file: str, line: int | str = 2, name: str = NAME) -> str:
    return (
        "The fingerprint for the ED25519 key sent by the remote host is\nSHA256:new+/1.\n"
        f"Offending ED25519 key in {file}:{line}\r\nHost key for {name} has changed and you\n"
    )


def read(settings: Settings, text: str, *more: Host) -> ChangedKey | None:
    own = Host(NAME, False, (settings.known_hosts_file, "/dev/null"))
    return read_changed_key(settings, text, (own, *more))


def test_the_key_that_changed_is_read_from_the_log(settings: Settings) -> None:
    key = read(settings, warning(settings.known_hosts_file))
    assert key is not None
    assert key[:2] == (NAME, "ED25519")
    assert key.offered == "SHA256:new+/1"
    assert key.known.startswith("SHA256:")
    assert key.ours
    assert not key.hop
    assert read(settings, "nothing") is None


def test_a_file_of_the_person_is_not_ours(settings: Settings, tmp_path: Path) -> None:
    theirs = tmp_path / "theirs"
    theirs.write_text(f"x\n{NAME} {KEY}")
    host = Host(NAME, False, (str(theirs),))
    key = read_changed_key(settings, warning(str(theirs)), [host])
    assert key is not None
    assert not key.ours


def test_the_key_of_another_host_is_none_of_this_tunnels(settings: Settings) -> None:
    assert read(settings, warning(settings.known_hosts_file, 3, "other")) is None
    # Its own name, but the line of another host: which key was known would be a lie.
    assert read(settings, warning(settings.known_hosts_file, 3)) is None


def test_a_hop_is_named_as_such(settings: Settings) -> None:
    hop = Host("other", True, (settings.known_hosts_file,))
    key = read(settings, warning(settings.known_hosts_file, 3, "other"), hop)
    assert key is not None
    assert (key.name, key.hop) == ("other", True)


def test_what_is_added_to_a_true_warning_does_not_hide_it(settings: Settings) -> None:
    text = warning(settings.known_hosts_file)
    text += warning("/etc/passwd", 1, "evil") + warning(settings.known_hosts_file, "9" * 5000)
    key = read(settings, text)
    assert key is not None
    assert (key.name, key.line) == (NAME, 2)


@pytest.mark.parametrize("line", ["0", "-1", "4", "99", "999999999"])
def test_lines_that_are_not_there(settings: Settings, line: str) -> None:
    assert read(settings, warning(settings.known_hosts_file, line)) is None


def test_hashed_names(settings: Settings) -> None:
    salt = b"0" * 20
    digest = hmac.new(salt, NAME.encode(), hashlib.sha1).digest()
    words = "|".join(base64.b64encode(word).decode() for word in (salt, digest))
    lines = [f"|1|{words} {KEY}".encode(), f"|1|x|y {KEY}".encode(), f"|1|{words}".encode()]
    assert known_fingerprint(lines, 1, NAME)
    assert not known_fingerprint(lines, 1, "other")
    assert not known_fingerprint(lines, 2, NAME)
    assert not known_fingerprint(lines, 3, NAME)


@pytest.mark.parametrize("named", [True, False], ids=["named by the config", "by the log alone"])
@pytest.mark.parametrize("kind", ["zero", "fifo", "sparse", "one line", "directory"])
def test_what_is_no_known_hosts_file_costs_nothing(
    settings: Settings, tmp_path: Path, kind: str, named: bool
) -> None:
    path = tmp_path / "odd"
    if kind == "zero":
        path = Path("/dev/zero")
    elif kind == "fifo":
        os.mkfifo(path)
    elif kind == "directory":
        path.mkdir()
    elif kind == "sparse":
        with path.open("wb") as file:
            file.truncate(1 << 40)
    else:
        path.write_bytes(NAME.encode() + b" ssh-ed25519 " + b"A" * (32 << 20))
    host = Host(NAME, False, (str(path),) if named else ())
    begin = time.monotonic()
    assert read_changed_key(settings, warning(str(path), 1) * 200, [host]) is None
    assert time.monotonic() - begin < 1


def test_a_log_full_of_warnings_is_read_in_no_time(settings: Settings) -> None:
    known = Path(settings.known_hosts_file)
    known.write_text(f"|1|AAAA|AAAA {KEY}\n" * 20_000)
    text = "".join(warning(settings.known_hosts_file, n) for n in range(600))
    for worst in (text, "Offending " * 4000, "Offending ED key in /" + ":1" * 16_000 + "x"):
        begin = time.monotonic()
        assert read(settings, worst + f"\nHost key for {NAME} has changed\n") is None
        assert time.monotonic() - begin < 1
