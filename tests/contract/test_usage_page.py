"""The usage page's code blocks, word for word, on each backend."""

import ast
import inspect
import re
from pathlib import Path
from types import CodeType, FunctionType

import aiofiles
import pytest

import ipybox

PAGE = Path(__file__).with_name("usage_page.md").read_text()
BLOCKS = dict(re.findall(r"^## (.+?)$.*?^```python\n(.*?)^```", PAGE, re.M | re.S))


def compile_block(title: str) -> CodeType:
    code: CodeType = compile(BLOCKS[title], title, "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    return code


def test_every_section_has_a_block_and_a_test() -> None:
    assert list(BLOCKS) == re.findall(r"^## (.+)$", PAGE, re.M)
    assert len(BLOCKS) == 7


@pytest.mark.timeout(400)
@pytest.mark.parametrize(
    ("title", "printed"),
    [
        ("Basic usage", "Output: Hello, world!\n"),
        ("State management", ""),
        ("Output streaming", "Received output: Processing step 4"),
        pytest.param("Installing dependencies at runtime", "Output: 0.", marks=pytest.mark.index),
        pytest.param(
            "Creating and returning plots",
            "Plot generation complete!",
            marks=pytest.mark.index,
        ),
        ("Bind mounts", ""),
        ("Environment variables", "Using API key: secret-key-123\nDebug mode enabled"),
    ],
)
async def test_block(
    backend: str,
    title: str,
    printed: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    if backend == "docker":
        monkeypatch.delenv("IPYBOX_BACKEND")  # it is found by itself
    Path("data").mkdir()  # the page writes a file into it before the container is there
    names = {**vars(ipybox), "aiofiles": aiofiles}
    running = FunctionType(compile_block(title), names)()
    if inspect.isawaitable(running):
        await running
    assert printed in capsys.readouterr().out
    if title.endswith("plots"):
        assert Path("output.png").read_bytes().startswith(b"\x89PNG")
