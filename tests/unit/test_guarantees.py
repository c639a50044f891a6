"""The keys of ``Guarantees.details``: one list for the type, the docstring and the backends."""

from __future__ import annotations

import re
from pathlib import Path

from ipybox import Bind, Guarantees, Resources
from ipybox.authoring import ContainerSpec
from ipybox.runtime.guarantees import judge
from ipybox.spec.status import CONCERNS, Probe, bind_concern


def test_the_docstring_lists_every_concern() -> None:
    """It lists nothing else, apart from the key of a read-only bind."""
    (entries,) = re.findall(r"details:.*?probe:", Guarantees.__doc__ or "", re.DOTALL)
    items = "".join(re.findall(r"^ +- (.*?):", entries, re.MULTILINE))
    assert set(re.findall(r'"(.+?)"', items)) == {*CONCERNS, bind_concern("PATH")}


def test_what_is_measured_uses_the_documented_keys(tmp_path: Path) -> None:
    spec = ContainerSpec(
        binds=(Bind(host_path=tmp_path, container_path="data", read_only=True),),
        resources=Resources(cpus=1),
        read_only_root=True,
    )
    probe = Probe(user=0, group=0, capabilities=0, no_new_privileges=True, seccomp=2)
    found = judge(spec, probe, "container")
    assert set(found.details) == {*CONCERNS, bind_concern("data")}
