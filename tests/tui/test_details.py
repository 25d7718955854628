"""The details: ladder, history, configuration, the key that has changed."""

import time

import pytest

from tests.tui.fake import KEY_CHANGED, FakeEngine, make_settings, showcase, spec
from tests.tui.support import line_with, main_of, notes, opened, text_of, until
from tunnel_tui.errors import TunnelTuiError
from tunnel_tui.model import DirectionMode, Layer, Reason, ReasonCode, State, Traffic, TunnelStatus
from tunnel_tui.ssh.host_keys import ChangedKey, forget_key
from tunnel_tui.state.history import Record, Summary
from tunnel_tui.supervise.info.tunnel_details import TunnelDetails, config_lines
from tunnel_tui.tui.details.details_text import climb, reach
from tunnel_tui.tui.details.host_key import AcceptKey
from tunnel_tui.tui.format.glyphs import UNICODE
from tunnel_tui.tui.table.rows import PAST, RowModel

NOW = 1_800_000_000.0
KEY = ChangedKey(
    "[bastion.lab]:2222", "ED25519", "SHA256:old", "SHA256:new", "/data/known_hosts", 3, True
)
LAYERS = [
    Layer("process", False, "pid 200, gone"),
    Layer("authenticated", False),
    Layer("forward confirmed", False, "-L"),
    Layer("round trip", None),
]


def dead(code: ReasonCode) -> TunnelStatus:
    return TunnelStatus(spec("t"), State.DEAD, reason=Reason(code, "why", "do this"))


@pytest.mark.parametrize(
    ("code", "glyphs"),
    [
        (ReasonCode.HOST_KEY_CHANGED, "○✗··"),
        (ReasonCode.LOCAL_PORT_BUSY, "○○✗·"),
        (ReasonCode.KILLED, "✗···"),
    ],
)
def test_the_broken_rung_is_the_one_of_the_reason(code: ReasonCode, glyphs: str) -> None:
    rungs = climb(LAYERS, dead(code), UNICODE)
    assert "".join(rung.glyph for rung in rungs) == glyphs
    assert [rung.advice for rung in rungs if rung.advice] == ["do this"]
    assert rungs[glyphs.index("✗")].advice


def test_a_running_tunnel_may_have_a_dead_service_behind_it() -> None:
    layers = [Layer("process", True), Layer("far service", False, "refused")]
    rungs = climb(layers, TunnelStatus(spec("t"), State.RUNNING), UNICODE)
    assert [rung.glyph for rung in rungs] == ["✓", "✗"]
    assert rungs[1].detail == "refused"


def test_a_stopped_tunnel_has_no_broken_rung() -> None:
    rungs = climb(LAYERS, TunnelStatus(spec("t"), State.STOPPED), UNICODE)
    assert "✗" not in "".join(rung.glyph for rung in rungs)


def test_who_can_reach_it() -> None:
    mode = DirectionMode.DEFAULT
    assert reach(TunnelStatus(spec("a"), State.RUNNING), mode) == "only programs on this machine"
    wide = TunnelStatus(spec("a", local="0.0.0.0:80"), State.RUNNING)
    assert reach(wide, mode) == "everybody who reaches this machine"


def test_the_lines_of_one_tunnel(tmp_path) -> None:  # type: ignore[no-untyped-def]
    file = tmp_path / "c.yaml"
    file.write_text(
        "tunnels:\n  # first\n  - name: a\n    remote_port: 1\n\n    # why\n    local_port: 2\n"
        "  # second\n  - name: b\n    remote_port: 3\n\n\nother: 1\n"
    )
    assert [number for number, _ in config_lines(str(file), 3)] == [3, 4, 5, 6, 7]
    assert [text.strip() for _, text in config_lines(str(file), 9)] == [
        "- name: b",
        "remote_port: 3",
    ]
    assert config_lines(str(file), 99) == config_lines(str(file), 0) == ()
    assert config_lines(str(tmp_path / "none"), 1) == ()


def test_only_our_own_file_is_changed(tmp_path) -> None:  # type: ignore[no-untyped-def]
    settings = make_settings(str(tmp_path))
    (tmp_path / "data").mkdir()
    line = (
        "bastion ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIMbHPnKTgSnRgKYyRhTr1TwCI8WfdRpy9gcaRm/c3u+e\n"
    )
    other = tmp_path / "mine"
    other.write_text(line)
    key = ChangedKey("bastion", "", "", "", str(other), 1, True)
    with pytest.raises(TunnelTuiError, match="forget"):
        forget_key(settings, key)
    assert other.read_text() == line
    with open(settings.known_hosts_file, "w") as file:
        file.write(line + line.replace("bastion", "edge"))
    forget_key(settings, key._replace(file=settings.known_hosts_file))
    with open(settings.known_hosts_file) as file:
        assert file.read() == line.replace("bastion", "edge")


def test_the_past_is_bounded_and_of_one_connection() -> None:
    rows = RowModel()
    for second in range(300):
        traffic = Traffic(0.01, second * 10, second * 100)
        rows.update([TunnelStatus(spec("a"), State.RUNNING, ssh_pid=1, traffic=traffic)], second)
    past = rows.past(spec("a").hash)
    assert len(past.received) == len(past.sent) == len(past.round_trip) == PAST
    assert past.received[-1] == 100
    rows.update([TunnelStatus(spec("a"), State.DEAD)], 301)
    assert rows.past(spec("a").hash).received == ()


def engine_with(more: TunnelDetails) -> FakeEngine:
    engine = FakeEngine(showcase(NOW))
    engine.more["db-replica"] = more
    return engine


async def test_history_and_configuration_are_shown() -> None:
    now = time.time()
    record = Record(now - 60, "h", "db-replica", "DEAD", 7, "refused", "connection [refused]")
    more = TunnelDetails(
        ((41, "  - name: db-replica"), (42, "    remote_port: 5432")),
        (record, record._replace(time=now - 90, state="RUNNING", text="")),
        Summary(0.984, 2, record),
    )
    async with opened(engine_with(more)) as (app, pilot):
        await pilot.press("d", "z")
        await until(pilot, lambda: line_with(app, "config.yaml:41"))
        assert line_with(app, "42    remote_port: 5432")
        assert line_with(app, "✗ DEAD", "connection [refused]")
        assert line_with(app, "up 98.4 %", "came back 2 times", "last failure 1m ago")


async def test_a_changed_key_is_accepted_only_by_its_name() -> None:
    engine = engine_with(TunnelDetails(key=KEY))
    async with opened(engine) as (app, pilot):
        await pilot.press("K")
        await until(pilot, lambda: line_with(app, "known key", "SHA256:old"))
        assert line_with(app, "new key", "SHA256:new")
        await pilot.press("K")
        await until(pilot, lambda: isinstance(app.screen, AcceptKey))
        await pilot.press("y", "enter")
        assert isinstance(app.screen, AcceptKey)
        await pilot.press("escape")
        assert engine.calls == []
        await pilot.press("K", *"[bastion.lab]:2222", "enter")
        await until(pilot, lambda: ("start_all", "db-replica") in engine.calls)
        assert engine.calls[0] == ("forget_key", "[bastion.lab]:2222")


async def test_a_jump_hosts_key_is_named_as_such() -> None:
    async with opened(engine_with(TunnelDetails(key=KEY._replace(hop=True)))) as (app, pilot):
        await pilot.press("K")
        await until(pilot, lambda: line_with(app, "accept", "jump host [bastion.lab]:2222: K"))
        await pilot.press("K")
        await until(pilot, lambda: line_with(app, "key of the jump host [bastion.lab]:2222?"))


async def test_a_key_in_the_persons_own_file_is_left_to_them() -> None:
    engine = engine_with(TunnelDetails(key=KEY._replace(ours=False, file="/home/me/known_hosts")))
    async with opened(engine) as (app, pilot):
        await pilot.press("K")
        await until(pilot, lambda: line_with(app, "ssh-keygen -R '[bastion.lab]:2222'"))
        await pilot.press("K")
        await until(pilot, lambda: any("which is yours" in note for note in notes(app)))
        assert not isinstance(app.screen, AcceptKey)


async def test_traffic_is_drawn() -> None:
    engine = FakeEngine(showcase(NOW))
    async with opened(engine) as (app, pilot):
        main_of(app).table.select(engine.statuses[0].spec.hash)
        await pilot.press("d")
        for second in range(6):
            first = engine.statuses[0]
            traffic = Traffic(0.04, 4_000_000, 910_000_000 + second * 1_000_000)
            engine.statuses[0] = first._replace(traffic=traffic)
            engine.publish(at=NOW + second)
            await pilot.pause()
        await until(pilot, lambda: line_with(app, "↓/s", "█", "peak 1.0 MB/s"))
        assert line_with(app, "round trip", "peak 40 ms")


@pytest.mark.parametrize("size", [(20, 5), (60, 16), (80, 24), (250, 70)])
async def test_details_at_every_size(size: tuple[int, int]) -> None:
    async with opened(engine_with(TunnelDetails(key=KEY)), size) as (app, pilot):
        await pilot.press("d", "z")
        assert KEY_CHANGED.text
        assert len(text_of(app)) == size[1]
