"""The configuration: no text raises, what the editor writes is what it meant, the rest stays."""

import tempfile
from pathlib import Path
from typing import Any

from hypothesis import assume, given
from hypothesis import strategies as st

from tests.properties import repeatable
from tunnel_tui.config.config import Config
from tunnel_tui.config.edit import add_tunnel, change_tunnel, delete_tunnel
from tunnel_tui.config.load import load_config
from tunnel_tui.config.schema.field_check import check_field
from tunnel_tui.model import Direction

WORDS = st.sampled_from(
    (
        *("tunnels:", "- ", "  ", "name: ", "remote_host: u@h", "remote_port: 80"),
        *("local_port: 8080", "interactive: yes", "direction: up", "~", "0x1F", "1_000", "1:30"),
        *("&a", "*a", "<<: *a", "!!binary ", "? ", "|", ">-", "[", "]", "{", "}", ",", "'", '"'),
        *("#", "%YAML 1.1", "---", "...", "\t", "\x00", "\x85", "\ufeff", "\u2028", "é", "隧道"),
    )
)
YAML_LIKE = st.lists(st.tuples(WORDS, st.sampled_from(["", "\n", "\r\n", "\n  ", "\n- "]))).map(
    lambda pairs: "".join(word + end for word, end in pairs)
)

TEXT = st.text(st.characters(exclude_categories=("Cc", "Cs", "Cn", "Zl", "Zp")), max_size=40)
PORT = st.integers(1, 65535).map(str)
HOST = st.from_regex(r"[a-z][a-z0-9.-]{0,20}", fullmatch=True)
ENDPOINT = st.one_of(
    PORT,
    st.builds("{}:{}".format, HOST, PORT),
    st.builds("[{}]:{}".format, st.ip_addresses(v=6), PORT),
    st.from_regex(r"/[a-zA-Z0-9 _.,'\"#@éü/-]{1,40}", fullmatch=True),
)
VALUES = st.fixed_dictionaries(
    {
        "name": TEXT.filter(bool),
        "remote_host": st.one_of(HOST, st.builds("{}@{}".format, HOST, HOST)),
        "remote_port": ENDPOINT,
        "local_port": ENDPOINT,
        "direction": st.sampled_from([str(direction) for direction in Direction]),
        "interactive": st.booleans(),
        "group": TEXT,
        "description": TEXT,
        "ssh_options": st.lists(
            st.sampled_from(["Port=22", "Compression=yes", 'ProxyCommand=nc "%h" %p', "IPQoS=0x10"])
        ).map(lambda options: tuple(dict.fromkeys(options))),
    }
)

ONE = """\
# of mine  \x20
- name: one
  remote_host:   u@one # comment
  remote_port: 80
  local_port: 8001

"""
TWO = """\
-   {name: two, remote_host: 'u@two', remote_port: "81", local_port: 8002}
"""
THREE = """\
- remote_host: three

  # inside
  local_port:
    8003
  name: |-
    three
  remote_port: 82
"""
FOUR = """\
-
  local_port: 8004
  name: "fo\\u00fcr"
  remote_port: '83'
  remote_host: u@four
"""
PIECES = (ONE, TWO, THREE, FOUR)
FRAMES = (("", ""), ("# begin\n\nversion: 2\n", "# end"), ("---\nother: [1,\n 2]\n", "\nz: {}\n"))


def loaded(data: bytes) -> Config:
    with tempfile.NamedTemporaryFile() as file:
        file.write(data)
        file.flush()
        return load_config(file.name)


@given(st.one_of(st.binary(), st.text().map(lambda text: text.encode("utf-8", "surrogatepass"))))
@repeatable(150)
def test_no_bytes_raise(data: bytes) -> None:
    config = loaded(data)
    assert all(str(problem).startswith(config.file) for problem in config.problems)


@given(YAML_LIKE)
@repeatable(250)
def test_nothing_like_yaml_raises(text: str) -> None:
    config = loaded(text.encode())
    assert config.valid or all(problem.message for problem in config.problems)
    for spec in config.tunnels:
        spec.forward()
        assert spec.name.replace("\u200d", "")


@given(VALUES)
@repeatable(150)
def test_what_the_editor_writes_loads_back(values: dict[str, Any]) -> None:
    plain = {key: value for key, value in values.items() if isinstance(value, str)}
    assume(not any(value and check_field(key, value) for key, value in plain.items()))
    with tempfile.TemporaryDirectory() as directory:
        path = f"{directory}/config.yaml"
        edited = add_tunnel(path, values, "")
        (spec,) = load_config(path).tunnels
        assert edited.tunnel == spec
        assert {key: getattr(spec, key) for key in values} == values
        assert spec.direction == values["direction"]


@given(
    st.permutations(PIECES),
    st.sampled_from(FRAMES),
    st.integers(0, len(PIECES) - 1),
    st.sampled_from(["change", "delete"]),
    st.sampled_from(["\n", "\r\n"]),
)
@repeatable(150)
def test_an_edit_leaves_every_other_byte(
    pieces: list[str], frame: tuple[str, str], place: int, verb: str, end: str
) -> None:
    before, after = frame
    head = before + "tunnels:\n" + "".join(pieces[:place])
    tail = "".join(pieces[place + 1 :]) + after
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory, "config.yaml")
        path.write_bytes((head + pieces[place] + tail).replace("\n", end).encode())
        config = load_config(str(path))
        assert config.valid, config.problems
        victim = config.tunnels[place]
        if verb == "change":
            edited = change_tunnel(
                str(path), victim.hash, {"remote_port": "9999"}, config.text_digest
            )
            assert edited.tunnel
            assert edited.tunnel.remote_port == "9999"
        else:
            delete_tunnel(str(path), victim.hash, config.text_digest)
        # A comment stands before the tunnel that it is about, and stays when that one goes.
        found = path.read_bytes().decode()
        assert found.startswith(head.replace("\n", end))
        assert found.endswith(tail.replace("\n", end))
