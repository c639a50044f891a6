"""The checks of the suites: overrides have a reason, lists match versions, the table counts."""

from pathlib import Path

import pytest

from ipybox.authoring import Capability
from ipybox.testing import BackendConformance, SessionConformance, check, overrides
from ipybox.testing.conformance.base import Conformance
from ipybox.testing.conformance.checks import SUITE_VERSION, checks_in, parse_version
from ipybox.testing.conformance.table import Table

SUITES = {"backend": BackendConformance, "session": SessionConformance}
LISTS = sorted(Path(__file__).parent.glob("*-*.txt"))


def test_override_needs_a_reason() -> None:
    class Checks(Conformance):
        @check()
        async def test_it(self) -> None: ...

    with pytest.raises(TypeError, match=r"WithoutReason\.test_it overrides a check of Checks"):

        class WithoutReason(Checks):
            @check()
            async def test_it(self) -> None: ...

    with pytest.raises(TypeError, match=r"Removed\.test_it overrides"):

        class Removed(Checks):
            test_it = None  # type: ignore[assignment]  # an author may try to remove a check like this

    class Mixin:
        def test_it(self) -> None: ...

    with pytest.raises(TypeError, match=r"Mixin\.test_it overrides a check of Checks"):

        class Mixed(Mixin, Checks):
            pass

    with pytest.raises(TypeError, match="needs a reason"):
        overrides(" ")

    class WithReason(Checks):
        @overrides("it differs")
        async def test_it(self) -> None: ...

    assert checks_in(WithReason)["test_it"].reason == "it differs"


def test_override_of_an_unknown_check_is_refused() -> None:
    class Checks(Conformance):
        @check()
        async def test_renamed(self) -> None: ...

    with pytest.raises(TypeError, match=r"Old\.test_former is marked.*no check of that name"):

        class Old(Checks):
            @overrides("it differs")
            async def test_former(self) -> None: ...


def test_class_for_an_earlier_major_version_is_refused() -> None:
    with pytest.raises(TypeError, match=r"Old\.suite_version is '1\.0'.*renamed or removed"):

        class Old(Conformance):
            suite_version = "1.0"


def test_check_must_be_a_coroutine_function() -> None:
    with pytest.raises(TypeError, match="async def"):
        check()(lambda self: None)  # type: ignore[arg-type, return-value]  # on purpose


def test_table_counts_by_suite_and_missing_capability() -> None:
    table = Table()
    assert table.lines() == []
    table.add([], "passed")  # not a check of a suite
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
def test_list_holds_the_checks_of_its_version(path: Path) -> None:
    """A list names all checks that its version introduced; a released list never changes."""
    suite, _, version = path.stem.partition("-")
    introduced = {n for n, found in checks_in(SUITES[suite]).items() if found.since == version}
    frozen = path.read_text().split()
    assert sorted(introduced) == frozen, (
        f"The {suite} suite and {path.name} disagree about the checks of version {version}. "
        "Give a new check @check(since=…), raise SUITE_VERSION, and add a list for that version."
    )


@pytest.mark.parametrize("suite", SUITES)
def test_every_version_has_a_list(suite: str) -> None:
    versions = {found.since for found in checks_in(SUITES[suite]).values()}
    listed = {path.stem.partition("-")[2] for path in LISTS if path.stem.startswith(suite)}
    assert listed == versions


def test_suite_version_is_that_of_the_newest_check() -> None:
    checks = [found for suite in SUITES.values() for found in checks_in(suite).values()]
    assert max((found.since for found in checks), key=parse_version) == SUITE_VERSION


def test_every_capability_has_a_check() -> None:
    needs = {need for found in checks_in(BackendConformance).values() for need in found.needs}
    assert needs == set(Capability), "a capability has no check, or a check needs an unknown one"
