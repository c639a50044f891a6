"""After each test: no container, volume or network of ours is left on the engine."""

from collections.abc import AsyncIterator

import pytest

from tests.engines.witness import Witness


@pytest.fixture(autouse=True)
async def _nothing_left_on_the_engine(docker: str) -> AsyncIterator[None]:
    engine = Witness(docker)
    before = await engine.everything()
    yield
    assert await engine.everything() - before == set()
