"""Run each test on each engine, and check after each test that it has left nothing there."""

from collections.abc import AsyncIterator, Iterator

import pytest

from ipybox import ExecutionContainer
from tests.conftest import need_in_turn
from tests.engines.engine_cli import EngineCli


@pytest.fixture(scope="module", params=["docker", "podman"])
def engine(request: pytest.FixtureRequest) -> Iterator[EngineCli]:
    need_in_turn(request.param)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("IPYBOX_BACKEND", request.param)
        yield EngineCli(request.param)


@pytest.fixture(autouse=True)
async def _nothing_left_on_the_engine(engine: EngineCli) -> AsyncIterator[None]:
    before = await engine.everything()
    yield
    assert await engine.everything() - before == set()


@pytest.fixture(scope="module")
async def container(engine: EngineCli) -> AsyncIterator[ExecutionContainer]:
    async with ExecutionContainer() as running:
        yield running
