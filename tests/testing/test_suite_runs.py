"""The suites as pytest runs them: gates, overrides, the table, and no failure is lost."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

# A backend without an engine; its containers are only names.
PREAMBLE = """
import asyncio, time
import pytest
from ipybox import Guarantees
from ipybox.authoring import Availability, Backend, Capability, Container, ContainerInfo
from ipybox.authoring import Endpoint, ExitStatus
from ipybox.testing import check, overrides
from ipybox.testing.conformance.base import Conformance

class FakeContainer(Container):
    def __init__(self, spec, names):
        self.spec, self.names, self.found = spec, names, None
        self.exited = asyncio.Event()
    @property
    def id(self): return self.spec.name
    @property
    def endpoint(self): return self.found
    @property
    def guarantees(self): return Guarantees(isolation="none")
    async def start(self):
        if FakeBackend.fails_to_start:
            raise RuntimeError("the container could not be started")
        self.names.append(self.id)
        self.found = Endpoint(host="127.0.0.1", port=1, token=self.spec.token)
        return self.found
    async def kill(self):
        self.found = None
        if self.id in self.names and not FakeBackend.careless:
            self.names.remove(self.id)
        self.exited.set()
    async def wait(self):
        await self.exited.wait()
        return ExitStatus(code=0)
    async def logs(self, tail=100): return []

class FakeBackend(Backend):
    name = "fake"
    capabilities = frozenset({Capability.ATTACH})
    ready = True
    careless = False
    fails_to_start = False
    fails_to_close = False
    def __init__(self): self.names = []
    async def __aexit__(self, *error):
        if self.fails_to_close:
            raise RuntimeError("the backend could not be closed")
    async def availability(self):
        return Availability(ready=self.ready, reason="the engine is asleep")
    async def create(self, spec): return FakeContainer(spec, self.names)
    async def list(self):
        return [ContainerInfo(id=n, name=n, state="", image="", created=0.0) for n in self.names]

class Suite(Conformance):
    capabilities = FakeBackend.capabilities
    @pytest.fixture(scope="class")
    @classmethod
    def backend(cls): return FakeBackend()
"""

ALL = """
class Checks(Suite):
    @check()
    async def test_shared(self):
        assert self.shared.endpoint.port == 1
    @check(Capability.EXEC)
    async def test_needs_exec(self):
        raise AssertionError("never")
    @check(since="2.1")
    async def test_newer(self):
        raise AssertionError("never")
    @check()
    async def test_replaced(self):
        raise AssertionError("never")
    @check()
    async def test_loop(self):
        await asyncio.sleep(0.01)
        async with self.started() as container:
            assert container.endpoint

class TestFake(Checks):
    suite_version = "2.0"
    @overrides("this backend differs")
    async def test_replaced(self): await asyncio.sleep(0)
    def test_of_the_author(self): pass
"""


def run(folder: Path, text: str, *options: str, **variables: str) -> tuple[int, str]:
    """Run pytest with a file of checks and return its exit code and output."""
    settings = "" if "no:asyncio" in options else "asyncio_default_fixture_loop_scope = function"
    (folder / "pytest.ini").write_text(f"[pytest]\n{settings}\n")
    (folder / "test_it.py").write_text(PREAMBLE + text)
    done = subprocess.run(
        [sys.executable, "-W", "error", "-m", "pytest", "-rA", "-q", *options],
        cwd=folder,
        env={**os.environ, "IPYBOX_REQUIRE_BACKENDS": "", **variables},
        capture_output=True,
        text=True,
        timeout=100,
    )
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize(
    "options",
    [("-p", "no:asyncio"), ("-o", "asyncio_mode=strict"), ("-o", "asyncio_mode=auto")],
    ids=["without", "strict", "auto"],
)
def test_checks_are_gated_with_any_asyncio_plugin(tmp_path: Path, options: tuple[str, ...]) -> None:
    code, output = run(tmp_path, ALL, *options)
    assert code == 0, output
    assert "4 passed, 2 skipped" in output
    (row,) = [line for line in output.splitlines() if line.startswith("TestFake ")]
    assert row.split()[1:4] == ["4", "0", "1"]  # passed, failed, overridden
    assert row.endswith("exec (1); suite_version 2.1 (1)")


FAILING = {
    "leftover container": (
        "    @check()\n"
        "    async def test_left(self):\n"
        "        FakeBackend.careless = True\n"
        "        async with self.started(): pass\n",
        "the check left these containers behind: ['ipybox-suite-",
    ),
    "failing teardown": (
        "    @check()\n    async def test_it(self): FakeBackend.fails_to_close = True\n",
        "the backend could not be closed",
    ),
    "leftover shared container": (
        "    @check()\n    async def test_it(self): FakeBackend.careless = True\n",
        "the shared container was left behind",
    ),
    "blocked loop": (
        "    @check()\n    async def test_it(self): time.sleep(1.9)\n",
        "the event loop was blocked for 1",
    ),
    "hang": (
        "    @check(seconds=0.2)\n    async def test_it(self): await asyncio.Event().wait()\n",
        "the check did not finish within 0.2 s",
    ),
    "expected failure": (
        "    @pytest.mark.xfail(strict=True)\n"
        "    @check()\n    async def test_it(self): raise AssertionError('never held')\n",
        "1 xfailed",
    ),
    "invalid image name": (
        "    tag = '  '\n    @check()\n    async def test_it(self): pass\n",
        "InvalidArgumentError: tag",
    ),
    "shared container that does not start": (
        "    @check()\n    async def test_it(self): self.shared\n"
        "FakeBackend.fails_to_start = True\n",
        "the shared container did not start",
    ),
}


@pytest.mark.parametrize("case", FAILING)
def test_failure_is_reported(tmp_path: Path, case: str) -> None:
    body, says = FAILING[case]
    code, output = run(tmp_path, f"class TestFake(Suite):\n{body}")
    assert code == (0 if case == "expected failure" else 1), output
    assert says in output
    if "conformance" in output:
        (row,) = [line for line in output.splitlines() if line.startswith("TestFake ")]
        assert row.split()[1:3] == ["0", "1"]


def test_backend_that_is_not_ready_is_skipped_unless_required(tmp_path: Path) -> None:
    text = "FakeBackend.ready = False\n" + ALL
    code, output = run(tmp_path, text)
    assert code == 0
    assert "6 skipped" in output and "the engine is asleep" in output
    assert "for other reasons (6)" in output
    code, output = run(tmp_path, text, IPYBOX_REQUIRE_BACKENDS="other,fake")
    assert code == 1
    assert "6 errors" in output and "the engine is asleep" in output
