"""Pytest plugin: nothing is left out silently.

Every run ends by naming what could not be run and why. With CI=true a skip fails the run unless its reason begins with
`absent:`, the one word for material that a fresh clone does not bring.
"""

from __future__ import annotations

import os

import pytest

ALLOWED = "absent:"


def _reasons(reporter: pytest.TerminalReporter) -> list[tuple[str, str]]:
    """(test, reason) of every skip, in order. Collection of a whole module can be skipped too."""
    found = []
    for report in reporter.stats.get("skipped", []):
        longrepr = report.longrepr
        text = longrepr[2] if isinstance(longrepr, tuple) else str(longrepr)
        found.append((report.nodeid, text.removeprefix("Skipped: ")))
    return found


def _reporter(config: pytest.Config) -> pytest.TerminalReporter | None:
    """None in the workers of xdist: their skips are reported by the one that started them."""
    if hasattr(config, "workerinput"):
        return None
    return config.pluginmanager.get_plugin("terminalreporter")


def _refused(reporter: pytest.TerminalReporter) -> list[tuple[str, str]]:
    if os.environ.get("CI") != "true":
        return []
    return [(test, reason) for test, reason in _reasons(reporter) if not reason.startswith(ALLOWED)]


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    reporter = _reporter(session.config)
    if reporter and _refused(reporter) and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    reporter = _reporter(config)
    if reporter is None or not (skipped := _reasons(reporter)):
        return
    refused = _refused(reporter)
    terminalreporter.section("not run", sep="-")
    for test, reason in skipped:
        mark = "  [refused: CI=true]" if (test, reason) in refused else ""
        terminalreporter.write_line(f"{test}: {reason}{mark}")
    if refused:
        terminalreporter.write_line(f"{len(refused)} skipped without '{ALLOWED}': the run fails", red=True)
