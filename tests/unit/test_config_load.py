"""Reading configuration files: hashes, defaults, and every kind of mistake."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from tunnel_tui.config.config import Config
from tunnel_tui.config.load import load_config
from tunnel_tui.config.parse import parse_config
from tunnel_tui.config.yaml_text import tree
from tunnel_tui.model import Direction, Problem, tunnel_hash

ONE = """\
tunnels:
  - remote_host: user@host
    remote_port: 8000
    local_port: 8001
"""


def parse(text: str) -> Config:
    return parse_config("c.yaml", text.encode())


def only(text: str) -> Problem:
    """The single problem of a text."""
    problems = parse(text).problems
    assert len(problems) == 1, [str(problem) for problem in problems]
    return problems[0]


def tunnel(**changes: str | None) -> str:
    """A file of one tunnel, each value written as given."""
    written = {"remote_host": "user@host", "remote_port": "8000", "local_port": "8001"} | changes
    lines = [f"    {key}: {value}" for key, value in written.items() if value is not None]
    return "tunnels:\n" + "\n".join(["  -" + lines[0][3:], *lines[1:]]) + "\n"


# --- what identifies a tunnel -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            """
tunnels:
  - remote_host: "user@remote-host1"
    remote_port: 8000
    local_port: 8001
""",
            "76692f8a1adb8d8bee5f3b29e1b42602",
        ),
        (
            """
tunnels:
  - name: "jumphost-tunnel"
    remote_host: "user@jumphost.example.com"
    remote_port: 22
    local_port: 2222
    direction: remote_to_local
    interactive: true
""",
            "c65f58326bea843a8439fbe9b8e887b2",
        ),
        (
            """
tunnels:
  - {name: custom-bind, remote_host: user@server, remote_port: "0.0.0.0:8080",
     local_port: '127.0.0.1:8080', direction: local_to_remote}
""",
            "1a611357b754c82c94894f74f0fe57b4",
        ),
    ],
)
def test_the_hash_is_that_of_the_shell_scripts(text: str, expected: str) -> None:
    config = parse(text)
    assert config.problems == ()
    assert [spec.hash for spec in config.tunnels] == [expected]


@pytest.mark.parametrize("written", ["yes", "on", "True", '"true"', "Y"])
def test_a_truthy_word_counts_as_true_and_is_hashed_as_written(written: str) -> None:
    spec = parse(tunnel(interactive=written)).tunnels[0]
    assert spec.interactive
    word = written.strip('"')
    assert spec.hash == tunnel_hash("unnamed", "user@host", "8000", "8001", "remote_to_local", word)


@pytest.mark.parametrize("written", ["no", "off", "False", "n"])
def test_a_falsy_word_counts_as_false(written: str) -> None:
    assert not parse(tunnel(interactive=written)).tunnels[0].interactive


@pytest.mark.parametrize("written", ["0x1F90", "08000", "8_000", "010", "1:30", "+80", "8.0", "٣"])
def test_a_number_that_yaml_would_read_differently_stays_text(written: str) -> None:
    config = parse(tunnel(local_port=written))
    if written in ("08000", "010"):
        assert config.tunnels[0].local_port == written
    else:
        assert not config.valid
        assert config.tunnels == ()


@pytest.mark.parametrize("empty", ["", "~", "null", '""', "''"])
@pytest.mark.parametrize("key", ["name", "direction", "interactive", "group", "check"])
def test_an_empty_value_is_as_good_as_none(key: str, empty: str) -> None:
    config = parse(tunnel(**{key: empty}))
    assert config.problems == ()
    assert config.tunnels[0].hash == parse(ONE).tunnels[0].hash


def test_a_quoted_null_is_a_name() -> None:
    assert parse(tunnel(name='"null"')).tunnels[0].name == "null"


def test_all_keys_are_read() -> None:
    text = tunnel(
        name="db",
        direction="local_to_remote",
        group="office",
        description='"the data base: main"',
        ssh_options="[Port=2222, ProxyCommand=nc %h %p, 'Compression yes']",
        check="tcp",
    )
    config = parse(text)
    assert config.problems == ()
    spec = config.tunnels[0]
    assert spec.direction is Direction.LOCAL_TO_REMOTE
    assert (spec.group, spec.description, spec.check) == ("office", "the data base: main", "tcp")
    assert spec.ssh_options == ("Port=2222", "ProxyCommand=nc %h %p", "Compression yes")
    assert spec.line == 2


@given(st.text(st.characters(blacklist_categories=["Cc", "Cs", "Zl", "Zp", "Cn"]), min_size=1))
def test_any_printable_name_comes_through_unchanged(name: str) -> None:
    if "\ufeff" in name:  # YAML allows it only at the beginning of a file
        return
    quoted = name.replace("\\", "\\\\").replace('"', '\\"')
    config = parse(tunnel(name=f'"{quoted}"'))
    assert config.problems == ()
    assert config.tunnels[0].name == name


# --- every mistake, all at once -----------------------------------------------------------------

MANY = """\
# a file with a dozen mistakes
tunnels:
  - name: one
    remote_port: 8000
    local_port: 8001
  - name: two
    remote_host: user@host
    remote_port: 70000
    local_port: "[::1"
  - name: three
    remote_host: "-oProxyCommand=touch /tmp/owned"
    remote_port: 22
    local_port: 2222
    direction: sideways
    interactive: maybe
  - name: "four\\tfour"
    remote_host: user@host
    remote_port: 1
    local_port: 2
    remote_hosts: x
  - just text
  - name: five
    name: six
    remote_host: user@host
    remote_port: 1
    local_port: 3
  - name: seven
    remote_host: user@ho st
    remote_port: 1
    local_port: 4
    check: http
    ssh_options:
      - Port=2
      - -oPort=2
"""


def test_a_file_with_many_mistakes_names_each_with_its_line() -> None:
    config = parse(MANY)
    found = [(problem.line, problem.key) for problem in config.problems]
    assert found == [
        (3, "tunnels[0].remote_host"),
        (8, "tunnels[1].remote_port"),
        (9, "tunnels[1].local_port"),
        (11, "tunnels[2].remote_host"),
        (14, "tunnels[2].direction"),
        (15, "tunnels[2].interactive"),
        (16, "tunnels[3].name"),
        (20, "tunnels[3].remote_hosts"),
        (21, "tunnels[4]"),
        (23, "tunnels[5].name"),
        (28, "tunnels[6].remote_host"),
        (31, "tunnels[6].check"),
        (34, "tunnels[6].ssh_options[1]"),
    ]
    assert [problem.line for problem in config.problems if not problem.fatal] == [20]
    assert not config.valid
    assert config.tunnels == ()


def test_good_tunnels_are_still_listed_beside_wrong_ones() -> None:
    text = MANY + "  - {name: good, remote_host: h, remote_port: 5, local_port: 6}\n"
    config = parse(text)
    assert [spec.name for spec in config.tunnels] == ["good"]
    assert not config.valid


@pytest.mark.parametrize(
    ("changes", "key", "words"),
    [
        ({"remote_host": None}, "remote_host", "missing"),
        ({"remote_host": '""'}, "remote_host", "missing"),
        ({"remote_port": None}, "remote_port", "missing"),
        ({"local_port": "~"}, "local_port", "missing"),
        ({"local_port": "0"}, "local_port", "from 1 to 65535"),
        ({"local_port": "65536"}, "local_port", "from 1 to 65535"),
        ({"local_port": "9" * 5000}, "local_port", "too long"),
        ({"local_port": '":80"'}, "local_port", "empty"),
        ({"local_port": '"::1:80"'}, "local_port", "IPv6"),
        ({"local_port": '"8000:80"'}, "local_port", "bare number"),
        ({"local_port": "http"}, "local_port", "expected a port"),
        ({"local_port": "/run/" + "x" * 110}, "local_port", "107"),
        ({"local_port": "[1, 2]"}, "local_port", "single value"),
        ({"remote_host": '"-oProxyCommand=x"'}, "remote_host", "option"),
        ({"remote_host": '"user@-oProxyCommand=x"'}, "remote_host", "'-'"),
        ({"remote_host": '"a b"'}, "remote_host", "white space"),
        ({"remote_host": "ssh://user@host"}, "remote_host", "URL"),
        ({"remote_host": "user@host:22"}, "remote_host", "port"),
        ({"remote_host": '"user@[::1]"'}, "remote_host", "brackets"),
        ({"remote_host": "'@host'"}, "remote_host", "empty user"),
        ({"remote_host": "user@"}, "remote_host", "empty"),
        ({"remote_host": "user@$(id)"}, "remote_host", "'('"),
        ({"remote_host": "user@a;b"}, "remote_host", "';'"),
        ({"remote_host": '"user@ho\\nst"'}, "remote_host", "line break"),
        ({"name": '"a\\tb"'}, "name", "a tab"),
        ({"name": '"a\\u2028b"'}, "name", "U+2028"),
        ({"name": '"a\\x9bb"'}, "name", "U+009B"),
        ({"description": '"a\\eb"'}, "description", "escape"),
        ({"direction": "REMOTE_TO_LOCAL"}, "direction", "not a direction"),
        ({"interactive": "2"}, "interactive", "neither"),
        ({"check": "icmp"}, "check", "check"),
        ({"ssh_options": "Port=22"}, "ssh_options", "not a list"),
        ({"ssh_options": "{Port: 22}"}, "ssh_options", "not a list"),
        ({"ssh_options": "[[Port=22]]"}, "ssh_options[0]", "not a string"),
        ({"ssh_options": "[Port=22, -o Port=22]"}, "ssh_options[1]", "'-'"),
        ({"ssh_options": "[Port]"}, "ssh_options[0]", "with a value"),
        ({"ssh_options": '["Port=22\\nProxyCommand=x"]'}, "ssh_options[0]", "line break"),
        ({"ssh_options": "[ControlMaster=auto]"}, "ssh_options[0]", "ControlMaster"),
        ({"ssh_options": "['localforward 1 h:2']"}, "ssh_options[0]", "tunnel of its own"),
        ({"ssh_options": "[IgnoreUnknown=x]"}, "ssh_options[0]", "IgnoreUnknown"),
    ],
)
def test_a_wrong_value_is_refused_with_its_key(
    changes: dict[str, str | None], key: str, words: str
) -> None:
    problem = only(tunnel(**changes))
    assert problem.fatal
    assert problem.key == f"tunnels[0].{key}"
    assert words in f"{problem.message} {problem.allowed}"
    assert problem.line >= 2


@pytest.mark.parametrize(
    "host",
    [
        "alias",
        "user@host",
        "a.b-c_d",
        "user@::1",
        "fe80::1%eth0",
        "DOM\\user@host",
        "häst",
        "u@e@h",
    ],
)
def test_usual_and_unusual_hosts_are_accepted(host: str) -> None:
    assert parse(tunnel(remote_host=f"'{host}'")).problems == ()


@pytest.mark.parametrize(
    "endpoint",
    [
        "1",
        "65535",
        "localhost:80",
        "*:80",
        "0.0.0.0:80",
        "[::]:80",
        "[fe80::1%lo]:1",
        "/run/x.sock",
    ],
)
def test_all_spellings_of_an_endpoint_are_accepted(endpoint: str) -> None:
    config = parse(tunnel(remote_port=f'"{endpoint}"'))
    assert config.problems == ()
    assert config.tunnels[0].remote_port == endpoint


def test_an_unknown_key_is_a_warning_with_the_nearest_known_one() -> None:
    problem = only(tunnel(**{"local-prot": "1"}))
    assert not problem.fatal
    assert problem.line == 5
    assert "local_port" in problem.allowed
    assert parse(tunnel(**{"local-prot": "1"})).valid


def test_a_duplicate_names_the_first_line() -> None:
    config = parse(ONE + ONE.partition("\n")[2])
    assert [(p.line, p.fatal) for p in config.problems] == [(5, True)]
    assert "line 2" in config.problems[0].message
    assert len(config.tunnels) == 1


def test_a_duplicate_key_is_refused() -> None:
    problem = only(ONE + "    local_port: 9\n")
    assert (problem.line, problem.key, problem.fatal) == (5, "tunnels[0].local_port", True)
    assert "line 4" in problem.message


@pytest.mark.parametrize(
    ("first", "second", "warned"),
    [
        ("8000", "8000", True),
        ("8000", '"127.0.0.1:8000"', True),
        ("8000", '"0.0.0.0:8000"', True),
        ('"127.0.0.1:8000"', '"127.0.0.2:8000"', False),
        ('"[::1]:8000"', '"127.0.0.1:8000"', False),
        ("8000", "8001", False),
        ("/run/a.sock", "/run/a.sock", True),
    ],
)
def test_two_listeners_at_one_place_are_a_warning(first: str, second: str, warned: bool) -> None:
    text = (
        f"tunnels:\n  - {{name: a, remote_host: h, remote_port: 1, local_port: {first}}}\n"
        f"  - {{name: b, remote_host: g, remote_port: 2, local_port: {second}}}\n"
    )
    config = parse(text)
    assert config.valid
    assert [(p.line, p.key) for p in config.problems] == ([(3, "b")] if warned else [])


def test_remote_listeners_collide_only_at_the_same_host() -> None:
    line = "  - {{name: {0}, remote_host: {1}, remote_port: 9, local_port: {2}, direction: {3}}}\n"
    text = "tunnels:\n" + "".join(
        [
            line.format("a", "h", 1, "local_to_remote"),
            line.format("b", "g", 2, "local_to_remote"),
            line.format("c", "h", 3, "local_to_remote"),
            line.format("d", "h", 9, "remote_to_local"),
        ]
    )
    assert [p.key for p in parse(text).problems] == ["c"]


# --- shapes -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text", ["", "\n\n", "# nothing yet\n", "tunnels:\n", "tunnels: []\n", "~"]
)
def test_an_empty_file_is_valid_with_a_warning(text: str) -> None:
    config = parse(text)
    assert config.valid
    assert [problem.fatal for problem in config.problems] == [False]


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("- a\n", 1, "tunnels:"),
        ("hello\n", 1, "tunnels:"),
        ("tunnel: []\n", 1, "did you mean tunnels"),
        ("tunnels: hello\n", 1, "not a list"),
        ("tunnels:\n  a: 1\n", 2, "not a list"),
        ("tunnels:\n  - 5\n", 2, "not a tunnel"),
        ("tunnels:\n  -\n", 2, "not a tunnel"),
        ("tunnels: []\ntunnels: []\n", 2, "given twice"),
        ("tunnels:\n  - name: a: b\n", 2, "quotes"),
        ("tunnels:\n  - name: [a\n", 3, "not YAML"),
        ("tunnels:\n\t- name: a\n", 2, "tab"),
        ("tunnels:\n  - name: *x\n", 2, "*x"),
        ("tunnels: &a\n  - *a\n", 2, "contains it"),
        ("tunnels: []\n---\ntunnels: []\n", 2, "second document"),
        ("tunnels: !!python/object:os.system []\n", 1, "not a list"),
        ("tunnels: !shell []\n", 1, "tag"),
        ("tunnels:\n  - {<<: 5}\n", 2, "<<"),
        ("tunnels:\n  - {[a]: 5}\n", 2, "key"),
    ],
)
def test_a_wrong_shape_is_refused_with_its_line(text: str, line: int, words: str) -> None:
    config = parse(text)
    if "python" in text:  # such a tag constructs nothing here: only nodes are read
        assert config.tunnels == ()
        return
    assert not config.valid
    assert words in " ".join(str(problem) for problem in config.problems)
    assert config.problems[-1].line == line


def test_anchors_aliases_and_merges_are_understood() -> None:
    text = """\
x-defaults: &base
  remote_host: user@host
  direction: local_to_remote
ports: &port 80
tunnels:
  - <<: *base
    name: a
    remote_port: *port
    local_port: 81
  - <<: [{local_port: 1}, *base]
    direction: remote_to_local
    remote_port: 5
"""
    config = parse(text)
    assert config.problems == ()
    first, second = config.tunnels
    assert (first.remote_host, first.remote_port, first.direction.value) == (
        "user@host",
        "80",
        "local_to_remote",
    )
    assert (second.local_port, second.direction.value) == ("1", "remote_to_local")


def test_byte_order_mark_and_windows_line_ends_do_no_harm() -> None:
    data = b"\xef\xbb\xbf" + ONE.replace("\n", "\r\n").encode()
    config = parse_config("c", data)
    assert config.problems == ()
    assert config.tunnels[0].hash == parse(ONE).tunnels[0].hash


def test_bytes_that_are_not_utf8_are_refused_with_their_line() -> None:
    problem = parse_config("c", ONE.encode() + b"    name: caf\xe9\n").problems[0]
    assert (problem.line, problem.fatal) == (5, True)
    assert "UTF-8" in problem.message


def test_raw_control_characters_do_not_hide_the_other_mistakes() -> None:
    text = ONE + "    name: a\x1b[31mb\n    direction: up\n"
    config = parse(text)
    assert [problem.line for problem in config.problems] == [5, 6]
    assert config.tunnels == ()


# --- hostile and unreadable files ---------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "[" * 100_000,
        "{a: " * 50_000,
        "- " * 100_000,
        "".join(" " * i + "a:\n" for i in range(300)),
        "a0: &a0 {}\n"
        + "".join(f"a{i}: &a{i} {{<<: [{f'*a{i - 1},' * 9}]}}\n" for i in range(1, 20))
        + "tunnels:\n  - <<: *a19\n",
        "a0: &a0 [x]\n"
        + "".join(f"a{i}: &a{i} [{f'*a{i - 1},' * 9}]\n" for i in range(1, 20))
        + "tunnels: *a19\n",
        "a: &a [" + "Port=1," * 5000 + "]\ntunnels:\n" + "  - {ssh_options: *a}\n" * 500,
    ],
    ids=["brackets", "braces", "dashes", "indentation", "merges", "aliases", "long list"],
)
def test_bombs_are_refused_at_once(text: str) -> None:
    begin = time.monotonic()
    assert not parse(text).valid
    assert time.monotonic() - begin < 2


@given(st.binary(max_size=300))
def test_no_bytes_whatever_raise(data: bytes) -> None:
    config = parse_config("c", data)
    assert config.valid or config.problems


@given(st.text(alphabet="tunels: -[]{}&*a<!'\"|>\n\t#?,~\x00\x85\ufeff", max_size=60))
def test_no_text_made_of_yaml_signs_raises(text: str) -> None:
    parse(text)


@given(st.lists(st.sampled_from(MANY.splitlines()), max_size=30))
def test_shuffled_lines_never_raise(lines: list[str]) -> None:
    config = parse("\n".join(["tunnels:", *lines]))
    for spec in config.tunnels:
        spec.forward()


def test_the_pure_python_parser_finds_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    with_libyaml = parse(MANY)
    monkeypatch.setattr(tree.yaml, "__with_libyaml__", False)
    assert parse(MANY) == with_libyaml
    assert not parse("[" * 2000).valid
    assert parse("tunnels:\n\t- a\n").problems[0].line == 2
    assert parse(ONE + "    name: a\x1bb\n").problems[0].line == 5


def test_a_missing_file_is_a_problem(tmp_path: Path) -> None:
    config = load_config(str(tmp_path / "none.yaml"))
    assert not config.valid
    assert "does not exist" in config.problems[0].message
    assert config.text_digest == ""


def test_a_directory_and_a_pipe_are_refused_without_hanging(tmp_path: Path) -> None:
    assert "directory" in load_config(str(tmp_path)).problems[0].message
    os.mkfifo(tmp_path / "pipe")
    assert "regular" in load_config(str(tmp_path / "pipe")).problems[0].message


def test_a_huge_file_is_refused(tmp_path: Path) -> None:
    with (tmp_path / "huge").open("wb") as file:
        file.truncate(1 << 30)
    assert "bigger" in load_config(str(tmp_path / "huge")).problems[0].message


def test_an_unreadable_file_is_a_problem(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "c.yaml"
    path.write_text(ONE)
    path.chmod(0)

    def refuse(*arguments: object) -> int:
        raise PermissionError(13, "Permission denied")

    if os.geteuid() == 0:  # root may read everything
        monkeypatch.setattr("tunnel_tui.config.load.os.open", refuse)
    config = load_config(str(path))
    assert "may not be read" in config.problems[0].message


def test_the_digest_is_that_of_the_bytes(tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    path.write_text(ONE)
    first = load_config(str(path))
    assert first.valid
    assert first.by_hash()[first.tunnels[0].hash] is first.tunnels[0]
    path.write_text(ONE + "\n")
    second = load_config(str(path))
    assert second.tunnels == first.tunnels
    assert second.text_digest != first.text_digest


# --- cost ---------------------------------------------------------------------------------------

HEAVY = {
    "asyncio",
    "ctypes",
    "dataclasses",
    "difflib",
    "inspect",
    "json",
    "logging",
    "pathlib",
    "psutil",
    "ruamel",
    "shutil",
    "socket",
    "subprocess",
    "tempfile",
}


def test_reading_imports_nothing_that_start_up_would_feel() -> None:
    code = "import sys, tunnel_tui.config.load, tunnel_tui.config.plan; print(*sys.modules)"
    output = subprocess.run(
        [sys.executable, "-S", "-c", f"import sys; sys.path = {sys.path!r}; {code}"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert HEAVY.isdisjoint(output.split())


@pytest.mark.alone
def test_checking_two_hundred_tunnels_costs_less_than_constructing_them() -> None:
    items = "".join(
        f'  - name: "tunnel-{n}"\n    remote_host: "user@host{n % 9}"\n    remote_port: {n + 1}\n'
        f'    local_port: "127.0.0.1:{9000 + n}"\n    interactive: false\n'
        for n in range(200)
    )
    data = ("tunnels:\n" + items).encode()
    assert parse_config("c", data).problems == ()
    ours, theirs = [], []
    for _ in range(15):  # in turns, so that a busy machine is busy for both
        begin = time.perf_counter()
        parse_config("c", data)
        between = time.perf_counter()
        yaml.load(data, yaml.CSafeLoader)
        ours.append(between - begin)
        theirs.append(time.perf_counter() - between)
    assert min(ours) < 1.25 * min(theirs)
