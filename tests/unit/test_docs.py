"""Everything that the documentation names exists: links, files, names, commands, variables."""

import builtins
import functools
import importlib
import re
import shlex
import tomllib
from pathlib import Path
from typing import Any

import typer.main
from ipybox_podman.diagnosis import assess_host
from ipybox_podman.host import Host

import ipybox.errors
from ipybox.cli.main import app
from ipybox.container import ContainerOptions

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    ROOT / name for name in ("README.md", "CONTRIBUTING.md", "benchmarks/README.md")
) + sorted((ROOT / "docs").rglob("*.md"))
ARCHITECTURE = ROOT / "docs/architecture.md"
SOURCES = ("ipybox", "backends", "images", "tests", "benchmarks", "examples")
IMPORT_ROOTS = ("", "images", "backends", "tests/thirdparty")
"""Where a path such as ``ipybox_runtime/wire.py`` may be."""

SPAN = re.compile(r"`([^`\n]+)`")
CODE_BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.M | re.S)
FILE = re.compile(r"[\w./-]+\.py")
FOLDER = re.compile(r"(?:\w+/)+")
NAME = re.compile(r"[A-Za-z_]\w*(?:\.\w+)*")
DOTTED = re.compile(r"ipybox\w*(?:\.\w+)+")
IMPORT = re.compile(r"^from (ipybox[\w.]*) import (\([^)]*\)|[^\n]+)", re.M)
ERROR = re.compile(r"\w+Error")
NO_OVERLAY = {"store": {"graphDriverName": "vfs"}}
VARIABLE = re.compile(r"IPYBOX_[A-Z_]+")
FILE_AND_NAME = re.compile(r"`([\w/.-]+\.py)`:?\s\(?`([A-Za-z_][\w.]*)(?:\(\))?`")
"""A file, and right after it a name that it defines."""


def prose(page: Path) -> str:
    """Return a page without its code blocks."""
    return CODE_BLOCK.sub("", page.read_text())


def spans(page: Path) -> list[str]:
    """Return what stands between backticks on a page, without the parentheses of calls."""
    return [span.removesuffix("()") for span in SPAN.findall(prose(page))]


@functools.cache
def code(*folders: str) -> str:
    """Return the source of all modules in these folders of the repository."""
    return "".join(path.read_text() for name in folders for path in (ROOT / name).rglob("*.py"))


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


def can_be_imported(dotted: str) -> bool:
    """Return whether a dotted name stands for a module, or for an attribute in one."""
    path, *names = dotted.split(".")
    found: Any = importlib.import_module(path)
    for name in names:
        path = f"{path}.{name}"
        if not hasattr(found, name):
            try:
                importlib.import_module(path)
            except ImportError:
                return False
        found = getattr(found, name)
    return True


def test_links_lead_somewhere() -> None:
    for page in PAGES:
        for link in re.findall(r"\]\(([^)\s]+)\)", prose(page)):
            if link.startswith(("http://", "https://")):
                continue
            file, _, anchor = link.partition("#")
            target = (page.parent / file).resolve() if file else page
            assert target.exists(), f"{page.name}: {link}"
            assert not anchor or anchor in anchors(target), f"{page.name}: {link}"


def test_files_and_folders_exist() -> None:
    for page in PAGES:
        for span in spans(page):
            is_folder = FOLDER.fullmatch(span) and span.split("/")[0] in (*SOURCES, "docs")
            if is_folder or FILE.fullmatch(span):
                assert find_file(span), f"{page.name}: {span}"


def test_dotted_names_can_be_imported() -> None:
    for page in PAGES:
        for span in spans(page):
            if DOTTED.fullmatch(span) and not span.endswith((".py", ".md")):
                assert can_be_imported(span), f"{page.name}: {span}"


def test_imports_of_code_blocks_work() -> None:
    for page in PAGES:
        for module, names in IMPORT.findall(page.read_text()):
            for name in re.findall(r"\w+", re.sub(r" as \w+", "", names)):
                assert can_be_imported(f"{module}.{name}"), f"{page.name}: {module}.{name}"


def test_errors_exist() -> None:
    for page in PAGES:
        for span in filter(ERROR.fullmatch, spans(page)):
            known = hasattr(ipybox.errors, span) or hasattr(builtins, span)
            assert known, f"{page.name}: {span}"


def test_environment_variables_exist() -> None:
    known = set(VARIABLE.findall(code(*SOURCES)))
    for page in PAGES:
        assert set(VARIABLE.findall(page.read_text())) <= known, page.name


def test_commands_are_accepted() -> None:
    """Each ``ipybox`` command exists and takes its arguments; none is run."""
    group: Any = typer.main.get_command(app)
    for page in PAGES:
        blocks = "".join(text for _, text in CODE_BLOCK.findall(page.read_text()))
        lines = re.findall(r"^ipybox .+$", blocks, re.M)
        # Prose may name a command without its arguments.
        lines += [span for span in spans(page) if re.fullmatch(r"ipybox [a-z]+ .*", span)]
        for line in lines:
            _, name, *arguments = shlex.split(line, comments=True)
            command = group.get_command(None, name)
            assert command is not None, f"{page.name}: {line}"
            command.make_context(name, arguments)
        for name in re.findall(r"`ipybox ([a-z]+)`", prose(page)):
            assert group.get_command(None, name) is not None, f"{page.name}: {name}"


def test_the_docker_page_lists_every_option() -> None:
    page = (ROOT / "docs/docker.md").read_text()
    table = page.partition("| argument of")[2].partition("\n\n")[0]
    first_cells = re.findall(r"^\| (.+?) \|", table, re.M)
    listed = [name for cell in first_cells for name in SPAN.findall(cell)]
    assert sorted(listed) == sorted(ContainerOptions.__annotations__)


def test_the_podman_page_lists_the_fixes_that_doctor_prints() -> None:
    page = (ROOT / "docs/podman.md").read_text()
    table = page.partition("| finding | fix |\n|---|---|\n")[2].partition("\n\n")[0]
    fixes = [fix for row in table.splitlines()[1:] for fix in SPAN.findall(row.split(" | ")[1])]
    helpers: tuple[dict[str, bool | None], ...] = ({"newuidmap": None}, {"newuidmap": False})
    hosts = [
        Host(
            uid=1000,
            user="USER",
            helpers=found,
            controllers=controllers,
            systemd=True,
            family=family,
        )
        for family in ("debian", "fedora")
        for found in helpers
        for controllers in (None, frozenset[str]())
    ]
    findings = [finding for host in hosts for finding in assess_host(host, NO_OVERLAY)]
    remedies = "\n".join(f"{finding.remedy}" for finding in findings)
    remedies = remedies.replace("100000-165535", "FIRST-LAST")
    assert len(fixes) > 5
    assert [fix for fix in fixes if fix not in remedies] == []


def test_the_index_lists_every_page() -> None:
    index = ROOT / "docs/index.md"
    links = re.findall(r"\]\(([^)\s]+\.md)\)", index.read_text())
    listed = {(index.parent / link).resolve() for link in links}
    assert {page for page in PAGES if page.is_relative_to(index.parent)} - {index} <= listed


def test_the_architecture_page_describes_every_room() -> None:
    listed = re.findall(r"^\| `([\w/]+)/` \|", ARCHITECTURE.read_text(), re.M)
    packages = {
        path.parent.relative_to(ROOT / base).as_posix()
        for base, folder in (("", "ipybox"), ("backends", "."), ("images", "."))
        for path in (ROOT / base / folder).rglob("__init__.py")
    }
    assert sorted(listed) == sorted(packages - {"ipybox"})


def test_the_architecture_page_describes_every_module_at_the_top() -> None:
    listed = re.findall(r"^\| `(ipybox/\w+\.py)` \|", ARCHITECTURE.read_text(), re.M)
    modules = [path.relative_to(ROOT).as_posix() for path in (ROOT / "ipybox").glob("*.py")]
    assert sorted(listed) == sorted(modules)


def test_the_architecture_page_shows_the_layers_of_the_contract() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())
    (layers,) = [
        contract["layers"]
        for contract in settings["tool"]["importlinter"]["contracts"]
        if contract["type"] == "layers"
    ]
    assert "\n```\n" + "\n".join(layers) + "\n```\n" in ARCHITECTURE.read_text()


def test_names_on_the_architecture_page_occur_in_the_code() -> None:
    words = set(re.findall(r"\w+", code("ipybox", "backends", "images")))
    names = [span for span in spans(ARCHITECTURE) if NAME.fullmatch(span) and "/" not in span]
    known = [name for name in names if set(name.split(".")) <= words or find_file(name)]
    assert sorted(set(names) - set(known)) == []


def test_names_beside_a_file_occur_in_it() -> None:
    pairs = FILE_AND_NAME.findall(prose(ARCHITECTURE))
    assert len(pairs) > 50
    for file, name in pairs:
        found = find_file(file)
        words = set(re.findall(r"\w+", found.read_text())) if found else set()
        assert set(name.split(".")) <= words, f"{file} {name}"
