"""Assessment of what a container guarantees, and the documented keys of its details."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import pytest

from ipybox import Bind, Guarantees, Resources
from ipybox.authoring import CONCERNS, ContainerSpec, Probe, assess_guarantees, bind_concern

GOOD = Probe(
    user=1000, group=1000, capabilities=0, no_new_privileges=True, seccomp=2,
    memory_bytes=4 * 2**30, pids=2048, mounts={"/": True},
)  # fmt: skip


def test_the_docstring_lists_every_concern() -> None:
    """The docstring lists nothing else, apart from the key of a read-only bind."""
    (entries,) = re.findall(r"details:.*?probe:", Guarantees.__doc__ or "", re.DOTALL)
    items = "".join(re.findall(r"^ +- (.*?):", entries, re.MULTILINE))
    assert set(re.findall(r'"(.+?)"', items)) == {*CONCERNS, bind_concern("PATH")}


def test_an_assessment_uses_the_documented_keys(tmp_path: Path) -> None:
    spec = ContainerSpec(
        binds=(Bind(host_path=tmp_path, container_path="data", read_only=True),),
        resources=Resources(cpus=1),
        read_only_root=True,
    )
    probe = Probe(user=0, group=0, capabilities=0, no_new_privileges=True, seccomp=2)
    found = assess_guarantees(spec, probe, "container")
    assert set(found.details) == {*CONCERNS, bind_concern("data")}


def test_nothing_is_unmet_if_all_defaults_are_enforced() -> None:
    found = assess_guarantees(ContainerSpec(), GOOD, "container")
    assert found.unmet == ()
    assert found.details["capabilities"] == "enforced"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"user": 0}, "runs as root"),
        ({"capabilities": 0x2000}, "0x2000"),
        ({"no_new_privileges": False}, "no_new_privs"),
        ({"seccomp": 0}, "mode 0"),
        ({"memory_bytes": None}, "memory_bytes: found no limit"),
        ({"memory_bytes": 8 * 2**30}, "memory_bytes: found 8589934592"),
        ({"pids": None}, "pids"),
    ],
)
def test_each_default_that_is_not_enforced_is_unmet(change: dict[str, object], reason: str) -> None:
    probe = dataclasses.replace(GOOD, **change)  # type: ignore[arg-type]
    (unmet,) = assess_guarantees(ContainerSpec(), probe, "container").unmet
    assert reason in unmet


def test_the_remedy_for_limits_is_given_only_if_a_limit_is_unmet() -> None:
    spec, remedy = ContainerSpec(), "delegate the controllers"
    without_limit = dataclasses.replace(GOOD, pids=None)
    assert assess_guarantees(spec, without_limit, "container", remedy).unmet[-1] == remedy
    as_root = dataclasses.replace(GOOD, user=0)
    assert remedy not in assess_guarantees(spec, as_root, "container", remedy).unmet


def test_what_the_spec_asks_for_is_assessed() -> None:
    bind = Bind(host_path=Path("/x"), container_path="a/b", read_only=True)
    spec = ContainerSpec(read_only_root=True, binds=(bind,), resources=Resources(cpus=2))
    assert len(assess_guarantees(spec, GOOD, "container").unmet) == 3
    probe = dataclasses.replace(GOOD, cpus=2.0, mounts={"/": False, "/app/a/b": False})
    assert assess_guarantees(spec, probe, "container").unmet == ()


def test_root_is_not_unmet_if_it_was_asked_for() -> None:
    root = dataclasses.replace(GOOD, user=0)
    assert assess_guarantees(ContainerSpec(user="0:0"), root, "container").unmet == ()


def test_without_a_probe_nothing_is_guaranteed() -> None:
    found = assess_guarantees(ContainerSpec(), None, "container")
    assert found.unmet == ("nothing was measured",)
    assert found.details == {}
