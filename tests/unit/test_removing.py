"""Removals by an engine that says one thing and lists another."""

from __future__ import annotations

import pytest

from ipybox.authoring import until_gone
from ipybox.errors import ContainerNotFoundError, EngineGoneError, EngineTimeoutError


async def refused() -> None:
    raise ContainerNotFoundError("no such container")


async def broken_off() -> None:
    raise EngineGoneError("the connection broke")


@pytest.mark.parametrize("remove", [refused, broken_off])
async def test_what_is_listed_is_not_gone(remove: object) -> None:
    answers = [True, True, False]

    async def listed() -> bool:
        return answers.pop(0)

    await until_gone(remove, 20, listed=listed)  # type: ignore[arg-type]
    assert answers == []


async def test_what_stays_listed_is_told() -> None:
    async def listed() -> bool:
        return True

    with pytest.raises(EngineTimeoutError, match="still listed"):
        await until_gone(refused, 0.1, listed=listed)
