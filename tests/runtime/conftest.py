"""Backends for the tests of the runtime in the container."""

import asyncio
from collections.abc import Iterator

import pytest

from tests.conftest import BACKENDS, need, own_containers


@pytest.fixture(scope="module", params=BACKENDS)
def backend(request: pytest.FixtureRequest) -> Iterator[str]:
    """Return the name of each ready backend in turn; IPYBOX_BACKEND is set to it.

    Like the conformance suites, these tests ignore IPYBOX_TESTED_ELSEWHERE: they run on
    root's Podman as well as on an ordinary user's.
    """
    name: str = request.param
    need(name)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("IPYBOX_BACKEND", name)
        yield name
    assert asyncio.run(own_containers(name)) == []
