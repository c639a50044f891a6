"""Owners of containers, and the labels that record them."""

import dataclasses

import pytest

from ipybox.authoring import ContainerSpec, Owner, is_abandoned, labels_for


def test_this_process_is_not_dead() -> None:
    assert not Owner.current().is_dead


@pytest.mark.parametrize(
    ("change", "dead"),
    [
        ({"started": "1"}, True),  # another process has the pid now
        ({"boot": "x"}, True),  # this machine, before it was rebooted
        ({"boot": "x", "machine": "y"}, False),  # another machine
        ({"namespace": "x", "started": "1"}, False),  # a PID namespace that can't be examined
    ],
)
def test_an_owner_is_dead_only_if_that_is_certain(change: dict[str, str], dead: bool) -> None:
    assert dataclasses.replace(Owner.current(), **change).is_dead == dead  # type: ignore[arg-type]


@pytest.mark.parametrize("text", ["", "a/b", "a/b/c/d/e", "a/b/c/1/e/f"])
def test_other_text_is_not_parsed_as_an_owner(text: str) -> None:
    assert Owner.parse(text) is None


def test_an_owner_is_parsed_from_its_str_form() -> None:
    assert Owner.parse(str(Owner.current())) == Owner.current()


def test_a_container_is_abandoned_if_it_has_a_lease_and_its_owner_is_dead() -> None:
    dead = {"ipybox.owner": str(dataclasses.replace(Owner.current(), started="1"))}
    labels = labels_for(ContainerSpec())
    assert not is_abandoned(labels)
    assert is_abandoned({**labels, **dead})
    assert not is_abandoned({**labels_for(ContainerSpec(lease=None)), **dead})
    assert not is_abandoned({})
