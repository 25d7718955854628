"""Collects what the tests of `tests/faults` measured and makes a table of it.

Loaded by `make faults`, with the file's name without its ending:
`python -m pytest -p tests.plugins.fault_table --fault-table docs/faults tests/faults`
writes `docs/faults.json` and `docs/faults.md`, if every test passed; `--fault-table-add` keeps the
rows of those that did not run. A test hands over one row in its `user_properties`, which reach this
process from the workers of pytest-xdist too.
"""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.faults import PROPERTY, SECTIONS, Row
from tests.support.machine import describe_machine

_rows: list[Row] = []

INTRODUCTION = """\
# Faults

What was done to tunnel-tui, to ssh and to the network, how soon the app showed it, how soon the
tunnels carried traffic again, and what was lost (entries of the state file), doubled (processes of
one tunnel) or left over (processes without an entry, zombies, temporary files). Made by
`make faults`: real ssh, sshd and autossh, a real watcher, the real app in a terminal. A dash means
that there is nothing to wait for.
"""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--fault-table", help="write the table to this file, .json and .md")
    parser.addoption("--fault-table-add", action="store_true", help="keep the rows of other runs")


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    if report.when == "teardown":
        _rows.extend(Row(**value) for name, value in report.user_properties if name == PROPERTY)


def pytest_sessionfinish(session: pytest.Session) -> None:
    target = session.config.getoption("--fault-table")
    if hasattr(session.config, "workerinput"):
        return  # pytest-xdist: the process that gets all the reports writes
    if target and session.exitstatus == pytest.ExitCode.OK and _rows:
        rows = {(row.section, row.fault): row for row in _rows}
        if session.config.getoption("--fault-table-add"):
            rows = {(row.section, row.fault): row for row in read_table(Path(target))} | rows
        write_tables(Path(target), sorted(rows.values(), key=_order))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if not _rows:
        return
    terminalreporter.section(f"faults: {len(_rows)}")
    for row in sorted(_rows, key=_order):
        terminalreporter.write_line("  ".join(_cells(row)))


def read_table(target: Path) -> list[Row]:
    """Read the rows of an earlier run; none where there was none."""
    path = target.with_suffix(".json")
    return [Row(**row) for row in json.loads(path.read_text())["faults"]] if path.exists() else []


def write_tables(target: Path, rows: list[Row]) -> None:
    """Write the rows as JSON and as Markdown beside it."""
    machine = describe_machine()
    value: dict[str, Any] = {**machine, "faults": [_rounded(row) for row in rows]}
    target.with_suffix(".json").write_text(json.dumps(value, indent=1, ensure_ascii=False) + "\n")
    target.with_suffix(".md").write_text(as_markdown(machine, rows))


def _rounded(row: Row) -> dict[str, Any]:
    return {
        key: round(value, 3) if isinstance(value, float) else value
        for key, value in row._asdict().items()
    }


def as_markdown(machine: dict[str, str], rows: list[Row]) -> str:
    """Make one table per section."""
    text = INTRODUCTION + "\n" + "  \n".join(f"{key}: {value}" for key, value in machine.items())
    for section in SECTIONS:
        chosen = [row for row in rows if row.section == section]
        if chosen:
            text += f"\n\n## {section}\n\n"
            text += "| Fault | Injected | Noticed | Back | Lost | Doubled | Left over |\n"
            text += "|---|---|--:|--:|--:|--:|--:|\n"
            text += "\n".join("| " + " | ".join(_cells(row)) + " |" for row in chosen)
    return text + "\n"


def _order(row: Row) -> tuple[int, str]:
    return SECTIONS.index(row.section), row.fault


def _cells(row: Row) -> list[str]:
    times = [_seconds(row.noticed), _seconds(row.recovered)]
    counts = [str(row.lost), str(row.doubled), str(row.left_over)]
    return [row.fault, row.injected.replace("|", "\\|"), *times, *counts]


def _seconds(value: float | None) -> str:
    if value is None:
        return "–"
    return f"{value * 1000:.0f} ms" if value < 1 else f"{value:.1f} s"
