"""The README names every command, exit code, variable, key and target, and no others."""

import re
from pathlib import Path

import pytest

from tunnel_tui.cli import codes
from tunnel_tui.cli.help import _VARIABLES
from tunnel_tui.cli.registry import COMMANDS
from tunnel_tui.model import State

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()


def test_every_command_is_explained() -> None:
    shown = {name for name, command in COMMANDS.items() if command.group and name != "help"}
    section = README.split("## Commands")[1].split("## Configuration")[0]
    missing = {name for name in shown if not re.search(rf"`{name}[ `]", section)}
    assert not missing


def test_every_exit_code_is_explained() -> None:
    for code in (codes.OK, codes.FAILED, codes.USAGE, codes.PARTIAL, codes.INTERRUPTED):
        assert f"| {code} |" in README


def test_every_variable_is_explained() -> None:
    missing = {name for name, _ in _VARIABLES if f"`{name}`" not in README}
    assert not missing


def test_every_state_is_explained() -> None:
    for state in State:
        assert re.search(rf"`. {state.value}`", README), state


def test_every_key_is_named() -> None:
    pytest.importorskip("textual")
    from tunnel_tui.tui.keys import bindings

    app = README.split("## The app")[1].split("### States")[0]
    for binding in [*bindings.TUNNEL, *bindings.ALL, *bindings.VIEW, *bindings.LOG, *bindings.APP]:
        assert f"`{bindings.key_text(binding)}`" in app, binding.action


def test_every_action_that_can_have_another_key_is_named() -> None:
    pytest.importorskip("textual")
    from tunnel_tui.tui.keys import bindings

    section = README.split("### Settings of the app")[1].split("### Environment of the app")[0]
    groups: dict[str, set[str]] = {}
    for group, first, rest in re.findall(r"`(\w+)\.([\w-]+)`((?:\s+`\.[\w-]+`)*)", section):
        groups.setdefault(group, set()).update({first, *re.findall(r"`\.([\w-]+)`", rest)})
    named = {f"{group}.{name}" for group, names in groups.items() for name in names}
    assert not bindings.IDS - named


def test_every_preference_is_explained() -> None:
    from tunnel_tui.config.preferences import KNOWN, THEMES

    section = README.split("### Settings of the app")[1].split("### Environment of the app")[0]
    for word in (*KNOWN, *THEMES):
        assert word in section, word


def test_every_make_target_exists() -> None:
    targets = set(re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"^make (\w+)", README, re.MULTILINE)) <= targets


def test_every_picture_exists() -> None:
    for picture in re.findall(r"\]\((screenshots/[^)]+)\)", README):
        assert (ROOT / picture).is_file(), picture
