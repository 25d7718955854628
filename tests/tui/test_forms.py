"""Forms on real files: what is typed is checked as the file is, comments stay, nothing is lost."""

import difflib
from pathlib import Path

import pytest
from textual.pilot import Pilot
from textual.widgets import Input

from tests.support.home import Home
from tests.tui.files import CONFIG, opened_live, settle
from tests.tui.support import line_with, main_of, notes, text_of, until
from tunnel_tui.config.load import load_config
from tunnel_tui.model import DirectionMode
from tunnel_tui.settings import Settings
from tunnel_tui.tui.config.choice import Choice
from tunnel_tui.tui.config.mistakes import Mistakes
from tunnel_tui.tui.config.tunnel_draft import BLANK, find_mistakes, tell_way
from tunnel_tui.tui.config.tunnel_form import TunnelForm
from tunnel_tui.tui.dialogs.confirm import Confirm
from tunnel_tui.tui.shell.app import TunnelApp

Pilots = Pilot[int]


async def fill(app: TunnelApp, pilot: Pilots, **texts: str) -> None:
    for key, text in texts.items():
        app.screen.query_one(f"#field-{key}", Input).value = text
    await pilot.pause()


async def select(app: TunnelApp, pilot: Pilots, name: str) -> None:
    for _ in range(10):
        row = main_of(app).selected
        if row is not None and row.status.spec.name == name:
            return
        await pilot.press("j")
    raise AssertionError(name)


def text_in(settings: Settings) -> str:
    return Path(settings.config_file).read_text()


def diff(before: str, after: str) -> list[str]:
    lines = difflib.ndiff(before.splitlines(), after.splitlines())
    return [line for line in lines if line[0] in "+-"]


async def closed(app: TunnelApp, pilot: Pilots) -> None:
    await until(pilot, lambda: not isinstance(app.screen, TunnelForm), "the form closes")


async def test_adding_a_tunnel_by_typing(tmp_path: Path) -> None:
    settings = settle(tmp_path)
    Path(settings.ssh_config_file).write_text("Host bastion\n  User me\n")
    async with opened_live(settings) as (app, pilot):
        await pilot.press("n", *"db", "tab", *"bas")
        await until(pilot, lambda: line_with(app, "remote_host", "bastion"), "the suggestion")
        await pilot.press("tab")
        assert app.screen.query_one("#field-remote_host", Input).value == "bastion"
        await pilot.press("tab", "tab", *"db:5432", "tab", *"8001")
        await pilot.pause()
        assert line_with(app, "localhost:8001 ⇒ db:5432")
        assert line_with(app, "listens here on localhost:8001, comes out at db:5432 seen from")
        await pilot.press("ctrl+s")
        await closed(app, pilot)
        await until(pilot, lambda: line_with(app, "db", "localhost:8001", "⇒"), "the row")
    added = diff(CONFIG, text_in(settings))
    assert all(line.startswith("+") for line in added)
    assert [line[2:].strip() for line in added if line[2:].strip()] == [
        "- name: db",
        "remote_host: bastion",
        'remote_port: "db:5432"',
        "local_port: 8001",
    ]
    kept = list((tmp_path / "config" / "backups").iterdir())
    assert [path.read_text() for path in kept] == [CONFIG]


async def test_the_direction_turns_the_words_round(tmp_path: Path) -> None:
    async with opened_live(settle(tmp_path)) as (app, pilot):
        await pilot.press("n")
        await fill(app, pilot, remote_host="cloud", remote_port="8080", local_port="4000")
        app.screen.query_one("#field-direction", Choice).focus()
        await pilot.press("space")
        await pilot.pause()
        assert line_with(app, "localhost:8080 ⇒ localhost:4000")
        assert line_with(app, "listens at cloud on localhost:8080, comes out here at")


async def test_mistakes_show_under_their_field_and_hold_the_save(tmp_path: Path) -> None:
    settings = settle(tmp_path)
    async with opened_live(settings) as (app, pilot):
        await pilot.press("n")
        assert not line_with(app, "is missing"), "nothing is wrong before anything is typed"
        await fill(app, pilot, name="db", remote_host="-oProxyCommand=x", remote_port="99999")
        lines = text_of(app)
        wrong = next(i for i, line in enumerate(lines) if "begins with '-'" in line)
        assert "remote_host" in lines[wrong - 1]
        await pilot.press("ctrl+s")
        await pilot.pause()
        assert isinstance(app.screen, TunnelForm)
        assert line_with(app, "is missing"), "local_port"
        await fill(app, pilot, remote_host="ops@edge-3", remote_port="3000", local_port="3000")
        await fill(app, pilot, name="grafana")
        await pilot.press("ctrl+s")
        await pilot.pause()
        assert line_with(app, "the same tunnel as grafana in line 4")
        await fill(app, pilot, name="other")
        assert line_with(app, "warning:", "listens at")
    assert text_in(settings) == CONFIG


async def test_changing_touches_only_the_line_meant(tmp_path: Path) -> None:
    settings = settle(tmp_path)
    async with opened_live(settings) as (app, pilot):
        await select(app, pilot, "grafana")
        await pilot.press("E")
        await fill(app, pilot, local_port="3001")
        await pilot.press("ctrl+s")
        await closed(app, pilot)
        await until(pilot, lambda: line_with(app, "grafana", "localhost:3001"), "the row")
    assert diff(CONFIG, text_in(settings)) == [
        '-     local_port: "3000"',
        '+     local_port: "3001"',
    ]


async def test_a_duplicate_stands_right_after_its_original(tmp_path: Path) -> None:
    settings = settle(tmp_path)
    async with opened_live(settings) as (app, pilot):
        await select(app, pilot, "grafana")
        await pilot.press("D")
        assert app.screen.query_one("#field-name", Input).value == "grafana-2"
        await fill(app, pilot, local_port="3002")
        await pilot.press("ctrl+s")
        await closed(app, pilot)
    names = [spec.name for spec in load_config(settings.config_file).tunnels]
    assert names == ["grafana", "grafana-2", "hpc"]
    assert text_in(settings).startswith(CONFIG[: CONFIG.index("\n\n")])


async def test_deleting_asks_and_keeps_comments(tmp_path: Path) -> None:
    settings = settle(tmp_path)
    async with opened_live(settings) as (app, pilot):
        await select(app, pilot, "grafana")
        await pilot.press("delete")
        assert isinstance(app.screen, Confirm)
        assert line_with(app, "STOPPED: nothing that runs is touched")
        await pilot.press("n")
        assert text_in(settings) == CONFIG
        await pilot.press("delete", "y")
        await until(pilot, lambda: "grafana\n" not in text_in(settings), "the file")
        await until(pilot, lambda: not line_with(app, "grafana", "⇒"), "the row")
        assert any("Deleted grafana" in note for note in notes(app))
    assert "# Tunnels of the lab." in text_in(settings)
    assert [spec.name for spec in load_config(settings.config_file).tunnels] == ["hpc"]


async def test_somebody_else_saved_meanwhile(tmp_path: Path) -> None:
    settings = settle(tmp_path)
    theirs = CONFIG.replace("remote_port: 3000", "remote_port: 3333").replace(
        "  - name: hpc",
        "  - {name: new, remote_host: a, remote_port: 1, local_port: 7}\n  - name: hpc",
    )
    async with opened_live(settings) as (app, pilot):
        await select(app, pilot, "grafana")
        await pilot.press("E")
        await fill(app, pilot, description="dashboards")
        Path(settings.config_file).write_text(theirs)
        await pilot.press("ctrl+s")
        await until(pilot, lambda: line_with(app, "somebody else has saved"), "told")
        assert text_in(settings) == theirs, "theirs is not overwritten"
        await pilot.press("ctrl+r")
        await pilot.pause()
        values = {w.id: w.value for w in app.screen.query(Input)}
        assert values["field-description"] == "dashboards", "what was typed stays"
        assert values["field-remote_port"] == "3333", "the rest follows the file"
        await pilot.press("ctrl+s")
        await closed(app, pilot)
    after = load_config(settings.config_file).tunnels
    assert [spec.name for spec in after] == ["grafana", "new", "hpc"]
    assert after[0].description == "dashboards"
    assert after[0].remote_port == "3333"


async def test_leaving_asks_only_when_something_would_be_lost(tmp_path: Path) -> None:
    async with opened_live(settle(tmp_path)) as (app, pilot):
        await pilot.press("n", "escape")
        assert not isinstance(app.screen, TunnelForm)
        await pilot.press("n", *"db", "escape")
        assert isinstance(app.screen, Confirm)
        await pilot.press("n")
        assert app.screen.query_one("#field-name", Input).value == "db"
        await pilot.press("escape", "y")
        assert app.screen is main_of(app)


async def test_a_broken_file_is_mended_first(tmp_path: Path) -> None:
    settings = settle(tmp_path, CONFIG + "  - nonsense\n")
    async with opened_live(settings) as (app, pilot):
        await pilot.press("n")
        await until(pilot, lambda: isinstance(app.screen, Mistakes), "the mistakes")


async def test_in_the_log_n_is_the_next_match(tmp_path: Path) -> None:
    async with opened_live(settle(tmp_path)) as (app, pilot):
        await pilot.press("l", "n")
        await pilot.pause()
        assert not isinstance(app.screen, TunnelForm)


@pytest.mark.parametrize("size", [(60, 16), (80, 24), (140, 40)])
async def test_it_fits_every_size(tmp_path: Path, size: tuple[int, int]) -> None:
    async with opened_live(settle(tmp_path), size) as (app, pilot):
        await pilot.press("n")
        await pilot.pause()
        assert line_with(app, "ctrl+s", "save")
        for _ in range(9):
            await pilot.press("down")
        await pilot.pause()
        assert line_with(app, "check", "none"), "the last field comes into sight"


def test_options_are_split_as_a_shell_does() -> None:
    texts = dict(BLANK) | {"remote_host": "a", "remote_port": "1", "local_port": "2"}
    assert not find_mistakes(texts | {"ssh_options": "Port=22 'ProxyCommand=ssh -W %h:%p b'"})
    assert "partner" in find_mistakes(texts | {"ssh_options": "'x"})["ssh_options"].message
    assert (
        "ControlMaster"
        in find_mistakes(texts | {"ssh_options": "ControlMaster=no"})["ssh_options"].message
    )


def test_the_words_follow_the_direction_mode() -> None:
    texts = dict(BLANK) | {"remote_host": "a", "remote_port": "1", "local_port": "2"}
    assert tell_way(texts, DirectionMode.DEFAULT)[0] == "localhost:2 => localhost:1"
    assert tell_way(texts, DirectionMode.SSH_STANDARD)[0] == "localhost:1 => localhost:2"


async def test_without_a_file_the_first_tunnel_makes_it(tmp_path: Path, home: Home) -> None:
    settings = settle(tmp_path, None)
    async with opened_live(settings) as (app, pilot):
        assert line_with(app, "There is no config yet")
        await pilot.press("n")
        await fill(app, pilot, name="db", remote_host="me@db", remote_port="5432", local_port="1")
        await pilot.press("ctrl+s")
        await closed(app, pilot)
        await until(pilot, lambda: line_with(app, "db", "⇒"), "the table")
        assert app.focused is main_of(app).table
        await pilot.press("s")
        await until(pilot, lambda: notes(app), "keys act on the row")
    assert [spec.name for spec in load_config(settings.config_file).tunnels] == ["db"]


async def test_a_sample_on_request(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VISUAL", "no-such-editor-anywhere")
    settings = settle(tmp_path, None)
    async with opened_live(settings) as (app, pilot):
        await pilot.press("w")
        await until(pilot, lambda: line_with(app, "No tunnels are configured yet"), "the page")
    config = load_config(settings.config_file)
    assert config.valid
    assert not config.tunnels, "nothing starts by surprise"
    lines = [line.removeprefix("#") for line in text_in(settings).splitlines()[2:]]
    Path(settings.config_file).write_text("\n".join(lines))
    config = load_config(settings.config_file)
    assert [spec.name for spec in config.tunnels] == ["grafana", "share-blog", "cluster"]
    assert not config.problems


SSH = """\
Host bastion
  LocalForward 8001 db:5432
  RemoteForward 9000 localhost:9001
Host edge
  User ops
  LocalForward 127.0.0.1:3000 localhost:3000
Host *
  LocalForward 1 localhost:1
"""


async def test_forwards_of_the_ssh_config_to_choose_from(tmp_path: Path) -> None:
    settings = settle(tmp_path, CONFIG + THERE)
    Path(settings.ssh_config_file).write_text(SSH)
    async with opened_live(settings) as (app, pilot):
        await pilot.press("i")
        await pilot.pause()
        assert line_with(app, "[ ]", "bastion-8001", "localhost:8001 ⇒ db:5432", "line 2")
        assert line_with(app, "bastion-9000", "at bastion localhost:9000 ⇒ localhost:9001")
        assert "is a tunnel already" in line_with(app, "edge-3000")
        await pilot.press("a", "up", "space")
        assert line_with(app, "[x]", "bastion-8001")
        assert line_with(app, "1 ticked")
        await pilot.press("enter")
        await until(pilot, lambda: line_with(app, "bastion-8001", "STOPPED"), "the row")
        assert any("1 tunnel added" in note for note in notes(app))
        await pilot.press("i", "enter")
        await until(pilot, lambda: line_with(app, "bastion-9000", "STOPPED"), "the one under it")
    names = [spec.name for spec in load_config(settings.config_file).tunnels]
    assert names == ["grafana", "hpc", "edge", "bastion-8001", "bastion-9000"]
    assert text_in(settings).startswith(CONFIG + THERE)


THERE = """
  - name: edge
    remote_host: edge
    remote_port: localhost:3000
    local_port: 127.0.0.1:3000
"""


async def test_several_are_taken_over_in_one_step(tmp_path: Path) -> None:
    settings = settle(tmp_path)
    Path(settings.ssh_config_file).write_text(SSH)
    async with opened_live(settings) as (app, pilot):
        await pilot.press("i", "a", "enter")
        await until(pilot, lambda: line_with(app, "edge-3000", "⇒"), "the rows")
    assert len(load_config(settings.config_file).tunnels) == 5
    kept = list((tmp_path / "config" / "backups").iterdir())
    assert [path.read_text() for path in kept] == [CONFIG], "one backup for all"


async def test_without_forwards_it_says_where_it_looked(tmp_path: Path) -> None:
    settings = settle(tmp_path)
    async with opened_live(settings) as (app, pilot):
        await pilot.press("i")
        await until(pilot, lambda: any("no LocalForward" in note for note in notes(app)), "said")
