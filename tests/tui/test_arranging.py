"""Finding one's way among many tunnels: filter, marks, tree, the worst."""

import pytest

from tests.tui.fake import KEY_CHANGED, REFUSED, FakeEngine, showcase, spec
from tests.tui.support import line_with, main_of, notes, opened, text_of, until
from tunnel_tui.model import State, TunnelStatus
from tunnel_tui.tui.dialogs.confirm import Confirm
from tunnel_tui.tui.table.filter_query import parse_query
from tunnel_tui.tui.table.rows import RowModel
from tunnel_tui.tui.table.tree import Branch, grow

NOW = 1_800_000_000.0


@pytest.fixture
def engine() -> FakeEngine:
    return FakeEngine(showcase(NOW))


def model() -> RowModel:
    rows = RowModel()
    rows.update(showcase(1000.0), 1000.0)
    return rows


def found(text: str) -> set[str]:
    rows = model()
    rows.filter = text
    return {row.status.spec.name for row in rows.visible()}


def shown(app: object) -> list[str]:
    return [line for line in text_of(app) if "⇒" in line]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("state:dead", {"db-replica"}),
        ("STATE:Dead,starting", {"db-replica", "metrics"}),
        ("state:down host:bastion", {"db-replica"}),
        ("state:up edge", {"grafana"}),
        ("port:22", {"hpc-login", "git-mirror"}),
        ("port:5432", {"db-replica"}),
        ("name:hpc -port:22", {"hpc-jupyter"}),
        ("reason:refused", {"metrics"}),
        ("db-2:5432", {"db-replica"}),
        ("state: grafana", {"grafana"}),
        ("host:nowhere", set()),
        ("-state:up -state:int -state:stopped", {"db-replica", "metrics"}),
    ],
)
def test_filter_by_field(text: str, names: set[str]) -> None:
    assert found(text) == names


def test_filter_by_group() -> None:
    rows = RowModel()
    tunnels = [spec("a")._replace(group="Production"), spec("b")._replace(group="test")]
    rows.update([TunnelStatus(tunnel, State.STOPPED) for tunnel in tunnels], 0)
    rows.filter = "group:prod"
    assert [row.status.spec.name for row in rows.visible()] == ["a"]


def test_no_filter_is_too_odd() -> None:
    for text in ("", " ", "-", ":", "::", "state:,", "-state:", "a:b:c", "隧道:1"):
        parse_query(text)
        found(text)


def test_marks_outlive_updates_but_not_their_tunnel() -> None:
    rows = model()
    keys = [row.key for row in rows.rows][:3]
    rows.mark(keys, True)
    statuses = showcase(1001.0)
    rows.update(statuses, 1001.0)
    assert [row.key for row in rows.marked] == keys
    rows.update(statuses[1:], 1002.0)
    assert [row.key for row in rows.marked] == keys[1:]
    rows.unmark_all()
    assert rows.marked == []


def test_the_tree_groups_by_host_in_the_order_of_the_rows() -> None:
    rows = model()
    items = grow(rows.visible(), {"@hpc.uni"})
    branches = [item for item in items if isinstance(item, Branch)]
    assert [branch.host for branch in branches] == [
        "bastion.lab", "edge-3", "hpc.uni", "cloud.usa2", "office",
    ]  # fmt: skip
    assert [(branch.up, len(branch.rows)) for branch in branches[:2]] == [(1, 2), (1, 2)]
    assert len(items) == 5 + 9 - 2, "what is folded is not shown"
    guides = [item.guide for item in items[1:3] if not isinstance(item, Branch)]
    assert guides == ["middle", "last"]


def test_a_broken_host() -> None:
    rows = RowModel()
    dead = TunnelStatus(spec("a"), State.DEAD, reason=REFUSED)
    waits = TunnelStatus(spec("b"), State.STARTING, reason=REFUSED)
    rows.update([dead, waits], 0)
    branch = grow(rows.visible(), ())[0]
    assert isinstance(branch, Branch)
    assert branch.broken
    assert branch.trouble() == ("connection refused", 2, 2)


async def test_the_filter_holds_while_rows_change(engine: FakeEngine) -> None:
    async with opened(engine) as (app, pilot):
        await pilot.press("slash", *"state:dead", "enter")
        await until(pilot, lambda: len(shown(app)) == 1)
        engine.become("grafana", State.DEAD, reason=REFUSED)
        await until(pilot, lambda: len(shown(app)) == 2, "one more that matches")
        engine.become("db-replica", State.RUNNING, reason=None)
        await until(pilot, lambda: "grafana" in shown(app)[0] and len(shown(app)) == 1)
        assert line_with(app, "1 of 9")


async def test_a_filter_without_matches_says_how_to_get_out(engine: FakeEngine) -> None:
    async with opened(engine) as (app, pilot):
        await pilot.press("slash", *"nowhere", "enter")
        await until(pilot, lambda: line_with(app, "nothing matches", "esc"))
        await pilot.press("s", "x", "space", "t", "exclamation_mark", "enter")
        assert engine.calls == []
        await pilot.press("escape")
        await until(pilot, lambda: len(shown(app)) == 9)


async def test_keys_act_on_the_marked_ones(engine: FakeEngine) -> None:
    async with opened(engine) as (app, pilot):
        await pilot.press("slash", *"state:run", "enter", "space", "space")
        await until(pilot, lambda: line_with(app, "2 marked", "x stop"))
        assert line_with(app, "+● RUNNING", "done-hub")
        await pilot.press("x")
        await until(pilot, lambda: isinstance(app.screen, Confirm), "asks")
        assert line_with(app, "Stop 2 tunnels?")
        assert line_with(app, "  grafana")
        await pilot.press("y")
        keys = [engine.statuses[0].spec.hash, engine.statuses[1].spec.hash]
        await until(pilot, lambda: ("stop_all", keys) in engine.calls)
        await pilot.press("escape")
        await until(pilot, lambda: not line_with(app, "marked"))
        assert len(shown(app)) == 4, "the filter is another escape away"


async def test_start_leaves_out_the_marked_that_are_up(engine: FakeEngine) -> None:
    async with opened(engine) as (app, pilot):
        await pilot.press("asterisk")
        await until(pilot, lambda: line_with(app, "9 marked"))
        await pilot.press("s")
        await until(pilot, lambda: engine.calls)
        assert engine.calls == [("start_all", "db-replica", "printer")]
        await pilot.press("asterisk")
        await until(pilot, lambda: not line_with(app, "marked"))


async def test_what_none_of_the_marked_can_do_says_why(engine: FakeEngine) -> None:
    async with opened(engine) as (app, pilot):
        await pilot.press("slash", *"state:run", "enter", "space", "space", "s")
        await until(pilot, lambda: any("running already" in note for note in notes(app)))
        assert engine.calls == []


async def test_marks_and_cursor_stay_while_rows_move(engine: FakeEngine) -> None:
    async with opened(engine) as (app, pilot):
        await pilot.press("j", "space")
        for name in ("share-blog", "grafana", "git-mirror"):
            engine.become(name, State.DEAD, reason=KEY_CHANGED)
        await until(pilot, lambda: "✗ 4" in text_of(app)[0])
        assert line_with(app, " +◐ STARTING", "metrics")
        assert line_with(app, "▌", "hpc-login", "⇒")


async def test_the_tree_says_how_many_are_up(engine: FakeEngine) -> None:
    async with opened(engine) as (app, pilot):
        await pilot.press("t")
        line = line_with(app, "1 of 2 up", "bastion.lab")
        assert "✗ 1" in line
        assert "host key changed" in line
        assert line_with(app, "├ db-replica", "⇒")
        assert line_with(app, "▌", "db-replica"), "the cursor stays on its tunnel"
        engine.become("git-mirror", State.DEAD, reason=KEY_CHANGED)
        await until(pilot, lambda: line_with(app, "0 of 2 up", "bastion.lab", "all 2"))


async def test_folding(engine: FakeEngine) -> None:
    async with opened(engine) as (app, pilot):
        await pilot.press("t", "left")
        await until(pilot, lambda: not line_with(app, "db-replica", "⇒"))
        assert line_with(app, "▌", "▸ 1 of 2 up", "bastion.lab")
        await pilot.press("right")
        await until(pilot, lambda: line_with(app, "db-replica", "⇒"))
        await pilot.press("enter")
        await until(pilot, lambda: not line_with(app, "db-replica", "⇒"))
        await pilot.press("exclamation_mark")
        await until(pilot, lambda: line_with(app, "▌", "db-replica"), "what is folded is found")


async def test_a_host_is_acted_on_as_one(engine: FakeEngine) -> None:
    async with opened(engine) as (app, pilot):
        await pilot.press("t", "k")
        await until(pilot, lambda: line_with(app, "all 2", "s start"))
        await pilot.press("s")
        await until(pilot, lambda: engine.calls == [("start_all", "db-replica")])
        await pilot.press("space")
        await until(pilot, lambda: line_with(app, "2 marked"))


async def test_the_worst_first_then_the_next(engine: FakeEngine) -> None:
    def selected() -> str:
        row = main_of(app).selected
        return row.status.spec.name if row else ""

    async with opened(engine) as (app, pilot):
        await pilot.press("G", "exclamation_mark")
        assert selected() == "db-replica"
        await pilot.press("exclamation_mark")
        assert selected() == "metrics"
        await pilot.press("exclamation_mark")
        assert selected() == "db-replica"
        engine.statuses = [s._replace(state=State.STOPPED, reason=None) for s in engine.statuses]
        engine.publish()
        await until(pilot, lambda: "○ 9" in text_of(app)[0])
        await pilot.press("exclamation_mark")
        assert any("no tunnel is in trouble" in note for note in notes(app))


@pytest.mark.parametrize("size", [(20, 5), (60, 16), (80, 24), (250, 70)])
async def test_the_tree_at_every_size(engine: FakeEngine, size: tuple[int, int]) -> None:
    async with opened(engine, size) as (app, pilot):
        await pilot.press("t", "left", "right", "space", "escape", "G", "g", "enter")
        width = size[0]
        assert all(len(line) <= width for line in text_of(app))
