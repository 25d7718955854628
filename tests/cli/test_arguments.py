"""The command line, read against the table of commands."""

import importlib

import pytest

from tunnel_tui.cli.arguments import UsageError, parse
from tunnel_tui.cli.registry import COMMANDS, FOLLOW, FULL, GROUPS, JSON, LINES


def test_no_command_is_the_app():
    assert parse([]).name == ""
    assert parse(["-c", "x.yaml"]).named("--config") == "x.yaml"


@pytest.mark.parametrize(
    "words",
    [
        ["-c", "x", "-s", "d", "-f", "s", "status", "--json"],
        ["status", "--json", "-c", "x", "-s", "d", "-f", "s"],
        ["--config=x", "--json", "status", "--ssh-config=d", "--state-file", "s"],
        ["-cx", "status", "-sd", "-fs", "--json"],
        ["--config", "wrong", "status", "--config", "x", "-s", "d", "-f", "s", "--json"],
    ],
)
def test_options_stand_before_or_after_the_command(words):
    arguments = parse(words)
    assert arguments.name == "status"
    assert arguments.flag(JSON)
    found = [arguments.named(name) for name in ("--config", "--ssh-config", "--state-file")]
    assert found == ["x", "d", "s"]


def test_f_after_logs_follows_and_before_it_is_the_state_file():
    arguments = parse(["-f", "state", "logs", "-f", "web", "-n5"])
    assert arguments.named("--state-file") == "state"
    assert arguments.flag(FOLLOW)
    assert arguments.value(LINES) == "5"
    assert arguments.operands == ["web"]


def test_full_may_stand_before_start():
    assert parse(["--full", "start"]).flag(FULL)


def test_double_dash_ends_options():
    assert parse(["start-tunnel", "--", "-odd"]).operands == ["-odd"]
    assert parse(["hash", "--", "-n", "h", "1", "2", "remote_to_local"]).operands[0] == "-n"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["strat"], "unknown command"),
        (["--jsn", "list"], "unknown option of list: --jsn"),
        (["list", "--full"], "unknown option of list"),
        (["list", "extra"], "does not take 'extra'"),
        (["start-tunnel"], "needs <tunnel ...>"),
        (["show-tunnel", "a", "b"], "does not take 'b'"),
        (["hash", "a", "b"], "needs <port>"),
        (["-c"], "-c needs a value"),
        (["list", "-c", ""], "is empty"),
        (["list", "--json=yes"], "takes no value"),
    ],
)
def test_wrong_use_is_explained(words, message):
    with pytest.raises(UsageError) as caught:
        parse(words)
    assert message in caught.value.message


def test_suggestions_name_what_is_near():
    with pytest.raises(UsageError) as caught:
        parse(["start-tunel"])
    assert "start-tunnel" in caught.value.hint
    with pytest.raises(UsageError) as caught:
        parse(["logs", "--folow"])
    assert "--follow" in caught.value.hint


@pytest.mark.parametrize("name", ["start", "stop", "restart"])
def test_all_at_once_points_to_the_command_for_one(name):
    with pytest.raises(UsageError) as caught:
        parse([name, "my tunnel"])
    assert f"tunnel-tui {name}-tunnel 'my tunnel'" in caught.value.hint


@pytest.mark.parametrize("name", list(COMMANDS))
def test_every_row_of_the_table_leads_to_a_function(name):
    command = COMMANDS[name]
    module = importlib.import_module(f"tunnel_tui.cli.{command.module}")
    assert callable(getattr(module, command.function))
    assert command.group in GROUPS or command.group == ""
