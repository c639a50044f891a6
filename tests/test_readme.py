"""The README's code runs, and its commands are those of the Makefile and the command line."""

import ast
import inspect
import re
from pathlib import Path
from types import FunctionType

import pytest

from ipybox.cli.main import app

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()


async def test_code_blocks_run(local: str, capsys: pytest.CaptureFixture[str]) -> None:
    (source,) = re.findall(r"^```python\n(.*?)^```", README, re.M | re.S)
    code = compile(source, "README.md", "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    running = FunctionType(code, {})()
    assert inspect.isawaitable(running)
    await running
    assert capsys.readouterr().out == "42\n"


def test_commands_exist() -> None:
    targets = set(re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(), re.M))
    pages = README + (ROOT / "CONTRIBUTING.md").read_text()
    assert set(re.findall(r"^make (\w+)", pages, re.M)) <= targets
    commands = {command.name for command in app.registered_commands}
    assert set(re.findall(r"^ipybox (\w+)", README, re.M)) == commands
