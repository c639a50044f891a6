"""The removal of a container that may be ending by itself."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Awaitable, Callable

from ipybox.errors import (
    BackendError,
    BackendUnavailableError,
    ContainerNotFoundError,
    EngineGoneError,
    EngineTimeoutError,
)

AGAIN_SECONDS = 0.025
ENDING = re.compile(
    r"already in progress|could not be stopped|improper state|state improper|busy", re.I
)
"""What engines say while a container ends."""


async def until_gone(
    remove: Callable[[], Awaitable[object]],
    seconds: float,
    *,
    listed: Callable[[], Awaitable[bool]] | None = None,
    engine_is_back_in: float | None = None,
) -> None:
    """Calls ``remove`` until it has worked, or the container has gone.

    ``listed``: whether the engine still tells of it, as it may for a moment after that.
    ``engine_is_back_in``: containers outlive their engine, which has to answer again within
    so many seconds, else EngineGoneError is raised; None: it takes them along.
    """
    deadline = time.monotonic() + seconds
    away_since: float | None = None
    gone_since: float | None = None
    while True:
        try:
            await remove()
        except ContainerNotFoundError:
            gone = True
        except BackendUnavailableError as error:
            gone = engine_is_back_in is None and isinstance(error, EngineGoneError)
            away_since = away_since or time.monotonic()
            if not gone and time.monotonic() > away_since + (engine_is_back_in or 0.0):
                raise EngineGoneError(f"The container may run on. {error}") from error
        except EngineTimeoutError:
            raise
        except BackendError as error:
            gone = False
            if not ENDING.search(str(error)) or time.monotonic() > deadline:
                raise
        else:
            gone = True
        if gone:
            gone_since = gone_since or time.monotonic()
            if listed is None or not await listed():
                return
            if time.monotonic() > gone_since + seconds:
                raise EngineTimeoutError(f"The container was still listed after {seconds} s.")
        await asyncio.sleep(AGAIN_SECONDS)
