"""The distribution: what is in it, what it needs, what importing it costs."""

import ast
import re
import subprocess
import sys
import tomllib
import zipfile
from importlib import metadata
from importlib.metadata import entry_points
from pathlib import Path

import ipybox_runtime
import pytest

import ipybox
from ipybox.gateway import versions

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation",
         "--wheel-dir", str(folder), str(ROOT)],
        check=True, timeout=100,
    )  # fmt: skip
    return zipfile.ZipFile(next(folder.glob("ipybox-*.whl")))


PACKAGES = (
    "ipybox", "ipybox_docker", "ipybox_images", "ipybox_local", "ipybox_podman", "ipybox_runtime",
)  # fmt: skip


@pytest.mark.slow
def test_wheel_holds_every_package_and_nothing_else(wheel: zipfile.ZipFile) -> None:
    names = set(wheel.namelist())
    for package in PACKAGES:
        assert {f"{package}/__init__.py", f"{package}/py.typed"} <= names
    sources = {
        str(path.relative_to(top))
        for top in (ROOT, ROOT / "backends", ROOT / "images")
        for package in PACKAGES
        for path in (top / package).rglob("*.py")
    }
    assert {name for name in names if name.endswith(".py")} == sources
    assert any(name.endswith("licenses/LICENSE") for name in names)


def test_built_ins_are_entry_points() -> None:
    found = {point.name: point.value for point in entry_points(group="ipybox")}
    assert found.items() >= PROJECT["entry-points"]["ipybox"].items()


def test_every_backend_has_an_extra() -> None:
    assert {"local", "docker", "podman", "all"} <= set(PROJECT["optional-dependencies"])


def test_import_loads_nothing_heavy() -> None:
    code = "import sys, ipybox; print('\\n'.join(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    loaded = {name.partition(".")[0] for name in done.stdout.split()}
    heavy = {"httpx", "websockets", "PIL", "typer", "rich", "prompt_toolkit", "aiodocker",
             "podman", "tornado", "zmq", "ipybox_local", "ipybox_runtime"}  # fmt: skip
    assert not loaded & heavy
    assert "msgspec" in loaded


def test_all_lists_every_public_name() -> None:
    import ipybox

    public = {
        name
        for name, value in vars(ipybox).items()
        if not name.startswith("_") and not isinstance(value, type(sys))
    }
    assert public == set(ipybox.__all__)
    assert len(ipybox.__all__) == len(public)


def test_pins_cover_what_is_installed_and_name_no_address() -> None:
    text = (ROOT / "constraints.txt").read_text()
    assert not re.search(r"https?:|://|@", text)
    pins = {line.split("==")[0].lower().replace("_", "-") for line in text.split()}
    direct = [*PROJECT["dependencies"]]
    for extra in PROJECT["optional-dependencies"].values():
        direct += extra
    names = {re.split(r"[\[>=<]", item)[0] for item in direct} - {"ipybox"}
    assert names <= pins


def test_modules_stay_small() -> None:
    """At most 350 lines without docstrings, which may be as long as a contract needs, and at
    most 500 with them."""
    tops = ("ipybox", "backends", "images", "benchmarks")
    long = {}
    for path in (path for top in tops for path in (ROOT / top).rglob("*.py")):
        text = path.read_text()
        lines = len(text.splitlines())
        code = lines - sum(
            expression.end_lineno - expression.lineno + 1
            for expression in ast.walk(ast.parse(text))
            if isinstance(expression, ast.Expr)
            and isinstance(expression.value, ast.Constant)
            and isinstance(expression.value.value, str)
            and expression.end_lineno is not None
        )
        if code > 350 or lines > 500:
            long[str(path.relative_to(ROOT))] = (code, lines)
    assert not long


def test_library_and_runtime_have_one_version_and_one_protocol() -> None:
    """The runtime holds the version; the distribution's metadata and the library follow it."""
    assert metadata.version("ipybox") == ipybox_runtime.RUNTIME_VERSION
    assert ipybox.__version__ == versions.VERSION == ipybox_runtime.RUNTIME_VERSION
    assert versions.PROTOCOL == ipybox_runtime.PROTOCOL
    assert versions.RESUME_SUBPROTOCOL == ipybox_runtime.RESUME_SUBPROTOCOL
