"""A second app says that another is open, and can end it."""

from tests.tui.fake import FakeEngine, showcase
from tests.tui.support import ENVIRONMENT, line_with, notes, until
from tunnel_tui.supervise.info.open_apps import OtherApp, Presence
from tunnel_tui.system.proc import ProcessStat
from tunnel_tui.tui.dialogs.confirm import Confirm
from tunnel_tui.tui.shell.app import TunnelApp

STAT = ProcessStat(4711, "tunnel-tui", "S", 1, 4711, 4711, 5)


class FakePresence(Presence):
    def __init__(self, *others: OtherApp) -> None:
        self.found = list(others)
        self.ended: list[int] = []

    def note(self) -> None:
        pass

    def forget(self) -> None:
        pass

    def others(self) -> list[OtherApp]:
        return self.found

    def end(self, other: OtherApp) -> bool:
        self.ended.append(other.pid)
        return True


async def test_a_ghost_is_asked_about_and_ended() -> None:
    app = TunnelApp(FakeEngine(showcase(0.0)), environment=ENVIRONMENT)
    presence = app.presence = FakePresence(OtherApp(STAT, "pts/3", 0.0, 4000.0))
    async with app.run_test(size=(80, 24), notifications=True) as pilot:
        await until(pilot, lambda: isinstance(app.screen, Confirm), "asked")
        assert line_with(app, "pid 4711 on pts/3", "no key for 1h 6m")
        await pilot.press("n")
        assert presence.ended == []
        await pilot.press("O", "y")
        await until(pilot, lambda: presence.ended == [4711], "ended")


async def test_an_app_in_use_is_only_told_of() -> None:
    app = TunnelApp(FakeEngine(showcase(0.0)), environment=ENVIRONMENT)
    presence = app.presence = FakePresence(OtherApp(STAT, "pts/3", 0.0, 3.0))
    async with app.run_test(size=(80, 24), notifications=True) as pilot:
        await until(pilot, lambda: any("pts/3" in note for note in notes(app)), "told")
        assert not isinstance(app.screen, Confirm)
        assert presence.ended == []
