"""The one thing that the header should draw attention to. Pure."""

from tunnel_tui.config.config import Config
from tunnel_tui.config.plan import Plan
from tunnel_tui.model import Problem
from tunnel_tui.supervise.monitor.monitor import Snapshot
from tunnel_tui.tui.format.text import Tone, clean
from tunnel_tui.tui.shell.header import Notice

NO_SSH = Notice("ssh is not installed: no tunnel can start", "ssh is not installed", Tone.DEAD)
NO_AUTOSSH = Notice(
    "autossh is not installed: tunnels do not reconnect by themselves",
    "no autossh: no reconnecting",
    Tone.WARNING,
)


def count(number: int, noun: str) -> str:
    """Put a number before a noun: `1 mistake`, `3 mistakes`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def mistakes(snapshot: Snapshot) -> tuple[Problem, ...]:
    """List what is wrong with the newest file, or else the warnings of the one in force."""
    return snapshot.broken.problems if snapshot.broken else snapshot.config.problems


def plan_summary(plan: Plan) -> str:
    """Say what applying would change: `start 2, stop 1`."""
    counts = (("start", plan.start), ("stop", plan.stop), ("restart", plan.restart))
    return ", ".join(f"{verb} {len(items)}" for verb, items in counts if items)


def choose_notice(
    snapshot: Snapshot | None, missing: frozenset[str], dot: str, demo_hint: str
) -> Notice | None:
    """Choose what matters most; None where nothing does."""
    if snapshot is not None and snapshot.broken is not None:
        return _broken(snapshot, snapshot.broken, dot)
    if "ssh" in missing:
        return NO_SSH
    if snapshot is not None and snapshot.plan is not None and not snapshot.plan.empty:
        text = f"config changed: {plan_summary(snapshot.plan)} {dot} p shows"
        short = text.removeprefix("config changed: ")
        return Notice(text, short, Tone.ACCENT, "screen.plan")
    if snapshot is not None and snapshot.trouble:
        return Notice(clean(snapshot.trouble), clean(snapshot.trouble), Tone.WARNING)
    if demo_hint:
        return Notice(demo_hint, demo_hint, Tone.DIM)
    if "autossh" in missing:
        return NO_AUTOSSH
    warnings = len(snapshot.config.problems) if snapshot else 0
    if warnings:
        text = f"config: {count(warnings, 'warning')} {dot} p shows"
        return Notice(text, text, Tone.WARNING, "screen.plan")
    return None


def _broken(snapshot: Snapshot, broken: Config, dot: str) -> Notice | None:
    if not broken.text_digest:
        if not snapshot.statuses:
            return None
        # What stands behind a colon is for the list of mistakes, which has the room.
        what = clean(broken.problems[0].message.partition(":")[0]) if broken.problems else ""
        what = what or "cannot be read"
        text = f"config: {what} {dot} the last good one holds"
        return Notice(text, f"config: {what}", Tone.WARNING, "screen.plan")
    fatal = [problem for problem in broken.problems if problem.fatal]
    many = count(len(fatal), "mistake")
    line = fatal[0].line if fatal else 0
    where = f", first in line {line}" if line else ""
    return Notice(
        f"config broken: {many}{where} {dot} the last good one holds {dot} p shows",
        f"config broken: {many} {dot} p shows",
        Tone.WARNING,
        "screen.plan",
    )
