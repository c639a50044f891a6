"""The registry of containers that this process has started."""

import asyncio
import dataclasses

import pytest

from ipybox.gateway.started import (
    StartedContainer,
    find_container,
    find_token,
    forget,
    remember,
)
from ipybox.spec.container import Endpoint


async def _kill() -> None:
    raise AssertionError("nothing is killed here")


@pytest.fixture
async def started() -> StartedContainer:
    return StartedContainer(
        endpoint=Endpoint(host="127.0.0.1", port=1, token="t" * 40),
        ended=asyncio.get_running_loop().create_future(),
        kill=_kill,
        isolated=True,
    )


async def test_forgetting_one_entry_keeps_the_other(
    started: StartedContainer,
) -> None:
    attached = dataclasses.replace(started)
    remember(started)
    remember(attached)
    assert find_container("localhost", 1) is attached
    forget(attached)
    assert find_container("localhost", 1) is started
    assert find_token(find_container("127.0.0.1", 1)) == "t" * 40
    forget(started)
    assert find_container("localhost", 1) is None


async def test_entries_may_be_forgotten_in_any_order(started: StartedContainer) -> None:
    attached = dataclasses.replace(started)
    remember(started)
    remember(attached)
    forget(started)
    assert find_container("localhost", 1) is attached
    forget(attached)
    assert find_container("localhost", 1) is None
    forget(attached)  # again: nothing happens


@pytest.mark.parametrize(("detached", "reason"), [(False, "killed"), (True, None)])
async def test_a_container_that_was_only_released_is_not_reported_as_killed(
    started: StartedContainer, detached: bool, reason: str | None
) -> None:
    released = dataclasses.replace(started, detached=lambda: detached)
    assert released.status is None
    released.ended.cancel()
    status = await released.status_within(0)
    assert (status.reason if status else None) == reason
