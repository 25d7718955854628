import errno
import os
import socket
import stat
from pathlib import Path

import pytest

from tunnel_tui.errors import FileRefusedError
from tunnel_tui.system import files

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root to give files away")
OPENERS = [files.open_shared, files.open_log, files.open_regular]


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


@pytest.fixture(autouse=True)
def tight_umask():
    old = os.umask(0o077)
    yield
    os.umask(old)


@pytest.fixture
def open_files():
    descriptors: list[int] = []
    yield descriptors
    for descriptor in descriptors:
        os.close(descriptor)


@pytest.mark.parametrize("opener", OPENERS)
@pytest.mark.parametrize("kind", ["symlink", "dangling", "directory", "fifo", "socket", "device"])
def test_refuses_what_is_not_a_regular_file(tmp_path, opener, kind):
    path, victim = tmp_path / "file", tmp_path / "victim"
    victim.write_bytes(b"precious")
    server = socket.socket(socket.AF_UNIX)
    match kind:
        case "symlink":
            path.symlink_to(victim)
        case "dangling":
            path.symlink_to(tmp_path / "created-by-accident")
        case "directory":
            path.mkdir()
        case "fifo":
            os.mkfifo(path)
        case "socket":
            server.bind(str(path))
        case "device":
            path = Path("/dev/null")
    with server, pytest.raises(FileRefusedError):
        os.close(opener(str(path)))
    assert victim.read_bytes() == b"precious"
    assert not (tmp_path / "created-by-accident").exists()


@pytest.mark.parametrize("opener", OPENERS[:2])
def test_refuses_to_write_a_file_with_a_second_name(tmp_path, opener):
    victim = tmp_path / "authorized_keys"
    victim.write_bytes(b"keys")
    os.link(victim, tmp_path / "log")
    with pytest.raises(FileRefusedError, match="second name"):
        opener(str(tmp_path / "log"))


def test_shared_file_gets_its_mode_whatever_the_umask(tmp_path, open_files):
    path = tmp_path / "state"
    open_files.append(files.open_shared(str(path)))
    assert mode_of(path) == 0o666
    os.write(open_files[0], b"kept")
    open_files.append(files.open_shared(str(path)))
    assert os.read(open_files[1], 10) == b"kept"
    assert not os.get_inheritable(open_files[1])


def test_existing_file_is_never_opened_with_o_creat_alone(tmp_path, open_files, monkeypatch):
    """In a sticky directory with fs.protected_regular that fails even for root (proc(5))."""
    path = tmp_path / "state"
    path.write_bytes(b"old")
    real = os.open

    def like_protected_regular(name, flags, *args, **kwargs):
        if flags & os.O_CREAT and not flags & os.O_EXCL and os.path.exists(name):
            raise PermissionError(errno.EACCES, "protected", name)
        return real(name, flags, *args, **kwargs)

    monkeypatch.setattr(os, "open", like_protected_regular)
    open_files.append(files.open_shared(str(path)))
    open_files.append(files.open_log(str(path)))
    assert os.read(open_files[0], 10) == b"old"


def test_shared_file_survives_losing_the_race_to_create_it(tmp_path, open_files, monkeypatch):
    path = tmp_path / "state"
    real = os.open

    def somebody_is_faster(name, flags, *args, **kwargs):
        if flags & os.O_EXCL and not path.exists():
            path.write_bytes(b"theirs")
        return real(name, flags, *args, **kwargs)

    monkeypatch.setattr(os, "open", somebody_is_faster)
    open_files.append(files.open_shared(str(path)))
    assert os.read(open_files[0], 10) == b"theirs"


def test_shared_file_in_a_missing_directory_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        files.open_shared(str(tmp_path / "missing" / "state"))


def test_log_is_appended_to_or_emptied(tmp_path, open_files):
    path = tmp_path / "log"
    for append, expected in ((True, b"a"), (True, b"aa"), (False, b"a")):
        open_files.append(files.open_log(str(path), append=append))
        os.write(open_files[-1], b"a")
        assert path.read_bytes() == expected
    assert mode_of(path) == 0o644


@as_root
def test_foreign_log_is_refused_and_untouched_in_a_foreign_directory(tmp_path):
    path = tmp_path / "d" / "log"
    path.parent.mkdir()
    path.write_bytes(b"theirs")
    os.chown(path, 12345, 12345)
    os.chown(path.parent, 12345, 12345)
    with pytest.raises(FileRefusedError, match="belongs to user"):
        files.open_log(str(path), append=False)
    assert path.read_bytes() == b"theirs"


@as_root
def test_foreign_things_in_the_place_of_a_log_go_where_the_directory_is_ours(tmp_path, open_files):
    path, victim = tmp_path / "log", tmp_path / "victim"
    victim.write_bytes(b"precious")
    for make in (path.touch, lambda: os.mkfifo(path), lambda: path.symlink_to(victim)):
        make()
        os.chown(path, 12345, 12345, follow_symlinks=False)
        open_files.append(files.open_log(str(path)))
        found = path.lstat()
        assert (found.st_uid, found.st_size) == (0, 0)
        path.unlink()
    assert victim.read_bytes() == b"precious"


def test_log_in_a_symlinked_directory_is_refused(tmp_path):
    (tmp_path / "link").symlink_to(tmp_path)
    with pytest.raises(FileRefusedError):
        files.open_log(str(tmp_path / "link" / "log"))
    assert os.listdir(tmp_path) == ["link"]


@as_root
def test_foreign_state_file_is_shared(tmp_path, open_files):
    path = tmp_path / "state"
    path.write_bytes(b"theirs")
    os.chown(path, 12345, 12345)
    open_files.append(files.open_shared(str(path)))
    assert path.stat().st_uid == 12345


def test_open_regular_reads_and_reports_absence(tmp_path, open_files):
    path = tmp_path / "log"
    with pytest.raises(FileNotFoundError):
        files.open_regular(str(path))
    path.write_bytes(b"x")
    open_files.append(files.open_regular(str(path)))
    assert os.read(open_files[0], 10) == b"x"


@pytest.mark.parametrize("mode", [0o700, 0o777])
def test_directory_gets_its_mode_whatever_the_umask(tmp_path, mode):
    path = tmp_path / "a" / "b"
    files.make_directory(str(path), mode)
    files.make_directory(str(path), mode)
    assert mode_of(path) == mode


def test_private_directory_is_closed_and_shared_one_opened(tmp_path):
    private, shared, sticky = tmp_path / "p", tmp_path / "s", tmp_path / "t"
    for path, mode in ((private, 0o755), (shared, 0o755), (sticky, 0o777)):
        path.mkdir()
        path.chmod(mode)
    files.make_directory(str(private), 0o700)
    files.make_directory(str(shared), 0o777)
    files.make_directory(str(sticky), 0o1777)
    assert [mode_of(path) for path in (private, shared, sticky)] == [0o700, 0o777, 0o1777]


def test_symlinked_directory(tmp_path):
    real, link = tmp_path / "real", tmp_path / "link"
    real.mkdir(mode=0o700)
    link.symlink_to(real)
    with pytest.raises(FileRefusedError):
        files.make_directory(str(link), 0o700)
    with pytest.raises(FileRefusedError):
        files.make_directory(str(link), 0o1777)
    assert mode_of(real) == 0o700, "the mode behind a symlink is not ours to change"


@as_root
def test_foreign_directories(tmp_path):
    path, link = tmp_path / "d", tmp_path / "link"
    path.mkdir()
    path.chmod(0o755)
    os.chown(path, 12345, 12345)
    link.symlink_to(path)
    os.chown(link, 12345, 12345, follow_symlinks=False)
    with pytest.raises(FileRefusedError, match="belongs to user"):
        files.make_directory(str(path), 0o700)
    with pytest.raises(FileRefusedError):
        files.make_directory(str(link), 0o777)
    files.make_directory(str(path), 0o1777)
    assert mode_of(path) == 0o755, "what is somebody else's stays as it is"


def test_directory_path_taken_by_a_file(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"")
    with pytest.raises(FileRefusedError):
        files.make_directory(str(path), 0o777)


def test_atomic_write_keeps_mode_and_symlink(tmp_path):
    real, link = tmp_path / "real.yaml", tmp_path / "config.yaml"
    real.write_bytes(b"old")
    real.chmod(0o640)
    link.symlink_to(real)
    before = real.stat().st_ino
    files.write_atomic(str(link), b"new")
    assert link.is_symlink()
    assert real.read_bytes() == b"new"
    assert mode_of(real) == 0o640
    assert real.stat().st_ino != before
    files.write_atomic(str(tmp_path / "fresh"), b"", 0o600)
    assert mode_of(tmp_path / "fresh") == 0o600
    assert {entry.name for entry in tmp_path.iterdir()} == {"real.yaml", "config.yaml", "fresh"}


@as_root
def test_atomic_write_keeps_the_owner(tmp_path):
    path = tmp_path / "config"
    path.write_bytes(b"old")
    path.chmod(0o604)
    os.chown(path, 12345, 23456)
    files.write_atomic(str(path), b"new")
    found = path.stat()
    assert (found.st_uid, found.st_gid, mode_of(path)) == (12345, 23456, 0o604)


def test_full_disk_leaves_the_old_content(tmp_path, monkeypatch):
    path = tmp_path / "config"
    path.write_bytes(b"old")

    def full(descriptor, data):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(OSError, match="No space"):
        files.write_atomic(str(path), b"new")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("old", [b"longer than the new", b"x"])
def test_file_mounted_on_its_own_is_overwritten(tmp_path, monkeypatch, old):
    path = tmp_path / "config"
    path.write_bytes(old)
    inode = path.stat().st_ino

    def busy(source, target):
        raise OSError(errno.EBUSY, "Device or resource busy")

    monkeypatch.setattr(os, "replace", busy)
    files.write_atomic(str(path), b"new content")
    assert path.read_bytes() == b"new content"
    assert path.stat().st_ino == inode
    assert list(tmp_path.iterdir()) == [path]


def test_current_notices_replacement_and_deletion(tmp_path, open_files):
    path = tmp_path / "state"
    open_files.append(files.open_shared(str(path)))
    assert files.current(open_files[0], str(path))
    files.write_atomic(str(path), b"")
    assert not files.current(open_files[0], str(path))
    path.unlink()
    assert not files.current(open_files[0], str(path))
