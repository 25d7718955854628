"""What happened, in the past tense. Workers and threads post these; handlers own the change."""

from collections.abc import Collection
from typing import Any

from textual.app import App
from textual.message import Message

from tunnel_tui.errors import TunnelTuiError
from tunnel_tui.model import Layer, Outcome, TunnelSpec
from tunnel_tui.supervise.info.tunnel_details import TunnelDetails
from tunnel_tui.tui.log.reader import LogChange
from tunnel_tui.tui.login.session import LoginSession


def tell_screen(app: App[Any], message: Message) -> None:
    """Post to the main screen, from any thread; none is left when the app has been left.

    What the screen does not handle goes on to the app.
    """
    screens = app.screen_stack
    if app.is_running and screens:
        screens[0].post_message(message)


class ScreenBuilt(Message):
    """The main screen has all its widgets."""


class SnapshotTaken(Message):
    """The monitor has a new snapshot; the handler takes the newest (floods coalesce)."""


class TunnelHandled(Message):
    """One tunnel was started, stopped or restarted, or was not."""

    def __init__(
        self, key: str, name: str, verb: str, outcome: Outcome | None, error: TunnelTuiError | None
    ) -> None:
        super().__init__()
        self.key = key
        self.name = name
        self.verb = verb
        self.outcome = outcome
        self.error = error


class ProgressMade(Message):
    """Long work came one step further."""

    def __init__(self, what: str, done: int, total: int) -> None:
        super().__init__()
        self.what = what
        self.done = done
        self.total = total

    def can_replace(self, message: Message) -> bool:
        """Only the newest step matters."""
        return isinstance(message, ProgressMade)


class BatchFinished(Message):
    """Work on many tunnels came to its end."""

    def __init__(
        self,
        what: str,
        outcomes: list[Outcome],
        error: TunnelTuiError | None,
        starts: Collection[str] = (),
    ) -> None:
        super().__init__()
        self.what = what
        self.outcomes = outcomes
        self.error = error
        self.starts = starts


class LogRead(Message):
    """A log was opened, began anew, or gained lines."""

    def __init__(self, key: str, told: LogChange, lines: list[str]) -> None:
        super().__init__()
        self.key = key
        self.told = told
        self.lines = lines


class DetailsRead(Message):
    """The ladder, the command and all else there is to know of one tunnel were looked up."""

    def __init__(self, key: str, layers: list[Layer], command: str, more: TunnelDetails) -> None:
        super().__init__()
        self.key = key
        self.layers = layers
        self.command = command
        self.more = more


class LoginChanged(Message):
    """A login came further, asks something else, or got or lost the keyboard."""

    def __init__(self, session: LoginSession) -> None:
        super().__init__()
        self.session = session

    def can_replace(self, message: Message) -> bool:
        """What counts is how the session is when somebody looks."""
        return isinstance(message, LoginChanged) and message.session is self.session


class LoginEnded(Message):
    """A login is over; `others` could come up on it without another code."""

    def __init__(self, session: LoginSession, others: list[TunnelSpec]) -> None:
        super().__init__()
        self.session = session
        self.others = others


class ConfigWritten(Message):
    """The configuration file was written; or was not, then `error` says why."""

    def __init__(self, title: str, backup: str, error: str = "") -> None:
        super().__init__()
        self.title = title
        self.backup = backup
        self.error = error
