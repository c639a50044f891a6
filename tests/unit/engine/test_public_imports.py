"""The built-in backends use what every author of a backend can use."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

BACKENDS = Path(__file__).parents[3] / "backends"
PUBLIC_MODULES = {"ipybox", "ipybox.authoring", "ipybox.engine", "ipybox.errors"}


def imported_modules(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module is not None:
            yield node.module
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


@pytest.mark.parametrize("path", sorted(BACKENDS.glob("*/*.py")), ids=lambda path: str(path.name))
def test_backends_import_only_public_modules_of_ipybox(path: Path) -> None:
    found = {name for name in imported_modules(path) if name.split(".")[0] == "ipybox"}
    assert found <= PUBLIC_MODULES
