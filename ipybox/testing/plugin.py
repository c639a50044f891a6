"""The pytest plugin: marks and time limits of checks, and a table of the suites that ran."""

from __future__ import annotations

from typing import Literal

import pytest

from ipybox.testing.conformance.base import Conformance
from ipybox.testing.conformance.checks import check_of
from ipybox.testing.conformance.table import Table

SETUP_SECONDS = 60.0
"""Added to a check's own time limit, for its fixtures."""
OUTCOMES: dict[str, Literal["passed", "failed", "skipped"]] = {
    "passed": "passed",
    "xpassed": "passed",
    "skipped": "skipped",
    "xfailed": "failed",  # a check that does not hold, expected or not
    "failed": "failed",
    "error": "failed",
}
"""Pytest's outcomes and what the table counts them as. Of several, the later one counts."""


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "index: installs packages from the package index")


def pytest_itemcollected(item: pytest.Item) -> None:
    cls = getattr(item, "cls", None)
    if isinstance(cls, type) and issubclass(cls, Conformance):
        item.user_properties.append(("ipybox_suite", cls.__name__))
    # A check enforces its own time limit, so that of pytest-timeout has to be longer.
    description = check_of(getattr(item, "function", None))
    if description is not None and item.config.pluginmanager.hasplugin("timeout"):
        item.add_marker(pytest.mark.timeout(description.seconds + SETUP_SECONDS))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    # A check whose teardown failed has two reports, and counts as failed.
    last = {}
    for outcome in OUTCOMES:
        for report in terminalreporter.stats.get(outcome, []):
            last[getattr(report, "nodeid", "")] = report, outcome
    table = Table()
    for report, outcome in last.values():
        properties = getattr(report, "user_properties", ())
        table.add(properties, OUTCOMES[outcome])
    if lines := table.lines():
        terminalreporter.section("conformance")
        for line in lines:
            terminalreporter.write_line(line)
