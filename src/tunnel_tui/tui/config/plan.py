"""What applying the changed configuration would do, tunnel by tunnel and why."""

from collections.abc import Iterator, Sequence
from typing import ClassVar, NamedTuple

from rich.table import Table
from rich.text import Text
from textual.binding import Binding, BindingType
from textual.widgets import Static

from tunnel_tui.config.plan import Plan
from tunnel_tui.model import UP, State, TunnelStatus
from tunnel_tui.tui.dialogs.page import PageScreen, scroll_keys
from tunnel_tui.tui.format.line import TONE_CLASSES, Toned
from tunnel_tui.tui.format.text import Tone, clean
from tunnel_tui.tui.shell.header_notice import count

APPLY = Binding("y,p,enter", "accept", "apply", id="plan.apply", show=False, key_display="y")
LEAVE = Binding("escape,n,q", "leave", "not now", id="plan.leave", show=False, key_display="esc")
SHOWN_KEPT = 3
"""Names of tunnels that stay; of more, the number."""


class Step(NamedTuple):
    """One line of the plan."""

    verb: str
    name: str
    why: str
    tone: Tone


def steps_of(plan: Plan, statuses: Sequence[TunnelStatus]) -> Iterator[Step]:
    """Put a plan into lines, what ends connections first."""
    known = {status.spec.hash: status for status in statuses}
    for entry in plan.stop:
        status = known.get(entry.hash)
        up = status is not None and status.state in UP
        why = "its connections end" if up else "nothing of it runs: only its entry goes"
        yield Step("stop", entry.name, f"no longer in the config; {why}", Tone.DEAD)
    for spec in plan.restart:
        why = "its ssh command is another one now; its connections end"
        yield Step("restart", spec.name, why, Tone.STARTING)
    for spec in plan.start:
        yield Step("start", spec.name, _why_start(known.get(spec.hash)), Tone.RUNNING)
    for spec in plan.login:
        yield Step("login", spec.name, "needs a person: a begins it", Tone.INTERACTIVE)
    if plan.keep:
        names = [spec.name for spec in plan.keep]
        shown = ", ".join(names[:SHOWN_KEPT]) + (" ..." if len(names) > SHOWN_KEPT else "")
        yield Step("keep", shown, f"{count(len(names), 'tunnel')} untouched", Tone.DIM)


def _why_start(status: TunnelStatus | None) -> str:
    if status is not None and status.state is State.DEAD:
        return f"died: {status.reason.text}" if status.reason else "died"
    return "in the config, and not up"


class PlanPage(Static, Toned):
    """The lines of the plan."""

    COMPONENT_CLASSES: ClassVar[set[str]] = set(TONE_CLASSES)

    def __init__(self, steps: Sequence[Step]) -> None:
        super().__init__()
        self._steps = steps

    def on_mount(self) -> None:
        """Set the page."""
        grid = Table.grid(padding=(0, 2))
        grid.add_column(no_wrap=True)
        grid.add_column(max_width=28)
        grid.add_column()
        for step in self._steps:
            grid.add_row(
                Text(step.verb, self.tone_style(step.tone)),
                Text(clean(step.name), self.tone_style(Tone.NAME)),
                Text(clean(step.why), self.tone_style(Tone.DIM)),
            )
        self.update(grid)


class PlanScreen(PageScreen):
    """Shows the plan; True: apply it."""

    BINDINGS: ClassVar[list[BindingType]] = [APPLY, LEAVE, *scroll_keys("plan")]

    def __init__(self, plan: Plan, statuses: Sequence[TunnelStatus]) -> None:
        page = PlanPage(list(steps_of(plan, statuses)))
        super().__init__("The config and what runs differ", page, plan.summary(), (APPLY, LEAVE))
