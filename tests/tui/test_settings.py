"""The settings file as the app uses it."""

from pathlib import Path

from tests.tui.fake import KEY_CHANGED, FakeEngine, make_settings, showcase
from tests.tui.support import line_with, main_of, notes, opened, text_of, until
from tunnel_tui.model import State
from tunnel_tui.tui.dialogs.help import Help

NOW = 1_800_000_000.0


def engine_with(tmp_path: Path, text: str) -> FakeEngine:
    path = tmp_path / "settings.yaml"
    path.write_text(text)
    settings = make_settings(str(tmp_path))._replace(settings_file=str(path))
    return FakeEngine(showcase(NOW), settings)


async def test_own_keys_work_and_are_shown_everywhere(tmp_path: Path) -> None:
    keys = "keys:\n  tunnel.restart: f5\n  table.down: m\n  app.help: f1\n"
    engine = engine_with(tmp_path, keys)
    async with opened(engine) as (app, pilot):
        await pilot.press("m")
        row = main_of(app).selected
        assert row is not None
        assert row.status.spec.name == "metrics"
        await pilot.press("r")
        assert engine.calls == [], "the usual key is free now"
        await pilot.press("f5")
        await until(pilot, lambda: engine.calls, "the own key")
        assert engine.calls == [("restart", "metrics")]
        assert "f1 help" in text_of(app)[-1]
        await pilot.press("f1")
        assert isinstance(app.screen, Help)
        assert line_with(app, "f5", "Stop and start it again")
    async with opened(FakeEngine(showcase(NOW))) as (app, _):
        assert "? help" in text_of(app)[-1], "the next app has the usual ones"


async def test_mistakes_are_told_with_file_and_line(tmp_path: Path) -> None:
    engine = engine_with(tmp_path, "theme: pink\nkeys:\n  tunnel.start: x\n")
    async with opened(engine) as (app, pilot):
        await until(pilot, lambda: notes(app), "told")
        assert "settings.yaml:1: theme: pink is not known" in notes(app)[0]
        assert "x is tunnel.start and tunnel.stop" in notes(app)[0]
        assert app.theme == "tunnel-night"


async def test_themes_and_plain_characters(tmp_path: Path) -> None:
    for word, theme in (("light", "tunnel-day"), ("high-contrast", "tunnel-contrast")):
        async with opened(engine_with(tmp_path, f"theme: {word}\nascii: true\n")) as (app, _):
            assert app.theme == theme
            assert "* RUNNING" in line_with(app, "grafana")


async def test_the_bell_rings_at_a_death_if_wanted(tmp_path: Path) -> None:
    for wanted in (True, False):
        engine = engine_with(tmp_path, f"bell: {str(wanted).lower()}\n")
        async with opened(engine) as (app, pilot):
            rung: list[bool] = []
            app.bell = lambda rung=rung: rung.append(True)  # type: ignore[method-assign]
            engine.become("grafana", State.DEAD, reason=KEY_CHANGED)
            await until(pilot, lambda: notes(app), "toast")
            assert bool(rung) is wanted
