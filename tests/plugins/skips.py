"""Lists what was skipped at the end of a run; with CI=true a skip is a failure.

Loaded by the Makefile: `python -m pytest -p tests.plugins.skips`.
"""

import os

import pytest

_skipped: list[tuple[str, str]] = []


def _note(report: pytest.TestReport | pytest.CollectReport) -> None:
    if report.skipped and not hasattr(report, "wasxfail"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
        _skipped.append((report.nodeid, str(reason).removeprefix("Skipped: ")))


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    _note(report)


def pytest_collectreport(report: pytest.CollectReport) -> None:
    _note(report)


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    if _skipped and _in_ci() and session.exitstatus in (pytest.ExitCode.OK, 5):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


@pytest.hookimpl(trylast=True)
def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if not _skipped:
        return
    verdict = "a failure, because CI=true" if _in_ci() else "install what they need to run them"
    terminalreporter.section(f"skipped: {len(_skipped)} ({verdict})", red=_in_ci(), yellow=True)
    for node, reason in _skipped:
        terminalreporter.write_line(f"{node}: {reason}")


def _in_ci() -> bool:
    return os.environ.get("CI", "").lower() in ("1", "true", "yes")
