"""Where an engine runs, and which user runs the code there."""

from __future__ import annotations

from pathlib import Path

import pytest

from ipybox import BackendUnavailableError, Bind
from ipybox.authoring import ContainerSpec
from ipybox.engine import Placement, at_host, container_user, engine_cache

HERE = Placement()
BIND = Bind(host_path=Path("/host"), container_path="x")
READ_ONLY = Bind(host_path=Path("/host"), container_path="y", read_only=True)


@pytest.mark.parametrize(
    ("spec", "placement", "uid", "user"),
    [
        (ContainerSpec(), HERE, 1000, None),
        (ContainerSpec(user="5:6", binds=(BIND,)), HERE, 1000, "5:6"),
        (ContainerSpec(binds=(BIND,)), HERE, 1000, "1000:1000"),
        (ContainerSpec(binds=(BIND,)), HERE, 0, "0:0"),
        (ContainerSpec(binds=(READ_ONLY,)), HERE, 0, None),
        (ContainerSpec(binds=(READ_ONLY, BIND)), HERE, 0, "0:0"),
        (ContainerSpec(binds=(BIND,)), Placement(rootless=True), 1000, "0:0"),
        (ContainerSpec(binds=(BIND,)), Placement(local=False), 1000, None),
    ],
)
def test_with_binds_the_code_runs_as_the_hosts_user(
    spec: ContainerSpec, placement: Placement, uid: int, user: str | None
) -> None:
    assert container_user(spec, placement, uid, uid) == user


def test_an_engine_on_loopback_is_local() -> None:
    assert at_host("127.0.0.1", rootless=True) == Placement(rootless=True)


def test_an_engine_on_another_host_publishes_there() -> None:
    assert at_host("192.0.2.7", rootless=False) == Placement(
        publish_on="192.0.2.7", host="192.0.2.7", local=False, host_names=("192.0.2.7",)
    )


def test_a_host_without_an_address_raises() -> None:
    with pytest.raises(BackendUnavailableError, match=r"Cannot resolve .*no-such-host\.invalid"):
        at_host("no-such-host.invalid", rootless=False)


def test_clients_of_one_engine_share_its_cache() -> None:
    cache = engine_cache("Test", "unix:///a")
    assert engine_cache("Test", "unix:///a") is cache
    assert engine_cache("Test", "unix:///b") is not cache
    assert engine_cache("Other", "unix:///a") is not cache
