"""The configuration in the person's own editor: nothing is lost."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.tui.files import CONFIG, opened_live, settle, write_editor
from tests.tui.support import line_with, notes, text_of, until
from tunnel_tui.errors import TunnelTuiError
from tunnel_tui.tui.config.editor import editor_command, find_editor
from tunnel_tui.tui.config.mistakes import Mistakes
from tunnel_tui.tui.shell.app import TunnelApp

BROKEN = CONFIG.replace("remote_port: 3000", "remote_port: 80000")


@pytest.fixture
def suspended(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The headless driver has no terminal to hand over: note that it was asked to."""
    calls: list[str] = []

    @contextmanager
    def suspend(_: TunnelApp) -> Iterator[None]:
        calls.append("suspended")
        yield
        calls.append("resumed")

    monkeypatch.setattr(TunnelApp, "suspend", suspend)
    return calls


async def test_a_good_edit_shows_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suspended: list[str]
) -> None:
    settings = settle(tmp_path)
    script = write_editor(tmp_path / "vi", 'sed -i s/grafana/loki/ "$file"')
    monkeypatch.setenv("VISUAL", script)
    async with opened_live(settings) as (app, pilot):
        await pilot.press("e")
        await until(pilot, lambda: line_with(app, "loki", "⇒"), "the new name")
        assert suspended == ["suspended", "resumed"]
        assert any("Saved: 2 tunnels" in note for note in notes(app))
    kept = list((tmp_path / "config" / "backups").iterdir())
    assert [path.read_text() for path in kept] == [CONFIG]
    assert "+9" in Path(f"{script}.calls").read_text(), "opens at the selected tunnel"


async def test_a_broken_edit_names_the_line_and_leads_back_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suspended: list[str]
) -> None:
    settings = settle(tmp_path)
    good, bad = tmp_path / "good", tmp_path / "bad"
    good.write_text(CONFIG.replace("grafana", "loki"))
    bad.write_text(BROKEN)
    body = f'if [ -e "{bad}" ]; then mv "{bad}" "$file"; else cp "{good}" "$file"; fi'
    script = write_editor(tmp_path / "nano", body)
    monkeypatch.setenv("VISUAL", script)
    async with opened_live(settings) as (app, pilot):
        await pilot.press("e")
        await until(pilot, lambda: isinstance(app.screen, Mistakes), "the mistakes")
        screen = "\n".join(text_of(app))
        assert "line 6" in screen
        assert "remote_port: 80000" in screen
        assert "last good version" in screen
        await until(pilot, lambda: "config broken" in text_of(app)[0], "the header")
        assert isinstance(app.screen, Mistakes)
        assert Path(settings.config_file).read_text() == BROKEN, "what was typed stays"
        assert {row.status.spec.name for row in app.context.rows.rows} == {"grafana", "hpc"}
        await pilot.press("e")
        await until(pilot, lambda: not isinstance(app.screen, Mistakes), "back")
        await until(pilot, lambda: line_with(app, "loki", "⇒"), "the new name")
    assert "+6" in Path(f"{script}.calls").read_text(), "goes back to the mistake"


async def test_an_edit_that_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suspended: list[str]
) -> None:
    settings = settle(tmp_path)
    monkeypatch.setenv("VISUAL", write_editor(tmp_path / "ed", ":"))
    async with opened_live(settings) as (app, pilot):
        await pilot.press("e")
        await until(pilot, lambda: any("as it was" in note for note in notes(app)), "a word")
    assert not (tmp_path / "config" / "backups").exists()


async def test_without_an_editor_it_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suspended: list[str]
) -> None:
    monkeypatch.setenv("VISUAL", "no-such-editor-anywhere")
    async with opened_live(settle(tmp_path)) as (app, pilot):
        await pilot.press("e")
        await until(pilot, lambda: any("no-such-editor" in note for note in notes(app)), "a word")
    assert not suspended


async def test_where_no_terminal_can_be_handed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VISUAL", write_editor(tmp_path / "vi", ":"))
    async with opened_live(settle(tmp_path)) as (app, pilot):
        await pilot.press("e")
        await until(pilot, lambda: any("n adds" in note for note in notes(app)), "the other way")


def test_which_editor(tmp_path: Path) -> None:
    vi = write_editor(tmp_path / "vi", ":")
    code = write_editor(tmp_path / "code", ":")
    path = str(tmp_path)
    assert find_editor({"PATH": path, "EDITOR": "code --wait"}) == ["code", "--wait"]
    assert find_editor({"PATH": path, "EDITOR": code, "VISUAL": vi}) == [vi]
    assert find_editor({"PATH": path, "EDITOR": " "}) == ["vi"]
    with pytest.raises(TunnelTuiError, match="No editor"):
        find_editor({"PATH": str(tmp_path / "none")})


def test_the_line_goes_to_editors_that_know_it() -> None:
    assert editor_command(["vim"], "/c.yaml", 7) == ["vim", "+7", "/c.yaml"]
    assert editor_command(["code", "--wait"], "/c.yaml", 7) == ["code", "--wait", "/c.yaml"]
    assert editor_command(["nano"], "/c.yaml") == ["nano", "/c.yaml"]
