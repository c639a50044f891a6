"""Docker's errors as ipybox's own. No error of aiodocker or aiohttp leaves this package."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiodocker
import aiohttp

from ipybox import BackendError
from ipybox.engine import call_timed_out, map_engine_error
from ipybox.errors import EngineGoneError

NOT_CONNECTED = 900
"""The status of aiodocker's own error for an engine that cannot be reached."""


@asynccontextmanager
async def engine_call(what: str, timeout: float) -> AsyncIterator[None]:
    """Limit a call to the engine in time, and turn its errors into ipybox's own.

    Args:
        what: What the engine is asked to do, as in "start the container ipybox-1".
        timeout: Seconds; ``math.inf`` for no limit.

    Raises:
        EngineTimeoutError: If the time is up, or a connection cannot be opened in time.
        EngineGoneError: If the engine cannot be reached, or closes the connection.
        BackendError: If the engine refuses; see :func:`ipybox.engine.map_engine_error`.
    """
    deadline = asyncio.timeout(None if timeout == math.inf else timeout)
    try:
        async with deadline:
            yield
    except TimeoutError as error:
        if not deadline.expired() and not isinstance(error, aiohttp.ClientError):
            raise  # a time limit of the caller's
        raise call_timed_out("Docker", what, timeout) from error
    except aiodocker.DockerError as error:
        raise map_docker_error(what, error) from error
    except (aiohttp.ClientError, OSError, AssertionError, RuntimeError) as error:
        # aiodocker asserts that there is a connection, which a dying engine has closed; aiohttp
        # raises a bare RuntimeError for a client that was closed.
        if isinstance(error, RuntimeError) and "closed" not in str(error):
            raise
        raise EngineGoneError(
            f"The Docker engine broke off the call to {what}: {type(error).__name__} {error}. "
            "Check that it is running."
        ) from error


def map_docker_error(what: str, error: aiodocker.DockerError) -> BackendError:
    """Return the error for one of the engine's.

    Args:
        what: What the engine was asked to do, as in "start the container ipybox-1".
        error: The engine's error.
    """
    if error.status == NOT_CONNECTED:
        return EngineGoneError(
            f"The Docker engine can't be reached to {what}: {error.message} Check that it is "
            "running."
        )
    return map_engine_error("Docker", what, error.status, error.message, program="docker")
