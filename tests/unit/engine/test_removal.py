"""Removals by an engine that answers one thing and lists another."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from ipybox.engine import remove_until_gone
from ipybox.errors import (
    BackendError,
    ContainerNotFoundError,
    EngineGoneError,
    EngineTimeoutError,
)


async def not_found() -> None:
    raise ContainerNotFoundError("no such container")


async def broken_off() -> None:
    raise EngineGoneError("the connection broke")


async def busy() -> None:
    raise BackendError("removal is already in progress")


@pytest.mark.parametrize("remove", [not_found, broken_off])
async def test_removal_continues_while_the_container_is_listed(
    remove: Callable[[], Awaitable[None]],
) -> None:
    answers = [True, True, False]

    async def is_listed() -> bool:
        return answers.pop(0)

    await remove_until_gone(remove, 20, is_listed=is_listed)
    assert answers == []


async def test_a_container_that_stays_listed_raises() -> None:
    async def is_listed() -> bool:
        return True

    with pytest.raises(EngineTimeoutError, match="still listed"):
        await remove_until_gone(not_found, 0.1, is_listed=is_listed)


async def test_a_container_that_is_stopping_is_removed_later() -> None:
    answers = [busy, busy, not_found]

    async def remove() -> None:
        await answers.pop(0)()

    await remove_until_gone(remove, 20)
    assert answers == []
    with pytest.raises(BackendError, match="already in progress"):
        await remove_until_gone(busy, 0.1)


async def test_an_engine_that_stays_away_may_have_left_the_container_running() -> None:
    with pytest.raises(EngineGoneError, match="may still be running"):
        await remove_until_gone(broken_off, 20, engine_returns_within=0.1)
