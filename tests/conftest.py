"""Fixtures for all tests: backends, and checks that each test leaves nothing behind."""

import asyncio
import dataclasses
import inspect
import os
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from ipybox import ExecutionClient, ExecutionContainer
from ipybox.authoring import OWNER_LABEL, Capability, ContainerSpec, Owner
from ipybox.errors import IpyboxError
from ipybox.plugins.registry import PluginRegistry
from ipybox.plugins.selection import choose_backend, load_backend
from ipybox.testing import FaultTrials, LoopWatch

BACKENDS = ("local", "docker", "podman")
REQUIRED = set(filter(None, os.environ.get("IPYBOX_REQUIRE_BACKENDS", "").split(",")))
ELSEWHERE = set(filter(None, os.environ.get("IPYBOX_TESTED_ELSEWHERE", "").split(",")))
BLOCKED_SECONDS = 1.0

_state: dict[str, str | None] = {}


ENGINE_FIXTURES = {"docker", "podman", "engine"}
STARTING_FIXTURES = {"backend", "container", "local"}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark tests by what their fixtures start: ``engine`` and ``slow``."""
    for item in items:
        fixtures = set(getattr(item, "fixturenames", ()))
        if _needs_engine(item, fixtures):
            item.add_marker("engine")
        if fixtures & STARTING_FIXTURES:
            item.add_marker("slow")


def _needs_engine(item: pytest.Item, fixtures: set[str]) -> bool:
    if fixtures & ENGINE_FIXTURES:
        return True
    parameters = getattr(getattr(item, "callspec", None), "params", {})
    if parameters.get("backend") in ("docker", "podman"):
        return True
    suite = getattr(item, "cls", None)
    return Capability.ISOLATION in getattr(suite, "capabilities", ())


def why_not_ready(name: str) -> str | None:
    """Return the reason why a backend can't be used here, or None if it can."""
    if name not in _state:
        try:
            asyncio.run(choose_backend(name))
            _state[name] = None
        except IpyboxError as error:
            _state[name] = str(error)
    return _state[name]


def pytest_configure(config: pytest.Config) -> None:
    unknown = REQUIRED - set(BACKENDS)
    if unknown:
        raise pytest.UsageError(
            f"IPYBOX_REQUIRE_BACKENDS has unknown names: {sorted(unknown)}. Known: {BACKENDS}."
        )
    # Temporary folders go into a folder of this run, where leftovers are easy to find.
    folder = tempfile.mkdtemp(prefix="ipybox-tests-")
    config.stash[_temporary] = folder
    os.environ["TMPDIR"] = tempfile.tempdir = folder


def pytest_unconfigure(config: pytest.Config) -> None:
    import shutil

    shutil.rmtree(config.stash[_temporary], ignore_errors=True)


_temporary: pytest.StashKey[str] = pytest.StashKey()


@pytest.fixture(scope="session", autouse=True)
def _read_only_root() -> Iterator[None]:
    """Give all containers a read-only root if IPYBOX_TEST_READ_ONLY is 1."""
    with pytest.MonkeyPatch.context() as patch:
        if os.environ.get("IPYBOX_TEST_READ_ONLY") == "1":
            prepare = PluginRegistry.prepare_spec

            def read_only(plugins: PluginRegistry, spec: ContainerSpec) -> ContainerSpec:
                return dataclasses.replace(prepare(plugins, spec), read_only_root=True)

            patch.setattr(PluginRegistry, "prepare_spec", read_only)
        yield


def need(name: str) -> None:
    """Skip the test if the backend is not ready, or fail if it is required."""
    reason = why_not_ready(name)
    if reason is None:
        return
    if name in REQUIRED:
        pytest.fail(f"{name} is required (IPYBOX_REQUIRE_BACKENDS): {reason}")
    pytest.skip(f"{name}: {reason}")


def need_in_turn(name: str) -> None:
    """Do the same as :func:`need` for a test that runs once per backend.

    IPYBOX_TESTED_ELSEWHERE names the backends whose runs belong to another job: in continuous
    integration, an ordinary user runs Podman's.
    """
    if name in ELSEWHERE:
        pytest.skip(f"{name}: runs in another job (IPYBOX_TESTED_ELSEWHERE)")
    need(name)


@pytest.fixture(scope="module", params=BACKENDS)
def backend(request: pytest.FixtureRequest) -> Iterator[str]:
    """Return the name of a ready backend; IPYBOX_BACKEND is set to it."""
    name: str = request.param
    need_in_turn(name)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("IPYBOX_BACKEND", name)
        yield name
    assert asyncio.run(own_containers(name)) == []


async def own_containers(name: str) -> list[str]:
    """Return the names of the containers that this process has left on an engine."""
    backend = load_backend(name)
    if Capability.ATTACH not in backend.capabilities:
        return []
    async with backend:
        own = str(Owner.current())
        return [i.name for i in await backend.list() if i.labels.get(OWNER_LABEL) == own]


@pytest.fixture(scope="module")
async def container(backend: str) -> AsyncIterator[ExecutionContainer]:
    """Start one container for all tests of a module; each test connects its own clients."""
    async with ExecutionContainer(backend=backend) as running:
        yield running


@pytest.fixture
async def client(container: ExecutionContainer) -> AsyncIterator[ExecutionClient]:
    async with ExecutionClient(container.port) as connected:
        yield connected


@pytest.fixture
def local(monkeypatch: pytest.MonkeyPatch) -> str:
    """Select the local backend, for tests of that backend only."""
    need("local")
    monkeypatch.setenv("IPYBOX_BACKEND", "local")
    return "local"


@pytest.fixture(scope="module")
def docker() -> Iterator[str]:
    """Select the Docker backend, for tests of that backend only."""
    need("docker")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("IPYBOX_BACKEND", "docker")
        yield "docker"


@pytest.fixture(scope="module")
def podman() -> Iterator[str]:
    """Select the Podman backend, for tests of that backend only."""
    need("podman")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("IPYBOX_BACKEND", "podman")
        yield "podman"


def children() -> dict[int, str]:
    """Return the running children of this process, with their command lines (Linux)."""
    found = {}
    for pid in _child_pids():
        process = Path(f"/proc/{pid}")
        try:
            state = (process / "stat").read_text().rpartition(")")[2].split()[0]
            command = (process / "cmdline").read_bytes()
        except OSError:
            continue
        if state != "Z":
            found[pid] = command.replace(b"\0", b" ").decode(errors="replace")
    return found


def _child_pids() -> list[int]:
    """Return the children that the kernel lists, or that /proc shows if it keeps no list."""
    tasks = [*Path("/proc/self/task").glob("*/children")]
    if tasks:
        return [int(pid) for task in tasks for pid in _read(task).split()]
    parents = {entry.name: _read(entry / "stat").rpartition(")")[2].split()[1:2]
               for entry in Path("/proc").glob("[0-9]*")}  # fmt: skip
    return [int(pid) for pid, parent in parents.items() if parent == [str(os.getpid())]]


def _read(path: Path) -> str:
    """Return the text of a file, or "" if it is gone."""
    try:
        return path.read_text()
    except OSError:
        return ""


def leftovers() -> list[str]:
    temporary = Path(tempfile.gettempdir())
    folders = [str(path) for name in ("ipybox-*", "toy-*") for path in temporary.glob(name)]
    return folders + [f"{pid}: {command}" for pid, command in children().items()]


@pytest.fixture(autouse=True)
def _nothing_left_behind() -> Iterator[None]:
    before = set(leftovers())
    yield
    assert sorted(set(leftovers()) - before) == []


@pytest.fixture(autouse=True)
async def _loop_never_blocked(request: pytest.FixtureRequest) -> AsyncIterator[None]:
    """Fail an async test that blocked the event loop for a second."""
    on_purpose = request.node.get_closest_marker("blocks") is not None
    if on_purpose or not inspect.iscoroutinefunction(request.function):
        yield
        return
    async with LoopWatch() as watch:
        yield
    assert watch.longest < BLOCKED_SECONDS, f"the event loop was blocked for {watch.longest:.2f} s"


_rows: dict[str, FaultTrials] = {}


@pytest.fixture
def faults(request: pytest.FixtureRequest) -> FaultTrials:
    """Return the row of this test in the table that the run ends with."""
    name = request.node.name.removeprefix("test_").replace("_", " ")
    return _rows.setdefault(name, FaultTrials())


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if not _rows:
        return
    terminalreporter.section("faults")
    terminalreporter.write_line(f"{'fault':<60} {'tries':>5} {'hangs':>5} {'slowest':>8}")
    for name, row in sorted(_rows.items()):
        line = f"{name[:60]:<60} {row.count:>5} {row.hangs:>5} {row.slowest:>7.2f}s"
        terminalreporter.write_line(line)
