"""Check after each test that it has left nothing on the engine."""

from collections.abc import AsyncIterator

import pytest

from tests.engines.engine_cli import EngineCli


@pytest.fixture(autouse=True)
async def _nothing_left_on_the_engine(docker: str) -> AsyncIterator[None]:
    engine = EngineCli(docker)
    before = await engine.everything()
    yield
    assert await engine.everything() - before == set()
