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
    remove: Callable[[], Awaitable[object]], seconds: float, *, engine_is_back_in: float = 0.0
) -> None:
    """Calls ``remove`` until it has worked, or the container has gone.

    An engine that is gone has taken its containers along; unless they outlive it, and it
    answers again within ``engine_is_back_in`` seconds. EngineGoneError where it does not.
    """
    deadline = time.monotonic() + seconds
    away_since: float | None = None
    while True:
        try:
            await remove()
        except ContainerNotFoundError:
            return
        except BackendUnavailableError as error:
            if not engine_is_back_in and isinstance(error, EngineGoneError):
                return
            away_since = away_since or time.monotonic()
            if time.monotonic() > away_since + engine_is_back_in:
                raise EngineGoneError(f"The container may run on. {error}") from error
            await asyncio.sleep(AGAIN_SECONDS)
        except EngineTimeoutError:
            raise
        except BackendError as error:
            if not ENDING.search(str(error)) or time.monotonic() > deadline:
                raise
            await asyncio.sleep(AGAIN_SECONDS)
        else:
            return
