"""``ipybox --version``."""

import pytest
from typer.testing import CliRunner

from ipybox import __version__
from ipybox.cli.main import app


@pytest.mark.parametrize("arguments", [["--version"], ["--version", "no-such-command"]])
def test_version_is_printed_and_exits_with_0(arguments: list[str]) -> None:
    result = CliRunner().invoke(app, arguments)
    assert (result.exit_code, result.stdout) == (0, f"ipybox {__version__}\n")


def test_version_is_listed_in_the_help() -> None:
    assert "--version" in CliRunner().invoke(app, ["--help"], env={"COLUMNS": "100"}).stdout


def test_no_arguments_still_print_the_help() -> None:
    assert "Usage: " in CliRunner().invoke(app, []).output
