"""The table of all runs: docs/soak.json, and docs/soak.md made of it."""

import json
from pathlib import Path
from typing import Any

from tests.soak.run import Result
from tests.support.machine import describe_machine

INTRODUCTION = """\
# Soak

Long runs with random faults, made by `make soak MINUTES=n SEED=n`: tunnels through five real
sshd's (some share a login), a watcher, the app in a terminal, and every few seconds a fault:
processes killed and frozen, servers stopped, connections dropped, ports stolen, state file, logs
and configuration damaged, watcher and app killed, commands and keys all at once. Every second a
model of what should be true is compared with what the kernel says (does traffic pass, which
processes exist), with what the engine and `status --json` say, and with what the app shows. A run
is listed here only if nothing ever disagreed for longer than it may.

Noticed: the longest that a tunnel was called RUNNING while nothing passed, where a process had
ended, and where one was frozen (ssh itself gives up after a minute). Back: the longest from the
end of a fault to traffic. Growth: of watcher and app after their first two minutes.
"""


def add(target: Path, result: Result) -> None:
    """Append a run to the table."""
    path = target.with_suffix(".json")
    known: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {"runs": []}
    machine = describe_machine()
    row = result._asdict()
    row["violations"] = len(result.violations)
    known["runs"].append({**machine, **row})
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(known, indent=1, ensure_ascii=False) + "\n")
    target.with_suffix(".md").write_text(as_markdown(known["runs"]))


def as_markdown(runs: list[dict[str, Any]]) -> str:
    """Make the table of all runs, and one of the faults of each."""
    keys = ("Machine", "System", "ssh", "autossh", "Packages")
    text = INTRODUCTION + "\n" + "  \n".join(f"{key}: {runs[-1][key]}" for key in keys)
    text += "\n\n| Date | Seed | Minutes | Tunnels | Faults | Checks | Violations "
    text += "| Noticed | frozen | Back | Watcher | App |\n"
    text += "|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|\n"
    for run in runs:
        text += (
            f"| {run['Date']} | {run['seed']} | {run['minutes']:g} | {run['tunnels']} "
            f"| {sum(run['faults'].values())} | {run['checks']:,} | {run['violations']} "
            f"| {run['noticed']:.1f} s | {run['frozen']:.0f} s | {run['recovered']:.0f} s "
            f"| {run['watcher_growth']:+.1f} MB | {run['app_growth']:+.1f} MB |\n"
        )
    kinds = sorted({kind for run in runs for kind in run["faults"]})
    text += "\n| Fault | " + " | ".join(str(run["seed"]) for run in runs) + " |\n"
    text += "|---" + "|--:" * len(runs) + "|\n"
    for kind in kinds:
        counts = " | ".join(str(run["faults"].get(kind, 0)) for run in runs)
        text += f"| {kind} | {counts} |\n"
    return text
