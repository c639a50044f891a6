"""Each test on each engine; after each, no container, volume or network of ours is left."""

from collections.abc import AsyncIterator, Iterator

import pytest

from ipybox import ExecutionContainer
from tests.conftest import need_in_turn
from tests.engines.witness import Witness


@pytest.fixture(scope="module", params=["docker", "podman"])
def engine(request: pytest.FixtureRequest) -> Iterator[Witness]:
    need_in_turn(request.param)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("IPYBOX_BACKEND", request.param)
        yield Witness(request.param)


@pytest.fixture(autouse=True)
async def _nothing_left_on_the_engine(engine: Witness) -> AsyncIterator[None]:
    before = await engine.everything()
    yield
    assert await engine.everything() - before == set()


@pytest.fixture(scope="module")
async def container(engine: Witness) -> AsyncIterator[ExecutionContainer]:
    async with ExecutionContainer() as running:
        yield running
