"""What a newcomer stumbled over: what toasts, footer and log say."""

from pathlib import Path

import pytest

from tests.tui.fake import KEY_CHANGED, REFUSED, FakeEngine, showcase, spec
from tests.tui.logins import LoginEngine, asking
from tests.tui.support import main_of, notes, opened, text_of, until
from tunnel_tui.errors import TunnelTuiError
from tunnel_tui.model import Outcome, Reason, State, TunnelStatus
from tunnel_tui.ssh.log.line_class import is_noise, strip_debug
from tunnel_tui.supervise.monitor.monitor import Change
from tunnel_tui.tui.config.plan import APPLY
from tunnel_tui.tui.log.reader import LogChange, LogReader
from tunnel_tui.tui.notify.death_toasts import Announcer
from tunnel_tui.tui.notify.toasts import list_failures, shorten
from tunnel_tui.tui.shell.footer_keys import KEYS, Place, keys_of_many, keys_of_row
from tunnel_tui.tui.shell.messages import BatchFinished
from tunnel_tui.tui.table.rows import Row

NOW = 1_800_000_000.0
ON_TABLE = Place(in_table=True, details=False, filtered=False, waiting=False)
NOISE = "debug1: packet.c:ssh_packet_read_poll_seqnr():1609 (pid=7): Received SSH2_MSG_IGNORE"


@pytest.fixture
def engine() -> FakeEngine:
    return FakeEngine(showcase(NOW))


def failed(*pairs: tuple[str, str]) -> list[Outcome]:
    return [Outcome(name, name, False, "failed", why, "do this") for name, why in pairs]


def died(name: str, reason: Reason, before: State = State.STARTING) -> Change:
    return Change(name, name, before, State.DEAD, reason)


class Kept:
    """An app that only keeps its toasts."""

    def __init__(self) -> None:
        self.titles: list[str] = []

    def notify(self, text: str, *, title: str, **_: object) -> None:
        del text
        self.titles.append(title)

    def clear_notifications(self) -> None:
        self.titles.clear()


def test_each_failure_has_its_own_reason() -> None:
    text = list_failures(failed(("a", "refused"), ("b", "host key\nchanged"), ("c", "")))
    assert text.splitlines() == ["a: refused", "b: host key changed", "c"]
    text = list_failures(failed(*((f"t{n}", "refused") for n in range(5))))
    assert text.splitlines()[-2:] == ["t2: refused", "and 2 more"]
    assert list_failures(failed(("a", "refused"))) == "a: refused\ndo this"


async def test_a_toast_of_several_lines_has_no_foreign_character(engine: FakeEngine) -> None:
    async with opened(engine) as (app, pilot):
        outcomes = failed(("db-replica", "host key changed"), ("grafana", "refused"))
        main_of(app).post_message(BatchFinished("starting", outcomes, None))
        await until(pilot, lambda: notes(app), "toast")
        assert "db-replica: host key changed\ngrafana: refused" in notes(app)[0]
        error = TunnelTuiError("no", "one\ntwo", "")
        main_of(app).post_message(BatchFinished("starting", [], error))
        await until(pilot, lambda: len(notes(app)) == 2, "second toast")
        assert "\ufffd" not in "".join(notes(app))
        assert "one\ntwo" in notes(app)[1]


def test_the_same_death_is_told_once_until_it_stood() -> None:
    app = Kept()
    announcer = Announcer(app)  # type: ignore[arg-type]
    for _ in range(3):
        announcer.announce([died("a", REFUSED)])
    assert app.titles == ["a died"]
    announcer.announce([Change("a", "a", State.STARTING, State.RUNNING, None)])
    announcer.announce([died("a", REFUSED, State.RUNNING)])
    assert app.titles == ["a died", "a died"]


def test_what_a_batch_tells_is_not_told_again() -> None:
    app = Kept()
    announcer = Announcer(app)  # type: ignore[arg-type]
    announcer.announce([died("a", REFUSED), died("b", KEY_CHANGED)], {"a", "b"})
    assert app.titles == []
    announcer.settle(failed(("a", REFUSED.text)))
    assert app.titles == ["b died"], "the batch did not know of it"
    announcer.announce([died("a", REFUSED)])
    assert app.titles == ["b died"]


async def test_a_changed_key_is_told_whole_and_names_its_key(engine: FakeEngine) -> None:
    advice = "compare the keys, then remove line 1 of /a/long/way/to/data/known_hosts: " + "x" * 90
    engine.statuses[2] = engine.statuses[2]._replace(reason=KEY_CHANGED._replace(advice=advice))
    async with opened(engine, (80, 24)) as (app, pilot):
        screen = " ".join(line.strip() for line in text_of(app))
        assert "K compares the keys; K again accepts the new one" in screen
        assert "K compare keys" in text_of(app)[-1]
        await pilot.press("K")
        await until(pilot, lambda: "K accept key" in text_of(app)[-1], "footer")
        assert notes(app) == []


def test_a_long_command_is_not_a_long_toast() -> None:
    assert shorten("ssh -N host") == "ssh -N host"
    assert len(shorten("ssh " + "-o X=y " * 80)) < 65


async def test_the_footer_while_typing_a_filter_and_after(engine: FakeEngine) -> None:
    async with opened(engine) as (app, pilot):
        await pilot.press("slash", "g")
        await until(pilot, lambda: "enter keep   esc clear" in text_of(app)[-1], "typing")
        assert "stop" not in text_of(app)[-1]
        await pilot.press("enter")
        await until(pilot, lambda: "esc clear filter" in text_of(app)[-1], "filtered")
        await pilot.press("escape")
        await until(pilot, lambda: "clear filter" not in text_of(app)[-1], "cleared")


def test_details_do_not_offer_the_keys_of_the_log() -> None:
    row = Row(showcase(NOW)[0])
    place = Place(in_table=False, details=True, filtered=False, waiting=False)
    actions = {key.action for key in keys_of_row(row, place)}
    assert not actions & {"follow", "wrap", "next_match"}
    assert "follow" in {key.action for key in keys_of_row(row, place._replace(details=False))}


def test_a_waiting_prompt_and_marks_have_words_of_their_own() -> None:
    status = TunnelStatus(spec("a", interactive=True), State.INTERACTIVE)
    keys = keys_of_row(Row(status, login="asks"), ON_TABLE._replace(waiting=True))
    assert [key.description for key in keys[:2]] == ["back to the prompt", "end the prompt"]
    assert [key.description for key in keys].count("stop") == 0
    assert keys_of_many([Row(status)], marked=True)[-1].description == "unmark"
    assert KEYS["back"].description == "back"


async def test_a_folded_host_does_not_show_the_log_of_another(engine: FakeEngine) -> None:
    engine.logs[engine.statuses[2].spec.hash] = ["the words of db-replica"]
    async with opened(engine) as (app, pilot):
        await until(pilot, lambda: any("words of db" in line for line in text_of(app)), "log")
        await pilot.press("t")
        main_of(app).table.select("@office")
        await pilot.press("enter")
        await until(pilot, lambda: any("no lines yet" in line for line in text_of(app)), "empty")
        assert not any("words of db" in line for line in text_of(app))


async def test_a_filter_that_nothing_matches_leaves_no_log_behind(engine: FakeEngine) -> None:
    engine.logs[engine.statuses[2].spec.hash] = ["the words of db-replica"]
    async with opened(engine) as (app, pilot):
        await until(pilot, lambda: any("words of db" in line for line in text_of(app)), "log")
        await pilot.press("slash", "q", "q")
        await until(pilot, lambda: not any("words of db" in x for x in text_of(app)), "no log")


def test_the_plan_is_applied_by_the_same_key_as_all_else() -> None:
    assert APPLY.key_display == "y"
    assert {"y", "p"} <= set(APPLY.key.split(","))


def test_noise_of_ssh_is_not_shown() -> None:
    assert is_noise(NOISE)
    assert is_noise("debug1: pledge: network")
    assert not is_noise("Permission denied (publickey).")
    assert strip_debug(NOISE) == "Received SSH2_MSG_IGNORE"
    assert strip_debug("2026/11/22 14:02:01 autossh[2]: x") == "2026/11/22 14:02:01 autossh[2]: x"
    got: list[list[str]] = []
    reader = LogReader(lambda _: None, lambda _k, _t, lines: got.append(lines))  # type: ignore[arg-type,return-value]
    reader._hand_over("k", LogChange.GAINED, [NOISE, "told"])
    assert got == [["told"]]


async def test_back_at_the_prompt_nothing_says_how_to_get_there(tmp_path: Path) -> None:
    waiting = LoginEngine(asking("hpc-login"), directory=tmp_path)
    async with opened(waiting) as (app, pilot):
        await until(pilot, lambda: main_of(app).table.key, "rows")
        await pilot.press("a")
        await until(pilot, lambda: any("Password:" in line for line in text_of(app)), "prompt", 15)
        await pilot.press("f12")
        await until(pilot, lambda: any("waits" in note for note in notes(app)), "toast")
        footer = text_of(app)[-1]
        assert "a back to the prompt" in footer
        assert "x end the prompt" in footer
        await pilot.press("a")
        await until(pilot, lambda: not any("waits" in note for note in notes(app)), "toast gone")
