"""Docker's errors as ipybox's own; no engine is asked."""

from __future__ import annotations

import asyncio
import math

import aiodocker
import aiohttp
import pytest
from ipybox_docker.errors import engine_call, map_docker_error

from ipybox import BackendError, BackendUnavailableError
from ipybox.errors import (
    ContainerNotFoundError,
    EngineGoneError,
    EngineTimeoutError,
    ImageNotFoundError,
    NameTakenError,
    PortTakenError,
)


@pytest.mark.parametrize(
    ("status", "message", "kind"),
    [
        (900, "Cannot connect", EngineGoneError),
        (
            500,
            "driver failed: Bind for 127.0.0.1:80 failed: port is already allocated",
            PortTakenError,
        ),
        (500, "listen tcp4 127.0.0.1:80: bind: address already in use", PortTakenError),
        (409, 'Conflict. The container name "/x" is already in use by container', NameTakenError),
        (500, "write /var: no space left on device", BackendError),
        (404, "No such container: x", ContainerNotFoundError),
        (404, "No such image: x", ImageNotFoundError),
        (403, "no", BackendUnavailableError),
        (500, "whatever", BackendError),
    ],
)
def test_the_engines_message_decides_the_kind_of_error(
    status: int, message: str, kind: type[BackendError]
) -> None:
    error = map_docker_error("do it", aiodocker.DockerError(status, message))
    assert type(error) is kind
    assert message in str(error)


def _all_errors(root: type[BaseException]) -> list[type[BaseException]]:
    return [root, *(found for child in root.__subclasses__() for found in _all_errors(child))]


async def test_no_foreign_error_leaves_an_engine_call() -> None:
    """Every error of the libraries below, made without its constructor."""
    kinds = [*_all_errors(aiodocker.DockerError), *_all_errors(aiohttp.ClientError)]
    assert len(kinds) > 20
    for kind in kinds:
        with pytest.raises(BackendError):
            async with engine_call("do it", 30):
                raise type(kind.__name__, (kind,), {"__init__": _init, "__str__": _text})()


def _init(self: BaseException) -> None:
    self.status, self.message = 500, "m"  # type: ignore[attr-defined]


def _text(self: BaseException) -> str:
    return "m"


async def test_a_call_that_takes_too_long_raises() -> None:
    with pytest.raises(EngineTimeoutError, match="did not do it within 0 s"):
        async with engine_call("do it", 0.01):
            await asyncio.sleep(10)


@pytest.mark.parametrize("timeout", [30, math.inf])
async def test_a_timeout_of_the_caller_stays_what_it_is(timeout: float) -> None:
    with pytest.raises(TimeoutError) as caught:
        async with asyncio.timeout(0.01):
            async with engine_call("do it", timeout):
                await asyncio.sleep(10)
    assert not isinstance(caught.value, BackendError)
