"""The app on a fake engine: what a person sees and does."""

import threading

import pytest

from tests.tui.fake import KEY_CHANGED, LOG, FakeEngine, showcase, spec
from tests.tui.support import line_with, main_of, notes, opened, text_of, until
from tunnel_tui.config.config import Config
from tunnel_tui.config.plan import Plan
from tunnel_tui.errors import PortBusyError
from tunnel_tui.logs.follow import LogUpdate
from tunnel_tui.model import Direction, Outcome, Problem, State, TunnelEntry, TunnelStatus
from tunnel_tui.tui.config.mistakes import Mistakes
from tunnel_tui.tui.dialogs.confirm import Confirm
from tunnel_tui.tui.dialogs.help import Help
from tunnel_tui.tui.keys.bindings import SECTIONS
from tunnel_tui.tui.log.view import LogView
from tunnel_tui.tui.shell.messages import (
    BatchFinished,
    ProgressMade,
    SnapshotTaken,
    TunnelHandled,
    tell_screen,
)
from tunnel_tui.tui.table.table import TunnelTable

NOW = 1_800_000_000.0


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> FakeEngine:
    return FakeEngine(showcase(NOW))


def selected(app: object) -> str:
    row = main_of(app).selected  # type: ignore[arg-type]
    return row.status.spec.name if row else ""


async def select(app: object, pilot: object, name: str) -> None:
    for _ in range(40):
        if selected(app) == name:
            return
        await pilot.press("j")  # type: ignore[attr-defined]
    raise AssertionError(f"{name} is not in the table")


async def test_every_tunnel_with_badge_and_way(engine: FakeEngine) -> None:
    async with opened(engine) as (app, _):
        assert "● RUNNING" in line_with(app, "grafana", "localhost:3000", "⇒", "edge-3:3000")
        assert "✗ DEAD" in line_with(app, "db-replica", "host key changed")
        assert "◐ STARTING" in line_with(app, "metrics", "reconnecting (attempt 4)")
        assert "◆ INTERACTIVE" in line_with(app, "hpc-login", "needs a login")
        assert "○ STOPPED" in line_with(app, "printer")
        header = text_of(app)[0]
        assert "✗ 1  ◐ 1  ◆ 2  ● 4  ○ 1" in header
        assert "watcher on" in header
        assert "/etc/autossh/config/config.yaml" in header


async def test_listener_and_target_are_aligned(engine: FakeEngine) -> None:
    for size in ((80, 24), (140, 40), (200, 50)):
        async with opened(engine, size) as (app, _):
            places = {line.index("⇒") for line in text_of(app) if "⇒" in line}
            assert len(places) == 1


async def test_a_death_shows_in_the_table_and_in_a_toast(engine: FakeEngine) -> None:
    async with opened(engine) as (app, pilot):
        engine.become("git-mirror", State.DEAD, reason=KEY_CHANGED)
        await until(pilot, lambda: "DEAD" in line_with(app, "git-mirror", "⇒"), "badge")
        await until(pilot, lambda: notes(app), "toast")
        assert "git-mirror died\nhost key changed" in notes(app)[0]
        assert "✗ 2" in text_of(app)[0]


async def test_many_deaths_make_one_toast(engine: FakeEngine) -> None:
    async with opened(engine) as (app, pilot):
        for name in ("done-hub", "grafana", "git-mirror", "share-blog", "metrics"):
            engine.become(name, State.DEAD, reason=KEY_CHANGED)
        await until(pilot, lambda: any("5 tunnels died" in note for note in notes(app)), "toast")
        assert len(notes(app)) == 1


async def test_the_cursor_stays_on_its_tunnel(engine: FakeEngine) -> None:
    async with opened(engine) as (app, pilot):
        await select(app, pilot, "grafana")
        engine.become("share-blog", State.DEAD, reason=KEY_CHANGED)
        engine.become("db-replica", State.RUNNING, reason=None)
        engine.statuses.insert(0, TunnelStatus(spec("new one"), State.DEAD))
        engine.publish()
        await until(pilot, lambda: line_with(app, "new one"), "new row")
        assert selected(app) == "grafana"
        cursor = [line for line in text_of(app) if line.startswith("▌")]
        assert len(cursor) == 1
        assert "grafana" in cursor[0]


async def test_a_tunnel_that_disappears_gives_the_cursor_to_its_neighbour(
    engine: FakeEngine,
) -> None:
    async with opened(engine) as (app, pilot):
        await select(app, pilot, "printer")
        engine.statuses = engine.statuses[:-1]
        engine.publish()
        await until(pilot, lambda: not line_with(app, "printer"), "row gone")
        assert selected(app) == "share-blog"


async def test_start_shows_at_once_what_is_being_done(engine: FakeEngine) -> None:
    engine.gate = threading.Event()
    async with opened(engine) as (app, pilot):
        await select(app, pilot, "printer")
        await pilot.press("s")
        assert "starting…" in line_with(app, "printer", "⇒")
        await pilot.press("s")
        assert any("still starting" in note for note in notes(app))
        engine.gate.set()
        await until(pilot, lambda: "starting…" not in line_with(app, "printer", "⇒"), "done")
        assert engine.calls == [("start", "printer")]


async def test_stop_and_restart_reach_the_engine(engine: FakeEngine) -> None:
    async with opened(engine) as (app, pilot):
        await select(app, pilot, "grafana")
        await pilot.press("x")
        await until(pilot, lambda: ("stop", "grafana") in engine.calls)
        await until(pilot, lambda: "stopping" not in line_with(app, "grafana", "⇒"))
        await pilot.press("r")
        await until(pilot, lambda: ("restart", "grafana") in engine.calls)


@pytest.mark.parametrize(
    ("name", "key", "why"),
    [
        ("grafana", "s", "running already"),
        ("printer", "x", "not running"),
        ("printer", "a", "logs in by key"),
    ],
)
async def test_a_key_that_cannot_act_says_why(
    engine: FakeEngine, name: str, key: str, why: str
) -> None:
    async with opened(engine) as (app, pilot):
        await select(app, pilot, name)
        await pilot.press(key)
        assert any(why in note for note in notes(app))
        assert engine.calls == []


async def test_a_failure_says_what_and_what_to_do(engine: FakeEngine) -> None:
    engine.fail = PortBusyError("port 6310 is taken", "by cupsd (pid 77, root)", "stop it")
    async with opened(engine) as (app, pilot):
        await select(app, pilot, "printer")
        await pilot.press("s")
        await until(pilot, lambda: notes(app), "toast")
        assert "port 6310 is taken" in notes(app)[0]
        assert "cupsd (pid 77, root)\nstop it" in notes(app)[0]


async def test_start_all_leaves_out_what_is_up_and_what_needs_a_login(engine: FakeEngine) -> None:
    async with opened(engine) as (_, pilot):
        await pilot.press("S")
        await until(pilot, lambda: engine.calls)
        assert engine.calls == [("start_all", "db-replica", "printer")]


async def test_stop_all_asks(engine: FakeEngine) -> None:
    async with opened(engine) as (app, pilot):
        await pilot.press("X")
        await until(pilot, lambda: isinstance(app.screen, Confirm))
        await pilot.press("n")
        await until(pilot, lambda: not isinstance(app.screen, Confirm))
        assert engine.calls == []
        await pilot.press("X", "y")
        await until(pilot, lambda: engine.calls == [("stop_all", None)])


async def test_long_work_shows_its_progress(engine: FakeEngine) -> None:
    engine.gate = threading.Event()
    async with opened(engine) as (app, pilot):
        await pilot.press("S")
        await until(pilot, lambda: "2/2" in text_of(app)[0], "progress")
        engine.gate.set()
        await until(pilot, lambda: "2/2" not in text_of(app)[0], "end of progress")


async def test_x_calls_off_a_start_whose_turn_has_not_come(engine: FakeEngine) -> None:
    engine.gate = threading.Event()
    async with opened(engine) as (app, pilot):
        await pilot.press("S")
        await until(pilot, lambda: "2/2" in text_of(app)[0], "progress")
        await select(app, pilot, "printer")
        await pilot.press("x")
        await until(pilot, lambda: ("stop", "printer") in engine.calls)
        assert any("it will not be started" in note for note in notes(app))
        engine.gate.set()
        await until(pilot, lambda: "2/2" not in text_of(app)[0], "end of progress")
        await pilot.press("x")
        assert any("it is not running" in note for note in notes(app))
        assert engine.calls.count(("stop", "printer")) == 1


async def test_other_work_does_not_hide_what_is_being_started(engine: FakeEngine) -> None:
    engine.gate = threading.Event()
    async with opened(engine) as (app, pilot):
        await pilot.press("S")
        await until(pilot, lambda: "2/2" in text_of(app)[0], "progress")
        await pilot.press("c")
        await until(pilot, lambda: any("1 thing cleaned up" in note for note in notes(app)))
        await select(app, pilot, "printer")
        await pilot.press("space", "x")
        key = next(row.key for row in main_of(app).context.rows.rows if row.marked)
        await until(pilot, lambda: ("stop_all", [key]) in engine.calls)
        engine.gate.set()


async def test_work_that_ends_when_the_app_is_being_left_tells_nobody(engine: FakeEngine) -> None:
    outcome = Outcome("2ffe9a14", "gateway", False, "failed", "the port is taken")
    async with opened(engine) as (app, pilot):
        await pilot.pause()
        await app._close_all()
        for message in (
            SnapshotTaken(),
            TunnelHandled("2ffe9a14", "gateway", "start", outcome, None),
            ProgressMade("starting", 1, 2),
            BatchFinished("starting", [outcome], None),
        ):
            app.post_message(message)
        tell_screen(app, SnapshotTaken())


async def test_clean_up_reports(engine: FakeEngine) -> None:
    async with opened(engine) as (app, pilot):
        await pilot.press("c")
        await until(pilot, lambda: any("1 thing cleaned up" in note for note in notes(app)))


async def test_the_log_opens_at_its_end_and_follows(engine: FakeEngine) -> None:
    key = engine.statuses[2].spec.hash
    engine.logs[key] = [f"line {n}" for n in range(3000)]
    async with opened(engine) as (app, pilot):
        await until(pilot, lambda: line_with(app, "line 2999"), "end of the log")
        with engine.lock:
            engine.news[key] = LogUpdate(False, ["line 3000", "Permission denied (publickey)."])
        await until(pilot, lambda: line_with(app, "Permission denied"), "new line")
        assert "▎" in line_with(app, "Permission denied")


async def test_the_log_stays_where_the_person_scrolled(engine: FakeEngine) -> None:
    key = engine.statuses[2].spec.hash
    engine.logs[key] = [f"line {n}" for n in range(1000)]
    async with opened(engine) as (app, pilot):
        await until(pilot, lambda: line_with(app, "line 999"))
        await pilot.press("l", "ctrl+u", "k")
        log = app.screen.query_one(LogView)
        assert not log.following
        top = next(line[:-1] for line in text_of(app) if "line " in line)
        for batch in range(10):
            with engine.lock:
                engine.news[key] = LogUpdate(False, [f"new {batch}.{n}" for n in range(400)])
            await until(pilot, lambda: key not in engine.news)
        await until(pilot, lambda: line_with(app, "new below"))
        assert next(line[:-1] for line in text_of(app) if "line " in line) == top
        await pilot.press("f")
        await until(pilot, lambda: line_with(app, "new 9.399"))
        assert log.following


async def test_dropped_lines_do_not_move_what_is_read(engine: FakeEngine) -> None:
    key = engine.statuses[2].spec.hash
    engine.logs[key] = [f"line {n}" for n in range(2000)]
    async with opened(engine) as (app, pilot):
        await until(pilot, lambda: line_with(app, "line 1999"))
        await pilot.press("l", "ctrl+u")
        shown = [line[:-1] for line in text_of(app) if "line 19" in line]
        with engine.lock:
            engine.news[key] = LogUpdate(False, [f"new {n}" for n in range(4500)])
        await until(pilot, lambda: line_with(app, "new below"))
        assert [line[:-1] for line in text_of(app) if "line 19" in line] == shown


async def test_a_log_that_begins_anew_is_shown_anew(engine: FakeEngine) -> None:
    key = engine.statuses[2].spec.hash
    engine.logs[key] = LOG
    async with opened(engine) as (app, pilot):
        await until(pilot, lambda: line_with(app, "verification failed"))
        with engine.lock:
            engine.news[key] = LogUpdate(True, ["a fresh beginning"])
        await until(pilot, lambda: line_with(app, "a fresh beginning"))
        assert not line_with(app, "verification failed")


async def test_failures_are_found_with_n(engine: FakeEngine) -> None:
    key = engine.statuses[2].spec.hash
    engine.logs[key] = ["Connection refused here"] + [f"line {n}" for n in range(500)]
    async with opened(engine) as (app, pilot):
        await until(pilot, lambda: line_with(app, "line 499"))
        await pilot.press("N")
        assert line_with(app, "Connection refused here")


async def test_details_tell_the_layers_and_the_command(engine: FakeEngine) -> None:
    async with opened(engine) as (app, pilot):
        await select(app, pilot, "share-blog")
        await pilot.press("enter")
        await until(pilot, lambda: line_with(app, "✓ ", "authenticated"), "ladder")
        assert line_with(app, "connect at cloud.usa2 to localhost:8080")
        assert line_with(app, "command", "ssh -N")
        await pilot.press("enter")
        await until(pilot, lambda: not line_with(app, "authenticated"), "back to the log")


async def test_copy(engine: FakeEngine) -> None:
    async with opened(engine) as (app, pilot):
        await select(app, pilot, "done-hub")
        await pilot.press("y")
        assert app.clipboard == "0.0.0.0:33001"
        await pilot.press("Y")
        await until(pilot, lambda: app.clipboard.startswith("ssh -N"))


async def test_filter(engine: FakeEngine) -> None:
    async with opened(engine) as (app, pilot):
        await pilot.press("slash", *"edge-3")
        await until(pilot, lambda: not line_with(app, "printer", "⇒"))
        assert line_with(app, "grafana", "⇒")
        assert line_with(app, "2 of 9")
        await pilot.press("enter", "escape")
        await until(pilot, lambda: line_with(app, "printer", "⇒"))
        assert app.focused is app.screen.query_one(TunnelTable)


async def test_typing_a_filter_starts_nothing(engine: FakeEngine) -> None:
    async with opened(engine) as (app, pilot):
        await pilot.press("slash", *"sxrcSXRq:?")
        assert engine.calls == []
        assert app.is_running
        assert not isinstance(app.screen, Help)


async def test_sort(engine: FakeEngine) -> None:
    async with opened(engine) as (app, pilot):
        await pilot.press("o")
        rows = [line for line in text_of(app) if "⇒" in line]
        assert "db-replica" in rows[0]
        assert "done-hub" in rows[1]


async def test_names_are_literal() -> None:
    name = "[red]50% 'x' \"y\" 隧道 🚇[/]"
    hostile = TunnelStatus(spec(name, "u@[b]host"), State.DEAD, reason=KEY_CHANGED)
    engine = FakeEngine([hostile])
    async with opened(engine) as (app, pilot):
        assert line_with(app, name, "DEAD")
        assert line_with(app, "[b]host")
        await pilot.press("enter", "s")
        await until(pilot, lambda: engine.calls)
        engine.become(name, State.RUNNING, reason=None)
        engine.become(name, State.DEAD, reason=KEY_CHANGED._replace(advice="[bold]do[/]"))
        await until(pilot, lambda: any("[bold]do[/]" in note for note in notes(app)))


async def test_a_changed_config_offers_its_plan(engine: FakeEngine) -> None:
    engine.watcher = ""
    async with opened(engine) as (app, pilot):
        engine.plan = Plan(start=(spec("a"), spec("b")))
        engine.publish()
        await until(pilot, lambda: "config changed: start 2 · p shows" in text_of(app)[0])
        await pilot.press("p")
        assert engine.calls == [], "first it is shown"
        assert line_with(app, "start", "a", "not up")
        await pilot.press("p")
        await until(pilot, lambda: engine.calls and engine.calls[0][0] == "apply")


async def test_a_plan_says_what_and_why(engine: FakeEngine) -> None:
    engine.watcher = ""
    known = {status.spec.name: status.spec for status in engine.statuses}
    engine.plan = Plan(
        start=(known["db-replica"],),
        stop=(TunnelEntry.of(known["grafana"], 190), TunnelEntry.of(spec("old-one"), 5)),
        keep=tuple(known[name] for name in ("done-hub", "git-mirror", "share-blog", "metrics")),
        login=(known["hpc-login"],),
        restart=(known["metrics"],),
    )
    for size in ((60, 16), (80, 24), (140, 40)):
        async with opened(engine, size) as (app, pilot):
            await pilot.press("p")
            await pilot.pause()
            assert line_with(app, "stop", "grafana", "no longer in")
            assert line_with(app, "p", "apply", "esc")
            if size[1] > 16:
                assert line_with(app, "restart", "metrics")
                assert line_with(app, "start", "db-replica", "died: host key changed")
                assert line_with(app, "login", "hpc-login", "a begins it")
                assert line_with(app, "keep", "done-hub, git-mirror")
                assert line_with(app, "start 1, stop 2, restart 1, keep 4, 1 needs a login")
            await pilot.press("escape")
    assert engine.calls == []


async def test_a_plan_that_stops_something_asks_and_names_it(engine: FakeEngine) -> None:
    engine.watcher = ""
    async with opened(engine) as (app, pilot):
        engine.plan = Plan(stop=(TunnelEntry.of(spec("old-one"), 5),))
        engine.publish()
        await until(pilot, lambda: "stop 1" in text_of(app)[0])
        await pilot.press("p")
        await until(pilot, lambda: line_with(app, "stop", "old-one"))
        assert engine.calls == []
        await pilot.press("y")
        await until(pilot, lambda: engine.calls and engine.calls[0][0] == "apply")


async def test_a_broken_config_is_said_and_explained(engine: FakeEngine) -> None:
    async with opened(engine) as (app, pilot):
        problem = Problem("f", 12, "tunnels[3].remote_port", "not a port", "80[x]")
        engine.broken = Config("f", (), (problem,), "digest")
        engine.publish()
        await until(pilot, lambda: "config broken: 1 mistake, first in line 12" in text_of(app)[0])
        assert line_with(app, "grafana", "RUNNING"), "the last good one stays"
        await pilot.press("p")
        await until(pilot, lambda: line_with(app, "line 12", "tunnels[3].remote_port"))
        assert line_with(app, "80[x]")
        engine.broken = None
        engine.publish()
        await until(pilot, lambda: not isinstance(app.screen, Mistakes), "closes when mended")


async def test_no_config_teaches() -> None:
    engine = FakeEngine()
    engine.digest = ""
    async with opened(engine, (80, 24)) as (app, pilot):
        await until(pilot, lambda: line_with(app, "There is no config yet"))
        assert line_with(app, "/etc/autossh/config/config.yaml")
        assert line_with(app, "n  fill in a form for the first tunnel")
        assert line_with(app, "w  write a sample")
        engine.digest = "d"
        engine.statuses = showcase(NOW)
        engine.publish()
        await until(pilot, lambda: line_with(app, "grafana", "RUNNING"), "table by itself")


async def test_missing_programs_are_said(engine: FakeEngine) -> None:
    engine.missing = frozenset({"ssh", "autossh"})
    async with opened(engine) as (app, pilot):
        await until(pilot, lambda: "ssh is not installed" in text_of(app)[0])
    engine.missing = frozenset({"autossh"})
    async with opened(engine) as (app, pilot):
        await until(pilot, lambda: "autossh is not installed" in text_of(app)[0])


async def test_the_demo_says_how_to_try_it(engine: FakeEngine) -> None:
    async with opened(engine, demo_hint="curl localhost:13000 answers") as (app, _):
        assert "curl localhost:13000 answers" in text_of(app)[0]


async def test_help_shows_every_binding(engine: FakeEngine) -> None:
    async with opened(engine, (140, 60)) as (app, pilot):
        await pilot.press("question_mark")
        await until(pilot, lambda: isinstance(app.screen, Help))
        await pilot.pause()
        screen = "\n".join(text_of(app))
        for _, keys in SECTIONS:
            for key in keys:
                assert key.tooltip in screen
        await pilot.press("escape")
        assert not isinstance(app.screen, Help)


def test_every_binding_has_an_id_and_a_tooltip() -> None:
    seen = set()
    for _, keys in SECTIONS:
        for key in keys:
            assert key.id
            assert key.tooltip
            assert key.id not in seen
            seen.add(key.id)


async def test_keys_that_are_not_ours(engine: FakeEngine) -> None:
    async with opened(engine) as (app, _):
        keys = {key for node in (app, app.screen) for key in node._bindings.key_to_bindings}
        assert not keys & {"ctrl+p", "ctrl+z"}


async def test_the_palette_opens_with_a_colon(engine: FakeEngine) -> None:
    async with opened(engine) as (app, pilot):
        await pilot.press("colon", *"stop every")
        await pilot.pause()
        await until(pilot, lambda: line_with(app, "Stop every tunnel"), "palette")
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, Confirm), "it acts")


async def test_keys_can_be_remapped(engine: FakeEngine) -> None:
    async with opened(engine) as (app, pilot):
        app.set_keymap({"tunnel.stop": "f8"})
        await select(app, pilot, "grafana")
        await pilot.press("f8")
        await until(pilot, lambda: engine.calls == [("stop", "grafana")])


@pytest.mark.parametrize("size", [(20, 5), (60, 16), (80, 24), (140, 40), (200, 50), (1, 1)])
async def test_every_size(engine: FakeEngine, size: tuple[int, int]) -> None:
    async with opened(engine, size) as (app, pilot):
        for key in ("j", "enter", "l", "z", "z", "escape", "question_mark", "escape", "X", "n"):
            await pilot.press(key)
        assert len(text_of(app)) == size[1]


async def test_resizing_keeps_the_cursor_in_sight(engine: FakeEngine) -> None:
    async with opened(engine) as (app, pilot):
        await pilot.press("G")
        for _ in range(5):
            await pilot.resize_terminal(20, 5)
            await pilot.resize_terminal(80, 24)
        await until(pilot, lambda: line_with(app, "▌", "printer"))


async def test_two_hundred_tunnels(engine: FakeEngine) -> None:
    engine.statuses = [
        TunnelStatus(spec(f"tunnel-{n:03}", local=str(10_000 + n)), State.RUNNING, since=NOW)
        for n in range(200)
    ]
    async with opened(engine) as (app, pilot):
        assert "● 200" in text_of(app)[0]
        await pilot.press("G")
        assert line_with(app, "▌", "tunnel-199")
        await pilot.press("g")
        assert line_with(app, "▌", "tunnel-000")


async def test_ascii_is_ascii(engine: FakeEngine) -> None:
    engine.logs[engine.statuses[2].spec.hash] = LOG
    async with opened(engine, environment={"TUNNEL_TUI_ASCII": "1"}) as (app, pilot):
        await until(pilot, lambda: line_with(app, "verification failed"))
        for line in text_of(app):
            assert line.isascii(), line
        await pilot.press("X")
        for line in text_of(app):
            assert line.isascii(), line


async def test_leaving_touches_no_tunnel(engine: FakeEngine) -> None:
    async with opened(engine) as (app, pilot):
        await pilot.press("q")
        await until(pilot, lambda: not app.is_running)
    assert engine.closed
    assert engine.calls == []


async def test_a_remote_listener_bears_its_host(engine: FakeEngine) -> None:
    status = engine.statuses[7]
    assert status.spec.direction is Direction.LOCAL_TO_REMOTE
    async with opened(engine) as (app, _):
        assert line_with(app, "share-blog", "cloud.usa2:8080", "localhost:4000")


async def test_clicks_select_and_act(engine: FakeEngine) -> None:
    async with opened(engine) as (app, pilot):
        await pilot.click(TunnelTable, offset=(20, 5))
        assert selected(app) == "grafana"
        place = text_of(app)[-1].index("x stop")
        await pilot.click("#key-bar", offset=(place, 0))
        await until(pilot, lambda: engine.calls == [("stop", "grafana")])


async def test_without_colour_there_is_none(engine: FakeEngine) -> None:
    environment = {"NO_COLOR": "1", "TERM": "xterm-256color"}
    async with opened(engine, environment=environment) as (app, pilot):
        await pilot.press("X")
        for strip in app.screen._compositor.render_strips(app.size):
            for segment in strip:
                style = segment.style
                for color in (style.color, style.bgcolor) if style else ():
                    assert color is None or color.is_default, segment


async def test_sixteen_colours_are_the_terminals_own(engine: FakeEngine) -> None:
    async with opened(engine, environment={"TERM": "xterm"}) as (app, _):
        for strip in app.screen._compositor.render_strips(app.size):
            for segment in strip:
                style = segment.style
                for color in (style.color, style.bgcolor) if style else ():
                    assert color is None or color.is_default or color.number is not None, segment
