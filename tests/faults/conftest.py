"""Counts what happens to each fault, and prints a row for each."""

import pytest

from ipybox.testing import Tries

_rows: dict[str, Tries] = {}


@pytest.fixture
def faults(request: pytest.FixtureRequest) -> Tries:
    """The row of this test."""
    name = request.node.name.removeprefix("test_").replace("_", " ")
    return _rows.setdefault(name, Tries())


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if not _rows:
        return
    terminalreporter.section("faults")
    terminalreporter.write_line(f"{'fault':<60} {'tries':>5} {'hangs':>5} {'slowest':>8}")
    for name, row in sorted(_rows.items()):
        line = f"{name[:60]:<60} {row.count:>5} {row.hangs:>5} {row.slowest:>7.2f}s"
        terminalreporter.write_line(line)
