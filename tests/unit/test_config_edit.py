"""Changes to the configuration file: only the lines that are meant, and never a broken file."""

import difflib
import threading
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tunnel_tui.config import backups
from tunnel_tui.config.config import Config
from tunnel_tui.config.edit import (
    Edited,
    add_tunnel,
    change_tunnel,
    delete_tunnel,
    duplicate_tunnel,
)
from tunnel_tui.config.load import load_config
from tunnel_tui.config.yaml_text.quoting import render_scalar
from tunnel_tui.config.yaml_text.tree import parse_tree
from tunnel_tui.errors import ConfigChangedError, ConfigError, UnknownTunnelError

UGLY = """\
# My tunnels.   Do not reformat!


x-common: &common { remote_host:   "me@bastion" , direction: remote_to_local }   # shared

tunnels:   # all of them

  # the data base - mine
  - name:   'it''s db'      # quotes
    remote_host: "db@host"
    # a comment inside
    remote_port:    5432
    local_port: "127.0.0.1:5432"     # local only


  -   <<: *common
      name: merged
      remote_port: &web 80
      local_port:
        8080
  - {name: flow, remote_host: h, remote_port: *web,   local_port: 81}
  -
    local_port: 99
    remote_port: 98
    remote_host: late
    ssh_options:
      - "Port=2222"     # odd port
      - Compression=yes
    description: >-
      folded over
      two lines

  # - name: switched off
  #   remote_host: x
# the end"""


@pytest.fixture
def ugly(tmp_path: Path) -> Path:
    path = tmp_path / "config.yaml"
    path.write_text(UGLY)
    assert [spec.name for spec in load_config(str(path)).tunnels] == [
        "it's db",
        "merged",
        "flow",
        "unnamed",
    ]
    return path


def load(path: Path) -> Config:
    return load_config(str(path))


def find(path: Path, name: str) -> str:
    return next(spec.hash for spec in load(path).tunnels if spec.name == name)


def change(path: Path, name: str, /, **values: object) -> Edited:
    return change_tunnel(str(path), find(path, name), values, load(path).text_digest)


def difference(before: str, path: Path) -> list[str]:
    """The lines that went and came, without their surroundings."""
    after = path.read_bytes().decode()
    lines = difflib.unified_diff(before.split("\n"), after.split("\n"), n=0, lineterm="")
    return [line for line in lines if not line.startswith(("---", "+++", "@@"))]


@pytest.mark.parametrize(
    ("name", "values", "expected"),
    [
        (
            "it's db",
            {"remote_port": 5433},
            ["-    remote_port:    5432", "+    remote_port:    5433"],
        ),
        (
            "it's db",
            {"name": "it's mine"},
            [
                "-  - name:   'it''s db'      # quotes",
                "+  - name:   'it''s mine'      # quotes",
            ],
        ),
        (
            "it's db",
            {"local_port": "5000"},
            [
                '-    local_port: "127.0.0.1:5432"     # local only',
                '+    local_port: "5000"     # local only',
            ],
        ),
        ("it's db", {"interactive": True}, ["+    interactive: true"]),
        ("it's db", {"interactive": False, "direction": "remote_to_local"}, []),
        (
            "it's db",
            {"name": None},
            ["-  - name:   'it''s db'      # quotes", "+  -      # quotes"],
        ),
        ("it's db", {"group": "off: ice"}, ['+    group: "off: ice"']),
        ("merged", {"remote_host": "other"}, ["+      remote_host: other"]),
        ("merged", {"local_port": 8081}, ["-        8080", "+        8081"]),
        (
            "flow",
            {"remote_port": "[::1]:82"},
            [
                "-  - {name: flow, remote_host: h, remote_port: *web,   local_port: 81}",
                '+  - {name: flow, remote_host: h, remote_port: "[::1]:82",   local_port: 81}',
            ],
        ),
        (
            "flow",
            {"check": "tcp", "name": None},
            [
                "-  - {name: flow, remote_host: h, remote_port: *web,   local_port: 81}",
                "+  - {remote_host: h, remote_port: *web,   local_port: 81, check: tcp}",
            ],
        ),
        ("unnamed", {"name": "late one"}, ["+    name: late one"]),
        ("unnamed", {"local_port": 100}, ["-    local_port: 99", "+    local_port: 100"]),
        (
            "unnamed",
            {"description": None},
            ["-    description: >-", "-      folded over", "-      two lines"],
        ),
        (
            "unnamed",
            {"description": "short"},
            [
                "-    description: >-",
                "-      folded over",
                "-      two lines",
                "+    description: short",
            ],
        ),
        (
            "unnamed",
            {"ssh_options": ["Port=2222", "Compression=no"]},
            [
                '-      - "Port=2222"     # odd port',
                "-      - Compression=yes",
                '+      - "Port=2222"',
                '+      - "Compression=no"',
            ],
        ),
        (
            "unnamed",
            {"ssh_options": []},
            [
                "-    ssh_options:",
                '-      - "Port=2222"     # odd port',
                "-      - Compression=yes",
            ],
        ),
    ],
)
def test_a_change_touches_only_its_lines(
    ugly: Path, name: str, values: dict[str, object], expected: list[str]
) -> None:
    edited = change(ugly, name, **values)
    assert difference(UGLY, ugly) == expected
    assert edited.tunnel is not None
    assert edited.config == load(ugly)
    for key, value in values.items():
        if isinstance(value, str | int) and not isinstance(value, bool):
            assert str(getattr(edited.tunnel, key)) == str(value)


def test_removing_the_key_beside_the_dash_moves_the_next_one_up(tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    path.write_text("tunnels:\n- name: a\n  remote_host: h\n  remote_port: 1\n  local_port: 2\n")
    change(path, "a", name=None)
    assert path.read_text() == "tunnels:\n- remote_host: h\n  remote_port: 1\n  local_port: 2\n"


def test_a_new_tunnel_comes_after_the_last_one(ugly: Path) -> None:
    values = {"name": "new", "remote_host": "me@new", "remote_port": 1, "local_port": "*:2"}
    edited = add_tunnel(str(ugly), values, load(ugly).text_digest)
    assert difference(UGLY, ugly) == [
        "+  - name: new",
        "+    remote_host: me@new",
        "+    remote_port: 1",
        '+    local_port: "*:2"',
    ]
    assert edited.tunnel == load(ugly).tunnels[-1]
    assert edited.tunnel is not None
    assert edited.tunnel.name == "new"


def test_a_new_tunnel_keeps_the_distance_of_the_others(tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    one = "  - remote_host: h\n    remote_port: 1\n    local_port: {}\n"
    path.write_text("tunnels:\n" + one.format(1) + "\n" + one.format(2))
    values = {"remote_host": "h", "remote_port": "1", "local_port": "3"}
    add_tunnel(str(path), values, load(path).text_digest)
    assert path.read_text() == "tunnels:\n" + "\n".join(one.format(n) for n in (1, 2, 3))


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", "tunnels:\n{}"),
        ("# hello\n", "# hello\ntunnels:\n{}"),
        ("tunnels:", "tunnels:\n{}"),
        ("tunnels: [] # none yet\nx-a: 1\n", "tunnels:  # none yet\n{}x-a: 1\n"),
        ("tunnels: ~\r\n", "tunnels: \r\n{}"),
        (
            "tunnels: [{remote_host: g, remote_port: 1, local_port: 9},]\n",
            (
                "tunnels: [{remote_host: g, remote_port: 1, local_port: 9},"
                " {remote_host: h, remote_port: 1, local_port: 2},]\n"
            ),
        ),
    ],
)
def test_the_first_tunnel_of_any_file(tmp_path: Path, before: str, after: str) -> None:
    path = tmp_path / "c.yaml"
    path.write_bytes(before.encode())
    values = {"remote_host": "h", "remote_port": 1, "local_port": 2, "interactive": False}
    add_tunnel(str(path), values, load(path).text_digest)
    item = "  - remote_host: h\n    remote_port: 1\n    local_port: 2\n"
    if "\r\n" in before:
        item = item.replace("\n", "\r\n")
    assert path.read_bytes().decode() == after.replace("{}", item, 1)


def test_a_file_that_does_not_exist_is_made(tmp_path: Path) -> None:
    path = tmp_path / "new" / "config.yaml"
    values = {"remote_host": "h", "remote_port": 1, "local_port": 2}
    edited = add_tunnel(str(path), values, "")
    assert load(path).valid
    assert edited.backup == ""
    with pytest.raises(ConfigChangedError):
        add_tunnel(str(path), {**values, "local_port": 3}, "")


@pytest.mark.parametrize(
    ("name", "gone"),
    [
        (
            "it's db",
            [
                "-  - name:   'it''s db'      # quotes",
                '-    remote_host: "db@host"',
                "-    # a comment inside",
                "-    remote_port:    5432",
                '-    local_port: "127.0.0.1:5432"     # local only',
                "-",
                "-",
            ],
        ),
        ("flow", ["-  - {name: flow, remote_host: h, remote_port: *web,   local_port: 81}"]),
    ],
)
def test_a_deletion_takes_the_lines_of_the_tunnel(ugly: Path, name: str, gone: list[str]) -> None:
    digest = load(ugly).text_digest
    edited = delete_tunnel(str(ugly), find(ugly, name), digest)
    assert difference(UGLY, ugly) == gone
    assert name not in [spec.name for spec in load(ugly).tunnels]
    assert edited.tunnel is None


def test_all_tunnels_can_be_deleted_one_by_one(ugly: Path) -> None:
    for name in ("flow", "unnamed", "merged", "it's db"):
        delete_tunnel(str(ugly), find(ugly, name), load(ugly).text_digest)
    assert load(ugly).tunnels == ()
    assert load(ugly).valid
    for comment in ("Do not reformat!", "# the data base - mine", "switched off", "# the end"):
        assert comment in ugly.read_text()


def test_deleting_from_a_flow_list(tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    item = "{{remote_host: h, remote_port: 1, local_port: {}}}"
    items = [item.format(n) for n in (1, 2, 3)]
    for index in range(3):
        path.write_text(f"tunnels: [{', '.join(items)}]\n")
        spec = load(path).tunnels[index]
        delete_tunnel(str(path), spec.hash, load(path).text_digest)
        rest = ", ".join(items[:index] + items[index + 1 :])
        assert path.read_text() == f"tunnels: [{rest}]\n"


def test_what_others_lean_on_is_not_deleted_nor_changed(ugly: Path) -> None:
    with pytest.raises(ConfigError):
        delete_tunnel(str(ugly), find(ugly, "merged"), load(ugly).text_digest)
    with pytest.raises(ConfigError, match="other tunnels would change"):
        change(ugly, "merged", remote_port=8)
    with pytest.raises(ConfigError):
        change(ugly, "merged", remote_host=None)
    assert ugly.read_text() == UGLY
    assert not (ugly.parent / "backups").exists()


def test_a_copy_stands_right_after_its_original(ugly: Path) -> None:
    digest = load(ugly).text_digest
    edited = duplicate_tunnel(str(ugly), find(ugly, "merged"), {"name": "two"}, digest)
    assert difference(UGLY, ugly) == [
        "+",
        "+  -   <<: *common",
        "+      name: two",
        "+      remote_port: 80",
        "+      local_port:",
        "+        8080",
    ]
    names = [spec.name for spec in load(ugly).tunnels]
    assert names == ["it's db", "merged", "two", "flow", "unnamed"]
    assert edited.tunnel == load(ugly).tunnels[2]


def test_a_copy_that_does_not_differ_is_refused(ugly: Path) -> None:
    with pytest.raises(ConfigError, match="same tunnel"):
        duplicate_tunnel(str(ugly), find(ugly, "flow"), {}, load(ugly).text_digest)
    assert ugly.read_text() == UGLY


def test_a_wrong_value_is_refused_with_its_reason(ugly: Path) -> None:
    with pytest.raises(ConfigError, match="1 to 65535"):
        change(ugly, "flow", local_port=70000)
    with pytest.raises(ConfigError, match="a line break"):
        change(ugly, "flow", name="a\nb")
    with pytest.raises(ConfigError, match="no such key"):
        change(ugly, "flow", nam="a")
    with pytest.raises(ConfigError, match="wrong kind"):
        change(ugly, "flow", name=["a"])
    assert ugly.read_text() == UGLY


def test_a_broken_file_is_not_edited(tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    path.write_text("tunnels:\n  - remote_host: h\n")
    with pytest.raises(ConfigError, match="mend the file first"):
        add_tunnel(str(path), {"remote_host": "h"}, load(path).text_digest)


def test_an_unknown_tunnel_is_refused(ugly: Path) -> None:
    with pytest.raises(UnknownTunnelError):
        delete_tunnel(str(ugly), "0" * 32, load(ugly).text_digest)


def test_a_file_that_changed_meanwhile_is_not_overwritten(ugly: Path) -> None:
    seen = load(ugly)
    ugly.write_text(UGLY + "\n# somebody else\n")
    with pytest.raises(ConfigChangedError):
        delete_tunnel(str(ugly), seen.tunnels[2].hash, seen.text_digest)
    assert ugly.read_text().endswith("# somebody else\n")


def test_byte_order_mark_line_ends_mode_and_symlink_stay(tmp_path: Path) -> None:
    real = tmp_path / "real.yaml"
    text = "\ufefftunnels:\r\n- remote_host: h\r\n  remote_port: 1\r\n  local_port: 2"
    real.write_bytes(text.encode())
    real.chmod(0o640)
    link = tmp_path / "link.yaml"
    link.symlink_to(real)
    change(link, "unnamed", name="a", local_port=3)
    expected = text.replace("port: 2", "port: 3") + "\r\n  name: a\r\n"
    assert real.read_bytes().decode() == expected
    assert real.stat().st_mode & 0o777 == 0o640
    assert link.is_symlink()


def test_the_newest_twenty_backups_are_kept(ugly: Path) -> None:
    directory = ugly.parent / "backups"
    directory.mkdir()
    foreign = directory / "config_20200101000000.yaml"
    foreign.write_text("of the shell scripts")
    contents = []
    for number in range(backups.KEPT + 3):
        contents.append(ugly.read_text())
        edited = change(ugly, "flow", local_port=1000 + number)
        assert Path(edited.backup).read_text() == contents[-1]
    kept = sorted(path for path in directory.iterdir() if path != foreign)
    assert [path.read_text() for path in kept] == contents[-backups.KEPT :]
    assert foreign.read_text() == "of the shell scripts"


def test_of_two_changes_at_once_one_is_told(ugly: Path) -> None:
    seen = load(ugly)
    flow = find(ugly, "flow")
    results: list[str] = []

    def work(port: int) -> None:
        try:
            change_tunnel(str(ugly), flow, {"local_port": port}, seen.text_digest)
            results.append("done")
        except ConfigChangedError:
            results.append("told")

    threads = [threading.Thread(target=work, args=(port,)) for port in range(2000, 2008)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert sorted(results) == ["done", *["told"] * 7]
    assert load(ugly).valid


def test_what_cannot_be_written_is_told(ugly: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: str, data: bytes) -> None:
        raise PermissionError(13, "Permission denied", path)

    monkeypatch.setattr("tunnel_tui.config.edit.write_atomic", refuse)
    with pytest.raises(ConfigError, match="written"):
        change(ugly, "flow", local_port=5)
    assert ugly.read_text() == UGLY


PRINTABLE = st.text(st.characters(blacklist_categories=["Cc", "Cs", "Zl", "Zp"]), min_size=1)


@given(PRINTABLE, st.sampled_from(["", "'", '"']))
def test_whatever_is_written_is_read_back(text: str, style: str) -> None:
    written = render_scalar("name", text, style)
    for document in (f"a: {written}", f"a: {written} # c", f"[{{a: {written}, b: c}}]"):
        tree = parse_tree(document)
        while not isinstance(tree, type(parse_tree("a"))):
            tree = tree.children[1 if tree.is_mapping else 0]  # type: ignore[union-attr]
        assert tree.value == text


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["add", "change", "copy", "delete"]),
            st.integers(0, 9),
            st.sampled_from(["name", "group", "local_port", "interactive", "ssh_options"]),
            st.integers(1, 60000),
        ),
        max_size=6,
    )
)
def test_any_sequence_of_changes_keeps_comments_and_the_others(
    tmp_path: Path, steps: list[tuple[str, int, str, int]]
) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(UGLY)
    for verb, index, key, number in steps:
        before = load(path)
        values: dict[str, object] = {
            key: {"interactive": True, "ssh_options": [f"Port={number}"]}.get(key, str(number))
        }
        chosen = before.tunnels[index % len(before.tunnels)].hash if before.tunnels else ""
        base = {"remote_host": "h", "remote_port": number, "local_port": number}
        calls = {
            "add": lambda: add_tunnel(str(path), base | values, before.text_digest),  # noqa: B023
            "change": lambda: change_tunnel(str(path), chosen, values, before.text_digest),  # noqa: B023
            "copy": lambda: duplicate_tunnel(str(path), chosen, values, before.text_digest),  # noqa: B023
            "delete": lambda: delete_tunnel(str(path), chosen, before.text_digest),  # noqa: B023
        }
        try:
            calls[verb]()
        except (ConfigError, UnknownTunnelError):
            assert load(path) == before
            continue
        after = load(path)
        assert after.valid
        kept = {spec.hash for spec in before.tunnels} - {chosen}
        assert kept <= {spec.hash for spec in after.tunnels}
    text = path.read_text()
    for comment in ("Do not reformat!", "# shared", "# the data base - mine", "# the end"):
        assert text.count(comment) == 1
