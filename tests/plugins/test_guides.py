"""The guides for authors quote the code of the third-party example, word for word."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TOY = ROOT / "tests/thirdparty/ipybox_toy"
BLOCK = re.compile(r"```python\n(.*?)```", re.S)


def blocks(page: str) -> list[str]:
    return BLOCK.findall((ROOT / "docs" / page).read_text())


def lines(text: str) -> list[str]:
    """Return the lines that are not empty: a guide may space its pieces differently."""
    return [line for line in text.splitlines() if line.strip()]


@pytest.mark.parametrize(
    ("page", "file", "max_lines"),
    [
        ("write-a-backend.md", "backend.py", 150),
        ("write-a-recipe.md", "recipes.py", 30),
        ("write-an-output-handler.md", "outputs.py", 15),
    ],
)
def test_the_blocks_of_a_guide_make_up_the_file(page: str, file: str, max_lines: int) -> None:
    text = (TOY / file).read_text()
    assert len(text.splitlines()) <= max_lines
    quoted = lines("".join(blocks(page)))
    assert quoted[: len(lines(text))] == lines(text)


@pytest.mark.parametrize(
    "page", ["write-a-backend.md", "write-a-recipe.md", "write-an-output-handler.md"]
)
def test_the_hook_of_a_guide_is_that_of_the_plugin(page: str) -> None:
    plugin = (TOY / "plugin.py").read_text()
    assert any(block.strip() in plugin and "@hookimpl" in block for block in blocks(page))


def test_the_guide_quotes_a_conformance_test_of_ten_lines() -> None:
    test = (ROOT / "tests/contract/test_toy.py").read_text()
    assert test.strip() in [block.strip() for block in blocks("write-a-backend.md")]
    assert len(lines(test[test.index("class ") :])) <= 10


def test_the_guide_quotes_the_entry_point() -> None:
    page = (ROOT / "docs/write-a-backend.md").read_text()
    (toml,) = re.findall(r"```toml\n(.*?)```", page, re.S)
    assert toml.strip() in (TOY.parent / "pyproject.toml").read_text()
