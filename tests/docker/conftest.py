"""After each test: no container, volume or network of ours is left on the engine."""

from collections.abc import Iterator

import pytest

from tests.engines.witness import Witness


@pytest.fixture(autouse=True)
def _nothing_left_on_the_engine(docker: str) -> Iterator[None]:
    engine = Witness(docker)
    before = engine.everything()
    yield
    assert engine.everything() - before == set()
