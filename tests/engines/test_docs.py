"""The code blocks of the pages on Docker and Podman run on the engine that they describe."""

import ast
import inspect
import re
from pathlib import Path
from types import FunctionType

import pytest

from tests.engines.engine_cli import EngineCli

DOCS = Path(__file__).parents[2] / "docs"
OUTPUT = {"docker": ["42", "6", "42"], "podman": ["42"]}


async def test_the_blocks_of_the_engines_page_run(
    engine: EngineCli,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    page = DOCS / f"{engine.name}.md"
    blocks = re.findall(r"^```python\n(.*?)^```", page.read_text(), re.M | re.S)
    output = []
    for block in blocks:
        code = compile(block, page.name, "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
        running = FunctionType(code, {})()
        if inspect.isawaitable(running):
            await running
        output.append(capsys.readouterr().out.split("\n")[0])
    assert output == OUTPUT[engine.name]
