"""The suites themselves: gates, replaced checks, the table, and that nothing is lost."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from ipybox.authoring import Capability
from ipybox.testing import BackendConformance, SessionConformance, check, overrides
from ipybox.testing.conformance.base import Conformance
from ipybox.testing.conformance.checks import SUITE_VERSION, checks_in
from ipybox.testing.conformance.table import Table

SUITES = {"backend": BackendConformance, "session": SessionConformance}
LISTS = sorted(Path(__file__).parent.glob("*-*.txt"))

# A backend without an engine, whose containers are nothing but names.
PREAMBLE = """
import asyncio, time
import pytest
from ipybox import Availability, Backend, Capability, Container, ContainerInfo, Endpoint
from ipybox import ExitStatus, Guarantees
from ipybox.testing import check, overrides
from ipybox.testing.conformance.base import Conformance

class FakeContainer(Container):
    def __init__(self, spec, names):
        self.spec, self.names, self.found = spec, names, None
        self.ended = asyncio.Event()
    @property
    def id(self): return self.spec.name
    @property
    def endpoint(self): return self.found
    @property
    def guarantees(self): return Guarantees(isolation="none")
    async def start(self):
        self.names.append(self.id)
        self.found = Endpoint(host="127.0.0.1", port=1, token=self.spec.token)
        return self.found
    async def kill(self):
        self.found = None
        if self.id in self.names and not FakeBackend.careless:
            self.names.remove(self.id)
        self.ended.set()
    async def wait(self):
        await self.ended.wait()
        return ExitStatus(code=0)
    async def logs(self, tail=100): return []

class FakeBackend(Backend):
    name = "fake"
    capabilities = frozenset({Capability.ATTACH})
    ready = True
    careless = False
    fails_to_close = False
    def __init__(self): self.names = []
    async def __aexit__(self, *error):
        if self.fails_to_close:
            raise RuntimeError("it could not be closed")
    async def availability(self):
        return Availability(ready=self.ready, reason="it is asleep")
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
    @overrides("ours is another")
    async def test_replaced(self): await asyncio.sleep(0)
    def test_of_its_own(self): pass
"""


def run(folder: Path, text: str, *options: str, **variables: str) -> tuple[int, str]:
    """Exit code and output of pytest with a file of checks."""
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
def test_with_any_asyncio_plugin_and_gated(tmp_path: Path, options: tuple[str, ...]) -> None:
    code, output = run(tmp_path, ALL, *options)
    assert code == 0, output
    assert "4 passed, 2 skipped" in output
    (row,) = [line for line in output.splitlines() if line.startswith("TestFake ")]
    assert row.split()[1:4] == ["4", "0", "1"]  # passed, failed, overridden
    assert row.endswith("exec (1); suite_version 2.1 (1)")


FAILING = {
    "a container that is left": (
        "    @check()\n"
        "    async def test_left(self):\n"
        "        FakeBackend.careless = True\n"
        "        async with self.started(): pass\n",
        "the check left these containers behind: ['ipybox-suite-",
    ),
    "a teardown that fails": (
        "    @check()\n    async def test_it(self): FakeBackend.fails_to_close = True\n",
        "it could not be closed",
    ),
    "a shared container that is left": (
        "    @check()\n    async def test_it(self): FakeBackend.careless = True\n",
        "the shared container was left behind",
    ),
    "a blocked loop": (
        "    @check()\n    async def test_it(self): time.sleep(1.9)\n",
        "the event loop was blocked for 1",
    ),
    "a hang": (
        "    @check(seconds=0.2)\n    async def test_it(self): await asyncio.Event().wait()\n",
        "the check did not finish within 0.2 s",
    ),
    "a failure that is expected": (
        "    @pytest.mark.xfail(strict=True)\n"
        "    @check()\n    async def test_it(self): raise AssertionError('never held')\n",
        "1 xfailed",
    ),
    "a shared container that does not start": (
        "    tag = '  '\n    @check()\n    async def test_it(self): self.shared\n",
        "tag is '  '",
    ),
}


@pytest.mark.parametrize("case", FAILING)
def test_what_fails_is_not_lost(tmp_path: Path, case: str) -> None:
    body, says = FAILING[case]
    code, output = run(tmp_path, f"class TestFake(Suite):\n{body}")
    assert code == (0 if "expected" in case else 1), output
    assert says in output
    if "conformance" in output:
        (row,) = [line for line in output.splitlines() if line.startswith("TestFake ")]
        assert row.split()[1:3] == ["0", "1"]


def test_a_backend_that_is_not_ready_is_skipped_unless_required(tmp_path: Path) -> None:
    text = "FakeBackend.ready = False\n" + ALL
    code, output = run(tmp_path, text)
    assert code == 0
    assert "6 skipped" in output and "it is asleep" in output
    assert "for other reasons (6)" in output
    code, output = run(tmp_path, text, IPYBOX_REQUIRE_BACKENDS="other,fake")
    assert code == 1
    assert "6 errors" in output and "it is asleep" in output


def test_a_check_is_not_replaced_in_silence() -> None:
    class Checks(Conformance):
        @check()
        async def test_it(self) -> None: ...

    with pytest.raises(TypeError, match=r"Silent\.test_it overrides a check of Checks"):

        class Silent(Checks):
            @check()
            async def test_it(self) -> None: ...

    with pytest.raises(TypeError, match=r"Left\.test_it overrides"):

        class Left(Checks):
            test_it = None  # type: ignore[assignment]  # as somebody may do who wants it gone

    class Beside:
        def test_it(self) -> None: ...

    with pytest.raises(TypeError, match=r"Beside\.test_it overrides a check of Checks"):

        class Mixed(Beside, Checks):
            pass

    with pytest.raises(TypeError, match="needs a reason"):
        overrides(" ")

    class Told(Checks):
        @overrides("it differs")
        async def test_it(self) -> None: ...

    assert checks_in(Told)["test_it"].reason == "it differs"


def test_an_override_of_an_unknown_check_is_refused() -> None:
    class Checks(Conformance):
        @check()
        async def test_renamed(self) -> None: ...

    with pytest.raises(TypeError, match=r"Old\.test_former is marked.*no check of that name"):

        class Old(Checks):
            @overrides("it differs")
            async def test_former(self) -> None: ...


def test_a_class_of_an_earlier_major_version_is_refused() -> None:
    with pytest.raises(TypeError, match=r"Old\.suite_version is '1\.0'.*renamed or removed"):

        class Old(Conformance):
            suite_version = "1.0"


def test_a_check_is_a_coroutine_function() -> None:
    with pytest.raises(TypeError, match="async def"):
        check()(lambda self: None)  # type: ignore[arg-type, return-value]  # on purpose


def test_the_table_counts_by_suite_and_lack() -> None:
    table = Table()
    assert table.lines() == []
    table.add([], "passed")  # no check of a suite
    suite = ("ipybox_suite", "TestA")
    table.add([suite], "passed")
    table.add([suite, ("ipybox_overridden", "test_it: why")], "passed")
    table.add([suite], "failed")
    for _ in range(2):
        table.add([suite, ("ipybox_lacks", "exec")], "skipped")
    table.add([suite], "skipped")
    head, row, reason = table.lines()
    assert reason == "  overridden: test_it: why"
    assert head.split()[:4] == ["suite", "passed", "failed", "overridden"]
    assert row.split(maxsplit=4) == ["TestA", "2", "1", "1", "exec (2); for other reasons (1)"]


@pytest.mark.parametrize("path", LISTS, ids=lambda path: path.stem)
def test_new_checks_come_with_a_new_version(path: Path) -> None:
    """A list holds all checks that its version brought; a list that was released stays."""
    suite, _, version = path.stem.partition("-")
    brought = {n for n, found in checks_in(SUITES[suite]).items() if found.since == version}
    frozen = path.read_text().split()
    assert sorted(brought) == frozen, (
        f"the {suite} suite has other checks of version {version} than {path.name}. A new one "
        "comes with @check(since=…), a new SUITE_VERSION and a list of its own."
    )


@pytest.mark.parametrize("suite", SUITES)
def test_the_lists_are_complete(suite: str) -> None:
    versions = {found.since for found in checks_in(SUITES[suite]).values()}
    listed = {path.stem.partition("-")[2] for path in LISTS if path.stem.startswith(suite)}
    assert listed == versions


def test_the_version_is_that_of_the_newest_check() -> None:
    checks = [found for suite in SUITES.values() for found in checks_in(suite).values()]
    assert max(found.since for found in checks) == SUITE_VERSION


def test_each_check_needs_what_the_contract_knows() -> None:
    needs = {need for found in checks_in(BackendConformance).values() for need in found.needs}
    assert needs == set(Capability), "a capability that no check is for"
