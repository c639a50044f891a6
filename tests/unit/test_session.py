"""session() takes what ExecutionContainer takes, for type checkers too."""

import inspect
import subprocess
import sys
import typing
from pathlib import Path

import pytest

from ipybox.container import ContainerOptions, ExecutionContainer


def test_options_are_the_arguments_of_the_container() -> None:
    arguments = typing.get_type_hints(ExecutionContainer.__init__)
    del arguments["return"], arguments["backend"]
    assert typing.get_type_hints(ContainerOptions) == arguments
    assert set(inspect.signature(ExecutionContainer).parameters) == {*arguments, "backend"}


PROGRAM = """\
from ipybox import session
session(backend="docker", env={"A": "b"}, strict=True)
session(prot=8888)
session(env=["A=b"])
"""


@pytest.mark.slow
def test_type_checkers_check_the_options(tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text(PROGRAM)
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--cache-dir", str(tmp_path / "cache"),
         "--follow-imports", "silent", "program.py"],
        cwd=tmp_path, env={"MYPYPATH": str(root), "PATH": ""}, capture_output=True, text=True,
        timeout=110,
    )  # fmt: skip
    problems = [line.split(": ", 2) for line in done.stdout.splitlines() if ": error: " in line]
    assert [place for place, _, _ in problems] == ["program.py:3", "program.py:4"], done.stdout
    assert 'Unexpected keyword argument "prot"' in problems[0][2]
    assert 'Argument "env" to "session" has incompatible type' in problems[1][2]
