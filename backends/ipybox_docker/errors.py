"""Docker's errors as ours. Nothing of aiodocker or aiohttp leaves this package."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import EllipsisType

import aiodocker
import aiohttp

from ipybox import BackendError
from ipybox.authoring import refusal
from ipybox.errors import EngineGoneError, EngineTimeoutError

CALL_SECONDS = 30.0
NOT_CONNECTED = 900  # aiodocker's own status


@asynccontextmanager
async def engine_call(what: str, seconds: float | EllipsisType | None = ...) -> AsyncIterator[None]:
    """Around each call of the engine: an end in time, and errors of ours.

    ``what`` is done to what, as in "start the container ipybox-1". ``seconds``: None for
    what lasts as long as it lasts.
    """
    seconds = CALL_SECONDS if isinstance(seconds, EllipsisType) else seconds
    deadline = asyncio.timeout(seconds)
    try:
        async with deadline:
            yield
    except TimeoutError as error:
        if not deadline.expired() and not isinstance(error, aiohttp.ClientError):
            raise  # the caller's own
        limit = "in time" if seconds is None else f"within {seconds:.0f} s"
        raise EngineTimeoutError(
            f"The Docker engine did not {what} {limit}. Is it overloaded, or stopped?"
        ) from error
    except aiodocker.DockerError as error:
        raise translated(what, error) from error
    except (aiohttp.ClientError, OSError, AssertionError, RuntimeError) as error:
        # aiodocker asserts that a connection is there, which a dying engine has closed; and
        # aiohttp has no word of its own for a client that was closed.
        if isinstance(error, RuntimeError) and "closed" not in str(error):
            raise
        raise EngineGoneError(
            f"The Docker engine broke off the call to {what}: {type(error).__name__} {error}"
        ) from error


def translated(what: str, error: aiodocker.DockerError) -> BackendError:
    """An error of the engine's."""
    if error.status == NOT_CONNECTED:
        return EngineGoneError(
            f"The Docker engine can't be reached to {what}: {error.message} Is it running?"
        )
    return refusal("Docker", what, error.status, error.message, program="docker")
