"""Rows, columns, log buffer, inbox, abilities, notices: what the screen rests on."""

import pytest

from tests.tui.fake import FakeEngine, showcase, spec
from tunnel_tui.config.config import Config
from tunnel_tui.config.plan import Plan
from tunnel_tui.model import Problem, State, Traffic, TunnelEntry, TunnelStatus
from tunnel_tui.supervise.monitor.monitor import Change
from tunnel_tui.tui.engine.snapshot_inbox import Inbox, RateLimit
from tunnel_tui.tui.format.glyphs import ASCII, UNICODE
from tunnel_tui.tui.format.line import spans_width
from tunnel_tui.tui.format.text import Ends, width_of
from tunnel_tui.tui.keys.availability import why_not
from tunnel_tui.tui.log.buffer import LogBuffer, is_failure, wrap
from tunnel_tui.tui.shell.header_notice import choose_notice, plan_summary
from tunnel_tui.tui.table.columns import BADGE, GUTTER, plan_columns, wanted_widths
from tunnel_tui.tui.table.row_line import draw_heads, draw_row
from tunnel_tui.tui.table.rows import Order, Row, RowModel, next_order


def model() -> RowModel:
    rows = RowModel()
    rows.update(showcase(1000.0), 1000.0)
    return rows


def names(rows: RowModel) -> list[str]:
    return [row.status.spec.name for row in rows.visible()]


def test_worst_first_and_the_file_decides_among_equals() -> None:
    assert names(model()) == [
        "db-replica", "metrics", "hpc-login", "hpc-jupyter",
        "done-hub", "grafana", "git-mirror", "share-blog", "printer",
    ]  # fmt: skip


def test_other_orders() -> None:
    rows = model()
    rows.order = Order.NAME
    assert names(rows) == sorted(names(rows))
    rows.order = Order.HOST
    assert names(rows)[:2] == ["db-replica", "git-mirror"]
    rows.order = Order.FILE
    assert names(rows)[0] == "done-hub"
    assert next_order(Order.FILE) is Order.STATE


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("grafana", ["grafana"]),
        ("EDGE-3", ["metrics", "grafana"]),
        ("edge-3 9090", ["metrics"]),
        ("dead", ["db-replica"]),
        ("host key", ["db-replica"]),
        ("nothing like it", []),
    ],
)
def test_filter(words: str, found: list[str]) -> None:
    rows = model()
    rows.filter = words
    assert names(rows) == found


def test_rates_come_from_two_samples_of_one_connection() -> None:
    rows = RowModel()
    tunnel = TunnelStatus(spec("a"), State.RUNNING, ssh_pid=7, traffic=Traffic(0.1, 0, 1000))
    rows.update([tunnel], 100.0)
    assert rows.visible()[0].rate is None
    rows.update([tunnel._replace(traffic=Traffic(0.1, 500, 5000))], 102.0)
    rate = rows.visible()[0].rate
    assert rate is not None
    assert (rate.received, rate.sent) == (2000, 250)
    rows.update([tunnel._replace(traffic=Traffic(0.1, 600, 5000))], 102.1)
    assert rows.visible()[0].rate == rate, "too soon to tell"
    rows.update([tunnel._replace(ssh_pid=8, traffic=Traffic(0.1, 10, 10))], 104.0)
    assert rows.visible()[0].rate is None, "another connection"


def test_one_hash_one_row() -> None:
    rows = RowModel()
    status = TunnelStatus(spec("a"), State.STOPPED)
    rows.update([status, status], 0)
    assert len(rows) == 1


def test_busy_stays_over_updates() -> None:
    rows = model()
    key = rows.visible()[0].key
    rows.set_busy(key, "stopping")
    rows.update(showcase(1001.0), 1001.0)
    assert rows.get(key).busy == "stopping"  # type: ignore[union-attr]
    rows.set_busy(key, "")
    assert rows.get(key).busy == ""  # type: ignore[union-attr]


@pytest.mark.parametrize("glyphs", [UNICODE, ASCII])
@pytest.mark.parametrize("width", [20, 40, 47, 51, 52, 59, 71, 72, 79, 99, 100, 139, 167, 199, 300])
def test_every_row_fits_every_width(width: int, glyphs: object) -> None:
    statuses = showcase(1000.0)
    statuses.append(
        TunnelStatus(spec("隧道🚇" * 9, "u@" + "h" * 60, "1" * 5, "a" * 70 + ":22"), State.DEAD)
    )
    both = Ends("localhost:5432", "a-host-with-a-long-name.example:33000", True)
    wanted = wanted_widths(
        (s.spec.name for s in statuses), [both] * 9, (s.spec.remote_host for s in statuses)
    )
    columns = plan_columns(width, wanted, glyphs)  # type: ignore[arg-type]
    heads = spans_width(draw_heads(columns, glyphs))  # type: ignore[arg-type]
    for status in statuses:
        row = Row(status)
        spans = draw_row(row, both, columns, glyphs, 1000.0, chosen=False)  # type: ignore[arg-type]
        assert spans_width(spans) <= max(width, GUTTER + BADGE + 30)
        if width >= 52:
            assert spans_width(spans) <= width
    if width >= 52:
        assert heads == width


def test_widths_do_not_depend_on_what_happens() -> None:
    specs = [status.spec for status in showcase(0)]
    wanted = wanted_widths((s.name for s in specs), (), (s.remote_host for s in specs))
    columns = plan_columns(139, wanted, UNICODE)
    both = Ends("localhost:1", "x:2", True)
    starts = set()
    for status in showcase(0):
        spans = draw_row(Row(status), both, columns, UNICODE, 0.0, chosen=False)
        arrow = next(i for i, span in enumerate(spans) if "⇒" in span.text)
        starts.add(spans_width(spans[:arrow]))
    assert len(starts) == 1


def test_log_buffer_is_bounded_and_says_what_it_dropped() -> None:
    buffer = LogBuffer(100)
    dropped = sum(
        buffer.append([f"line {n}" for n in range(start, start + 50)])
        for start in range(0, 500, 50)
    )
    assert len(buffer.lines) <= 120
    assert dropped + buffer.height == 500
    assert buffer.row(buffer.height - 1)[0].text == "line 499"


def test_a_flood_larger_than_the_buffer_keeps_its_end() -> None:
    buffer = LogBuffer(100)
    buffer.append([str(n) for n in range(100_000)])
    assert buffer.row(buffer.height - 1)[0].text == "99999"


def test_wrapping_loses_nothing() -> None:
    text = "Host key for bastion.lab has changed and you have requested strict checking."
    for width in (10, 17, 30, 75, 76, 100):
        pieces = wrap(text, width)
        assert all(width_of(piece) <= width for piece in pieces)
        assert "".join(pieces).replace(" ", "") == text.replace(" ", "")
    assert all(width_of(piece) <= 10 for piece in wrap("隧道" * 30, 10))


def test_wrapped_rows_address_lines() -> None:
    buffer = LogBuffer()
    buffer.append(["short", "x" * 95, "end"])
    assert buffer.height == 3
    buffer.set_width(30)
    assert buffer.height == 6
    assert buffer.row_of(buffer.row(5)[0]) == 5
    buffer.set_width(0)
    assert buffer.height == 3


def test_failures_are_found_in_both_directions() -> None:
    buffer = LogBuffer()
    buffer.append(["fine", "Permission denied (publickey).", "fine", "Connection refused", "fine"])
    assert buffer.find(0, 1, is_failure) == 1
    assert buffer.find(1, 1, is_failure) == 3
    assert buffer.find(3, 1, is_failure) is None
    assert buffer.find(4, -1, is_failure) == 3


def test_a_very_long_line_is_shortened() -> None:
    buffer = LogBuffer()
    buffer.append(["x" * 1_000_000])
    assert len(buffer.row(0)[0].text) < 5000
    assert "more characters" in buffer.row(0)[0].text


def test_inbox_keeps_the_newest_snapshot_and_every_change() -> None:
    engine = FakeEngine(showcase(0))
    inbox, called = Inbox(), []
    inbox.listen(lambda: called.append(1))
    up = Change("a" * 32, "a", State.STARTING, State.RUNNING, None)
    down = up._replace(before=State.RUNNING, after=State.STARTING)
    first, second = engine.snapshot([up]), engine.snapshot([down])
    inbox.put(first)
    inbox.put(second)
    assert called == [1], "one announcement until it is taken"
    delivery = inbox.take()
    assert delivery is not None
    assert delivery.snapshot is second
    assert delivery.changes == (up, down)
    assert inbox.take() is None
    inbox.put(first)
    assert called == [1, 1]
    assert not inbox.urgent
    inbox.put(engine.snapshot([down._replace(after=State.DEAD)]))
    assert inbox.urgent
    assert called == [1, 1, 1], "a death does not wait for the next picture"


def test_a_listener_that_comes_late_hears_of_what_lies_there() -> None:
    inbox, called = Inbox(), []
    inbox.put(FakeEngine().snapshot())
    inbox.listen(lambda: called.append(1))
    assert called == [1]


@pytest.mark.parametrize(
    ("name", "can", "cannot"),
    [
        ("grafana", {"stop", "restart", "copy"}, {"start"}),
        ("metrics", {"stop", "restart"}, {"start"}),
        ("db-replica", {"start", "stop", "restart"}, set()),
        ("printer", {"start", "restart"}, {"stop"}),
        ("hpc-login", {"copy"}, {"start", "stop", "restart"}),
    ],
)
def test_abilities(name: str, can: set[str], cannot: set[str]) -> None:
    row = next(row for row in model().rows if row.status.spec.name == name)
    assert {action for action in can if why_not(action, row)} == set()
    assert {action for action in cannot if not why_not(action, row)} == set()


def test_what_is_not_configured_can_only_be_stopped() -> None:
    row = Row(TunnelStatus(spec("old"), State.RUNNING, configured=False))
    assert not why_not("stop", row)
    assert "config" in why_not("restart", row)


def test_busy_rows_say_what_is_under_way() -> None:
    row = Row(TunnelStatus(spec("a"), State.RUNNING), busy="stopping")
    assert why_not("stop", row) == "still stopping"


def test_notices_the_worst_first() -> None:
    engine = FakeEngine(showcase(0))
    none: frozenset[str] = frozenset()
    assert choose_notice(engine.snapshot(), none, "·", "") is None
    hint = choose_notice(engine.snapshot(), none, "·", "try curl")
    assert hint is not None
    assert hint.text == "try curl"
    entry = TunnelEntry.of(spec("gone"), 5)
    engine.plan = Plan(start=(spec("a"), spec("b")), stop=(entry,))
    plan = choose_notice(engine.snapshot(), none, "·", "try curl")
    assert plan is not None
    assert plan.text == "config changed: start 2, stop 1 · p shows"
    ssh = choose_notice(engine.snapshot(), frozenset({"ssh", "autossh"}), "·", "")
    assert ssh is not None
    assert "ssh is not installed" in ssh.text
    problem = Problem("f", 12, "tunnels[0].remote_port", "not a port")
    engine.broken = Config("f", (), (problem,), "digest")
    broken = choose_notice(engine.snapshot(), frozenset({"ssh"}), "·", "")
    assert broken is not None
    assert "1 mistake, first in line 12" in broken.text


def test_plan_in_words() -> None:
    plan = Plan(start=(spec("a"),), stop=(TunnelEntry.of(spec("b"), 1),), keep=(spec("c"),))
    assert plan_summary(plan) == "start 1, stop 1"


def test_a_single_change_is_shown_at_once_and_a_stream_in_steps() -> None:
    pace = RateLimit()
    assert all(pace.wait(second * 1.0) == 0 for second in range(20))
    shown, now, due = 0, 100.0, 0.0
    while now < 110:
        if now >= due:
            wait = pace.wait(now)
            shown += wait == 0
            due = now + wait
        now += 0.05
    assert 38 <= shown <= 48
    assert pace.wait(120.0) == 0
