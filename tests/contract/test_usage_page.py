"""The blocks of docs/usage.md, and programs written for ipybox 0.3, run on each backend."""

import ast
import inspect
import os
import re
from pathlib import Path
from types import CodeType, FunctionType
from typing import NamedTuple

import aiofiles
import pytest

import ipybox
from ipybox.errors import UnsupportedError

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/usage.md").read_text()
OLDER_PROGRAMS = "IPYBOX_SEED_USAGE"
"""The variable that names the page with programs for ipybox 0.3, if it is not beside the root."""


class Block(NamedTuple):
    """A program on a page; ``prints`` is the output that the page promises."""

    section: str
    code: str
    prints: str


def sections(page: str) -> dict[str, str]:
    """Return the text of each section of a page by its title."""
    return dict(re.findall(r"^## (.+?)$\n(.*?)(?=^## |\Z)", page, re.M | re.S))


def blocks(page: str) -> list[Block]:
    """Return all programs whose output the page shows."""
    shown = r"^```python\n(.*?)^```\n\nOutput:\n\n```text\n(.*?)^```$"
    return [
        Block(title, code, prints)
        for title, text in sections(page).items()
        for code, prints in re.findall(shown, text, re.M | re.S)
    ]


BLOCKS = blocks(PAGE)
NEEDS_INDEX = "%pip install"


async def run(code: CodeType, names: dict[str, object]) -> None:
    """Run a program that may have a top-level await."""
    running = FunctionType(code, names)()
    if inspect.isawaitable(running):
        await running


def compile_program(source: str, name: str) -> CodeType:
    code: CodeType = compile(source, name, "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    return code


@pytest.fixture
def folder(backend: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty current directory, and Docker chosen as in a user's program: by itself."""
    monkeypatch.chdir(tmp_path)
    if backend == "docker":
        monkeypatch.delenv("IPYBOX_BACKEND")
    return tmp_path


def test_every_section_has_blocks_with_output() -> None:
    assert len(sections(PAGE)) == 7
    assert {block.section for block in BLOCKS} == set(sections(PAGE))
    assert len(BLOCKS) == PAGE.count("```python\n"), "a block without the output that it prints"


@pytest.mark.timeout(400)
@pytest.mark.parametrize(
    "block",
    [
        pytest.param(block, marks=[pytest.mark.index] if NEEDS_INDEX in block.code else [])
        for block in BLOCKS
    ],
    ids=lambda block: f"{block.section} {BLOCKS.index(block) + 1}",
)
async def test_block_prints_what_the_page_says(
    backend: str, block: Block, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = compile_program(block.code, "docs/usage.md")
    if backend == "local" and "read_only=True" in block.code:
        with pytest.raises(UnsupportedError, match="read-only binds"):
            await run(code, {})
        return
    await run(code, {})
    assert capsys.readouterr().out == block.prints
    if "planets.png" in block.code:
        assert (folder / "planets.png").read_bytes().startswith(b"\x89PNG")


@pytest.fixture(scope="module")
def older_programs() -> dict[str, str]:
    """The first program of each section of the page for ipybox 0.3, by the section's title."""
    path = Path(os.environ.get(OLDER_PROGRAMS) or ROOT.parent / "shared/seed-usage.md")
    if not path.is_file():
        missing = f"no programs written for ipybox 0.3 at {path} (set {OLDER_PROGRAMS})"
        if OLDER_PROGRAMS in os.environ:
            pytest.fail(missing)
        pytest.skip(missing)
    found = re.findall(r"^## (.+?)$.*?^```python\n(.*?)^```", path.read_text(), re.M | re.S)
    assert [title for title, _ in found] == list(sections(path.read_text()))
    assert len(found) == 7
    return dict(found)


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
async def test_program_for_ipybox_0_3_still_runs(
    older_programs: dict[str, str],
    title: str,
    printed: str,
    folder: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (folder / "data").mkdir()  # a program writes a file into it before the container exists
    names = {**vars(ipybox), "aiofiles": aiofiles}
    await run(compile_program(older_programs[title], title), names)
    assert printed in capsys.readouterr().out
    if title.endswith("plots"):
        assert (folder / "output.png").read_bytes().startswith(b"\x89PNG")
