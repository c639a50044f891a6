"""Everything that the documentation names exists: links, files, names, commands, variables."""

import builtins
import importlib
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import typer.main

import ipybox.errors
from ipybox.cli.main import app
from ipybox.container import ContainerOptions

ROOT = Path(__file__).parents[2]
PAGES = sorted([ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")])
SOURCES = ("ipybox", "backends", "images", "tests", "benchmarks", "examples")
IMPORT_ROOTS = ("", "images", "backends", "tests/thirdparty")
"""Where a path such as ``ipybox_runtime/wire.py`` may be."""

SPAN = re.compile(r"`([^`\n]+)`")
CODE_BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.M | re.S)
FILE = re.compile(r"[\w./-]+\.py")
FOLDER = re.compile(r"(?:\w+/)+")
DOTTED = re.compile(r"ipybox\w*(?:\.\w+)+")
IMPORT = re.compile(r"^from (ipybox[\w.]*) import (\([^)]*\)|[^\n]+)", re.M)
ERROR = re.compile(r"\w+Error")

each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))


def prose(page: Path) -> str:
    return CODE_BLOCK.sub("", page.read_text())


def spans(page: Path) -> list[str]:
    return SPAN.findall(prose(page))


def find_file(name: str) -> Path | None:
    """Find a file by its path in the repository or its import path, or by its name alone."""
    for base in IMPORT_ROOTS:
        if (ROOT / base / name).exists():
            return ROOT / base / name
    if "/" in name:
        return None
    return next((found for source in SOURCES for found in (ROOT / source).rglob(name)), None)


def anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", prose(page), re.M)
    kept = [re.sub(r"[^\w\- ]", "", heading.lower()) for heading in headings]
    return {heading.replace(" ", "-") for heading in kept}


def resolve(dotted: str) -> Any:
    """Import the object that a dotted name stands for."""
    module, *names = dotted.split(".")
    found: Any = importlib.import_module(module)
    path = module
    for name in names:
        path = f"{path}.{name}"
        if not hasattr(found, name):
            importlib.import_module(path)
        found = getattr(found, name)
    return found


@each_page
def test_links_lead_somewhere(page: Path) -> None:
    for link in re.findall(r"\]\(([^)\s]+)\)", prose(page)):
        if link.startswith(("http://", "https://")):
            continue
        file, _, anchor = link.partition("#")
        target = (page.parent / file).resolve() if file else page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


@each_page
def test_files_and_folders_exist(page: Path) -> None:
    for span in spans(page):
        is_folder = FOLDER.fullmatch(span) and span.split("/")[0] in (*SOURCES, "docs")
        if is_folder or FILE.fullmatch(span):
            assert find_file(span), span


@each_page
def test_dotted_names_can_be_imported(page: Path) -> None:
    names = [span.removesuffix("()") for span in spans(page)]
    for name in names:
        if DOTTED.fullmatch(name) and not name.endswith((".py", ".md")):
            resolve(name)


@each_page
def test_imports_of_code_blocks_work(page: Path) -> None:
    for module, names in IMPORT.findall(page.read_text()):
        for name in re.findall(r"\w+", re.sub(r" as \w+", "", names)):
            resolve(f"{module}.{name}")


@each_page
def test_errors_exist(page: Path) -> None:
    for span in spans(page):
        if ERROR.fullmatch(span):
            assert hasattr(ipybox.errors, span) or hasattr(builtins, span), span


@each_page
def test_environment_variables_exist(page: Path) -> None:
    files = [path for source in SOURCES for path in (ROOT / source).rglob("*.py")]
    known = set(re.findall(r"IPYBOX_[A-Z_]+", "".join(path.read_text() for path in files)))
    assert set(re.findall(r"IPYBOX_[A-Z_]+", page.read_text())) <= known


@each_page
def test_commands_are_accepted(page: Path) -> None:
    """Each ``ipybox`` command exists and takes its arguments; none is run."""
    blocks = "".join(text for _, text in CODE_BLOCK.findall(page.read_text()))
    lines = re.findall(r"^ipybox .+$", blocks, re.M)
    # Prose may name a command without its arguments.
    lines += [span for span in spans(page) if re.fullmatch(r"ipybox [a-z]+ .*", span)]
    group: Any = typer.main.get_command(app)
    for line in lines:
        _, name, *arguments = shlex.split(line, comments=True)
        command = group.get_command(None, name)
        assert command is not None, line
        command.make_context(name, arguments)
    for name in re.findall(r"`ipybox ([a-z]+)`", prose(page)):
        assert group.get_command(None, name) is not None, name


def test_the_docker_page_lists_every_option() -> None:
    page = (ROOT / "docs/docker.md").read_text()
    table = page.partition("| argument of")[2].partition("\n\n")[0]
    first_cells = re.findall(r"^\| (.+?) \|", table, re.M)
    listed = [name for cell in first_cells for name in SPAN.findall(cell)]
    assert sorted(listed) == sorted(ContainerOptions.__annotations__)
