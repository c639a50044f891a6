"""After each test: no container, volume or network of ours is left on the engine."""

from collections.abc import AsyncIterator, Iterator

import pytest

from ipybox import ExecutionClient, ExecutionContainer
from tests.docker.witness import everything


@pytest.fixture(autouse=True)
def _nothing_left_on_the_engine(docker: str) -> Iterator[None]:
    before = everything()
    yield
    assert everything() - before == set()


@pytest.fixture(scope="module")
async def container(docker: str) -> AsyncIterator[ExecutionContainer]:
    async with ExecutionContainer() as running:
        yield running


@pytest.fixture
async def client(container: ExecutionContainer) -> AsyncIterator[ExecutionClient]:
    async with ExecutionClient(container.port) as connected:
        yield connected
