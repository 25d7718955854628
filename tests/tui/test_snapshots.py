"""A few pictures of the whole; regenerate with `pytest --snapshot-update tests/tui`."""

import time
from collections.abc import Awaitable, Callable, Sequence

import pytest
from textual.pilot import Pilot
from textual.widgets import Input

from tests.tui.fake import LOG, FakeEngine, showcase
from tests.tui.support import ENVIRONMENT, text_of
from tunnel_tui.ssh.host_keys import ChangedKey
from tunnel_tui.state.history import Record, Summary
from tunnel_tui.supervise.info.tunnel_details import TunnelDetails
from tunnel_tui.tui.shell.app import TunnelApp

NOW = 1_800_000_000.0
SIZES = [(60, 16), (80, 24), (140, 40), (250, 70)]
LOOKS = {
    "true": ENVIRONMENT,
    "sixteen": {"TERM": "xterm", "LANG": "C.UTF-8"},
    "plain": {"TERM": "xterm", "NO_COLOR": "1", "LANG": "C.UTF-8"},
    "ascii": {"TERM": "xterm-256color", "TUNNEL_TUI_ASCII": "1"},
}
KEY = ChangedKey(
    "bastion.lab",
    "ED25519",
    "SHA256:Zr0vXxF1mB7T2nY8pL4wE6sD0aK5uJ9gQ1cMq5k9Hj3",
    "SHA256:q5k9Hj3Zr0vXxF1mB7T2nY8pL4wE6sD0aK5uJ9gQ1cM",
    "/home/me/.local/state/tunnel-tui/known_hosts",
    12,
    True,
)

Compare = Callable[..., bool]


@pytest.fixture(autouse=True)
def fixed(monkeypatch: pytest.MonkeyPatch) -> None:
    """One moment, one time zone, one host."""
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    monkeypatch.setattr(time, "time", lambda: NOW)
    monkeypatch.setattr("socket.gethostname", lambda: "web-01")


def make_app(look: str = "true") -> TunnelApp:
    engine = FakeEngine(showcase(NOW))
    engine.logs[engine.statuses[2].spec.hash] = LOG
    dead = Record(NOW - 40, "h", "db-replica", "DEAD", 200, "host-key-changed", "host key changed")
    engine.more["db-replica"] = TunnelDetails(
        ((41, "  - name: db-replica"), (42, "    remote_port: 5432"), (43, "    local_port: 5433")),
        (dead, dead._replace(time=NOW - 7000, state="RUNNING", text="")),
        Summary(0.984, 2, dead),
        "",
        KEY,
    )
    return TunnelApp(engine, environment=LOOKS[look])


def settle(*keys: str) -> Callable[[Pilot[int]], Awaitable[None]]:
    """Press keys when everything has come, and let what they ask for come."""

    async def run(pilot: Pilot[int]) -> None:
        await rest(pilot)
        for key in keys:
            await pilot.press(key)
        for field in pilot.app.screen.query(Input):
            field.cursor_blink = False  # a picture must not depend on the moment
        await rest(pilot)

    return run


async def rest(pilot: Pilot[int]) -> None:
    """Wait until no worker runs and the screen stays as it is for a while."""
    before, same, end = [""], 0, time.monotonic() + 20
    while same < 6:
        await pilot.pause(0.1)
        busy = any(not worker.is_finished for worker in pilot.app.workers)
        now = text_of(pilot.app)
        same = same + 1 if now == before and not busy else 0
        before = now
        assert time.monotonic() < end, "the screen does not come to rest"


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
def test_every_size(size: tuple[int, int], snap_compare: Compare) -> None:
    assert snap_compare(make_app(), terminal_size=size, run_before=settle())


@pytest.mark.parametrize("look", ["sixteen", "plain", "ascii"])
def test_every_look(look: str, snap_compare: Compare) -> None:
    keys = ("t", "j", "space")
    assert snap_compare(make_app(look), terminal_size=(80, 24), run_before=settle(*keys))


VIEWS: dict[str, Sequence[str]] = {
    "tree": ("t", "G", "left", "g", "j", "space"),
    "details": ("d",),
    "filter": ("slash", *"state:down"),
    "search": ("l", "slash", *"host", "enter", "z"),
    "help": ("question_mark",),
}


@pytest.mark.parametrize("view", VIEWS)
def test_every_view(view: str, snap_compare: Compare) -> None:
    run = settle(*VIEWS[view])
    assert snap_compare(make_app(), terminal_size=(140, 40), run_before=run)
