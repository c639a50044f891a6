"""Commands in a container, with an engine of the test's own."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import cast

import pytest

from ipybox.engine import Engine, Ref
from ipybox.engine.exec import MAX_POLL_INTERVAL, Exec


async def test_the_exit_code_is_asked_for_less_and_less_often(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    answers: list[int | None] = [None] * 8 + [3]
    pauses: list[float] = []

    async def exec_code(exec_id: str, what: str) -> int | None:
        return answers.pop(0)

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)

    engine = cast(Engine, SimpleNamespace(exec_code=exec_code))
    command = Exec(engine, Ref("id", "name"), ["true"], stdin=False)
    monkeypatch.setattr(asyncio, "sleep", sleep)
    assert await command.exit_code() == 3
    assert pauses == sorted(pauses)
    assert pauses[0] < MAX_POLL_INTERVAL
    assert pauses[-2:] == [MAX_POLL_INTERVAL, MAX_POLL_INTERVAL]
