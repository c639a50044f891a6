"""The pytest plugin: the table of the conformance suites that have run, and what they mark."""

from __future__ import annotations

from typing import Literal

import pytest

from ipybox.testing.conformance.base import Conformance
from ipybox.testing.conformance.checks import check_of
from ipybox.testing.conformance.table import Table

SET_UP_SECONDS = 60.0
OUTCOMES: dict[str, Literal["passed", "failed", "skipped"]] = {
    "passed": "passed",
    "xpassed": "passed",
    "skipped": "skipped",
    "xfailed": "failed",  # however much its author expects it
    "failed": "failed",
    "error": "failed",
}
"""What pytest calls them, the later ones counting more, and what they are for the table."""


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "index: installs from the package index")


def pytest_itemcollected(item: pytest.Item) -> None:
    cls = getattr(item, "cls", None)
    if isinstance(cls, type) and issubclass(cls, Conformance):
        item.user_properties.append(("ipybox_suite", cls.__name__))
    # A check has an end of its own: that of pytest-timeout, where it is there, comes later.
    description = check_of(getattr(item, "function", None))
    if description is not None and item.config.pluginmanager.hasplugin("timeout"):
        item.add_marker(pytest.mark.timeout(description.seconds + SET_UP_SECONDS))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    # A check whose teardown failed has two reports: it has failed.
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
