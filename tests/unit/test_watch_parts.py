"""The watcher's smaller parts: what it says, when it reads, how it notices jumps and routes."""

import os
import shlex
import struct
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.tunnels import as_yaml, make_spec
from tests.support.waiting import wait_until
from tunnel_tui.config.plan import Plan
from tunnel_tui.errors import StateFileError
from tunnel_tui.model import DirectionMode, Outcome, Reason, ReasonCode, State, TunnelStatus
from tunnel_tui.settings import load_settings
from tunnel_tui.state.history import History, Record
from tunnel_tui.supervise.monitor.config_file import ConfigFile, trace
from tunnel_tui.supervise.monitor.snapshot import Snapshot
from tunnel_tui.supervise.monitor.stable_read import EMPTY_QUIET, QUIET, is_other, read_settled
from tunnel_tui.supervise.process import stop_requests
from tunnel_tui.supervise.watch import reconcile as force_module
from tunnel_tui.supervise.watch.event_log import LONGEST, DescriptorSink, EventLog, quote
from tunnel_tui.supervise.watch.event_reporter import EventReporter
from tunnel_tui.supervise.watch.reconcile import Reconciler
from tunnel_tui.supervise.watch.retry import RetryPolicy
from tunnel_tui.supervise.watch.start_queue import Job, StartQueue
from tunnel_tui.supervise.watch.wakeup import REST, SETTLE, Wakeup
from tunnel_tui.system.clock_jumps import Jumps
from tunnel_tui.system.network_changes import Routes, _is_news

NAMES = [
    "plain",
    "two words",
    'quo"te',
    "back\\slash",
    "a=b",
    "line\nfeed",
    "\x1b[31m",
    "隧道 🚇",
    "",
    "%s",
]


@pytest.mark.parametrize("name", NAMES)
def test_every_name_stays_one_word_of_one_line(name: str) -> None:
    lines: list[str] = []
    EventLog(lines.append, lambda: 0.0).info("started", make_spec(1, 2, name=name), pid=7)
    (line,) = lines
    assert "\n" not in line
    assert "\x1b" not in line
    words = shlex.split(line)
    assert words[1:3] == ["level=info", "event=started"]
    assert words[-1] == "pid=7"
    shown = name.replace("\n", "^J").replace("\x1b", "^[")
    assert words[3] == f"tunnel={shown}"


def test_values_are_left_out_or_shortened() -> None:
    lines: list[str] = []
    EventLog(lines.append).error("dead", reason="", pid=None, detail="x" * 5000)
    assert "reason=" not in lines[0]
    assert "pid=" not in lines[0]
    assert len(lines[0]) < 700
    assert quote("") == '""'


def test_a_stalled_reader_costs_lines_and_not_the_watch() -> None:
    reader, writer = os.pipe()
    os.set_blocking(reader, False)
    sink = DescriptorSink(writer)
    line = "x" * (LONGEST - 1)
    for _ in range(100):
        sink(line)
    assert sink.dropped > 0
    while True:
        try:
            os.read(reader, 1 << 16)
        except BlockingIOError:
            break
    sink("again")
    assert os.read(reader, 1 << 16).decode().splitlines()[-1] == "again"
    assert sink.dropped == 0
    os.close(reader)
    sink("nobody")
    os.close(writer)
    sink("closed")


class Clock:
    """Time that passes only in pauses, and things that happen at moments of it."""

    def __init__(self) -> None:
        self.now = 0.0
        self.plan: list[tuple[float, Callable[[], object]]] = []

    def pause(self, seconds: float) -> bool:
        self.now += seconds
        while self.plan and self.plan[0][0] <= self.now:
            self.plan.pop(0)[1]()
        return self.now < 60


def settled(path: Path, clock: Clock, had_tunnels: bool = True) -> object:
    config = read_settled(
        str(path), DirectionMode.DEFAULT, clock.pause, lambda: clock.now, had_tunnels=had_tunnels
    )
    return config and (config.valid, [spec.name for spec in config.tunnels])


def test_a_file_is_read_until_it_rests(tmp_path: Path) -> None:
    path, clock = tmp_path / "c.yaml", Clock()
    path.write_text("tunnels: [")
    for number in range(10):
        text = as_yaml(make_spec(1, 2, name=f"t{number}"))
        clock.plan.append((number * QUIET + 0.01, lambda text=text: path.write_text(text)))
    assert settled(path, clock) == (True, ["t9"])


def test_a_file_that_never_rests_is_taken_as_it_is(tmp_path: Path) -> None:
    path, clock = tmp_path / "c.yaml", Clock()
    path.write_text(as_yaml())
    for number in range(1000):
        text = as_yaml(make_spec(1, 2, name=f"t{number}"))
        clock.plan.append((number * QUIET / 2, lambda text=text: path.write_text(text)))
    valid, names = settled(path, clock)  # type: ignore[misc]
    assert valid
    assert names != ["t999"]


def test_an_empty_file_is_read_longer_where_it_would_stop_everything(tmp_path: Path) -> None:
    path, clock = tmp_path / "c.yaml", Clock()
    path.write_text("")
    clock.plan.append((1.0, lambda: path.write_text(as_yaml(make_spec(1, 2)))))
    assert settled(path, clock) == (True, ["web"])
    clock = Clock()
    path.write_text("")
    assert settled(path, clock) == (True, [])
    assert clock.now >= EMPTY_QUIET
    clock = Clock()
    assert settled(path, clock, had_tunnels=False) == (True, [])
    assert clock.now < 2 * QUIET


def test_reading_ends_when_the_watch_ends(tmp_path: Path) -> None:
    config = read_settled(
        str(tmp_path / "c"), DirectionMode.DEFAULT, lambda _: False, lambda: 0.0, had_tunnels=False
    )
    assert config is None


def test_another_content_is_another_file(tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    path.write_text(as_yaml())
    clock = Clock()
    config = read_settled(
        str(path), DirectionMode.DEFAULT, clock.pause, lambda: clock.now, had_tunnels=False
    )
    assert config
    assert not is_other(config, str(path))
    os.utime(path)
    assert not is_other(config, str(path))
    path.write_text(as_yaml(make_spec(1, 2)))
    assert is_other(config, str(path))
    path.unlink()
    assert is_other(config, str(path))


def test_every_link_on_the_way_is_watched(tmp_path: Path) -> None:
    volume = tmp_path / "volume"
    (volume / "..1").mkdir(parents=True)
    (volume / "..1" / "config.yaml").write_text(as_yaml())
    (volume / "..data").symlink_to("..1")
    (volume / "config.yaml").symlink_to("..data/config.yaml")
    (tmp_path / "etc").symlink_to(volume)
    found = trace(str(tmp_path / "etc" / "config.yaml"))
    wanted = ["etc", "volume/config.yaml", "volume/..data", "volume/..1/config.yaml"]
    assert found == [str(tmp_path / name) for name in wanted]
    path = str(volume / "config.yaml")
    configuration = ConfigFile(load_settings({"HOME": str(tmp_path)}, path))
    assert configuration.concerns(str(volume / "..data"))
    assert not configuration.concerns(str(volume / "else"))
    (tmp_path / "loop").symlink_to("loop")
    assert trace(str(tmp_path / "loop" / "x"))


def test_jumps_of_the_clocks() -> None:
    clocks = {"steady": 100.0, "boot": 500.0, "wall": 1e9}
    jumps = Jumps(*(lambda name=name: clocks[name] for name in clocks))  # type: ignore[misc]

    def passes(**seconds: float) -> float:
        for name, more in seconds.items():
            clocks[name] += more
        return jumps.jumped()

    assert passes(steady=5, boot=5, wall=5) == 0
    assert passes(steady=5, boot=5.5, wall=7) == 0
    assert passes(steady=1, boot=3601, wall=3601) == pytest.approx(3600)
    assert passes(steady=1, boot=1, wall=1) == 0
    assert passes(steady=1, boot=1, wall=301) == pytest.approx(300)  # paused from outside
    assert passes(steady=1, boot=1, wall=-3600) == pytest.approx(-3601)
    assert Jumps().jumped() == 0


def test_only_what_is_new_in_the_network_counts() -> None:
    def message(kind: int) -> bytes:
        return struct.pack("=IHHII", 20, kind, 0, 0, 0) + b"\0\0\0\0"

    assert _is_news(message(24))
    assert _is_news(message(25) + message(20))
    assert not _is_news(message(25) + message(21))
    assert not _is_news(b"")
    assert not _is_news(struct.pack("=IHHII", 0, 25, 0, 0, 0))


def test_without_netlink_nothing_is_announced() -> None:
    routes = Routes()
    assert routes.appeared() is False
    routes.close()
    assert (routes.descriptor, routes.appeared()) == (-1, False)


def test_a_server_that_is_away_for_a_day_does_not_fill_the_journal(tmp_path: Path) -> None:
    history = History(str(tmp_path / "history.jsonl"))
    for number in range(50):
        history.append(Record(number, "a" * 32, "t", "DEAD", number + 2, "refused", "no"))
    history.append(Record(60, "a" * 32, "t", "DEAD", 99, "timed-out", "no"))
    assert [record.reason for record in history.read()] == ["refused", "timed-out"]


def test_news_are_told_once() -> None:
    lines: list[str] = []
    reviver = RetryPolicy(lambda: 0.0)
    story = EventReporter(EventLog(lines.append), reviver)
    spec = make_spec(1, 2)
    config = ConfigFile(load_settings({"HOME": "/nonexistent"})).good

    def tell(state: State, code: ReasonCode | None = None, detail: str = "") -> list[str]:
        lines.clear()
        reason = Reason(code, "because", "do something", "ssh said so") if code else None
        status = TunnelStatus(spec, state, detail=detail, reason=reason, pid=7)
        reviver.see([status])
        story.tell(Snapshot((status,), config, None, (), None, "", 0.0))
        return [shlex.split(line)[2] for line in lines]

    assert tell(State.STOPPED) == []
    assert tell(State.STARTING) == []
    assert tell(State.DEAD, ReasonCode.REFUSED) == ["event=dead"]
    for _ in range(3):
        assert tell(State.STARTING) == []
        assert tell(State.DEAD, ReasonCode.REFUSED) == []
    assert tell(State.DEAD, ReasonCode.KILLED) == ["event=dead"]
    assert tell(State.DEAD, ReasonCode.PERMISSION_DENIED) == ["event=dead"]
    assert shlex.split(lines[0])[-1] == "then=waits for a person"
    assert tell(State.RUNNING) == ["event=running"]
    assert tell(State.RUNNING) == []
    assert tell(State.STARTING, ReasonCode.REFUSED, "waiting") == ["event=not-connected"]
    assert tell(State.STARTING, detail="stopping") == []
    assert tell(State.STOPPED) == ["event=at-rest"]
    lines.clear()
    for _ in range(2):
        story.tell_start(spec, Outcome(spec.hash, spec.name, False, "failed", "port in use"))
    assert len(lines) == 1


def test_the_network_is_given_time_to_settle_and_not_asked_all_day(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now, jump = [1000.0], [3600.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    monkeypatch.setattr(Jumps, "jumped", lambda _: jump[0])
    alarm = Wakeup()
    try:
        alarm.wait(now[0])
        assert alarm.network_news() == ""
        now[0] += SETTLE
        assert "3600 s" in alarm.network_news()
        assert alarm.network_news() == ""
        alarm.wait(now[0])  # once more, at once
        now[0] += SETTLE
        assert alarm.network_news() == ""
        now[0] += REST
        assert alarm.network_news()
    finally:
        alarm.close()


def test_a_wake_up_from_elsewhere_ends_the_wait() -> None:
    alarm = Wakeup()
    try:
        threading.Timer(0.05, alarm.wake).start()
        began = time.monotonic()
        alarm.wait(began + 4)
        assert time.monotonic() - began < 3
    finally:
        alarm.close()


def test_a_configuration_that_cannot_be_applied_is_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = load_settings({"HOME": str(tmp_path)}, str(tmp_path / "config.yaml"))
    settings = settings._replace(state_file=str(tmp_path / "state"))
    (tmp_path / "config.yaml").write_text(as_yaml())
    full = [True]

    def plan_changes(*_: object) -> Plan:
        if full[0]:
            raise StateFileError("the state file cannot be written", "no space left")
        return Plan()

    monkeypatch.setattr(force_module, "plan_changes", plan_changes)
    lines: list[str] = []
    starter = StartQueue(settings, lambda job, outcome: None)
    log = EventLog(lines.append)
    force = Reconciler(settings, log, starter, RetryPolicy(time.monotonic), lambda _: True)
    force.demand_all()
    for _ in range(2):
        force.enforce()
        assert force.retry_at
        force.retry_at = 0.0
    assert [shlex.split(line)[2] for line in lines] == ["event=config-not-applied"]
    full[0] = False
    force.enforce()
    assert force.retry_at is None
    assert any("event=config " in line for line in lines)


def test_a_stop_overtakes_a_start_in_the_queue(tmp_path: Path) -> None:
    settings = load_settings({"HOME": str(tmp_path)}, str(tmp_path / "config.yaml"))
    settings = settings._replace(state_file=str(tmp_path / "state"))
    said: list[tuple[str, str]] = []
    starter = StartQueue(
        settings, lambda job, outcome: said.append((outcome.name, outcome.message))
    )
    first, second = (make_spec(1, 2, name=name, host="-no-host") for name in ("first", "second"))
    assert starter.pause(0)
    starter.start()
    starter.put([Job(first), Job(second)])
    stop_requests.note_stop([first.hash, second.hash])
    starter.put([Job(second)])
    starter.resume()
    wait_until(lambda: len(said) == 2, what="both are done")
    starter.stop(5)
    assert said[0] == ("first", "it was stopped meanwhile")
    assert said[1][0] == "second"
    assert "remote_host would be read as an option" in said[1][1]
