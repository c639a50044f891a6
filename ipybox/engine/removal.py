"""The removal of a container that may be stopping by itself."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Awaitable, Callable

from ipybox._async import poll
from ipybox.errors import (
    BackendError,
    BackendUnavailableError,
    ContainerNotFoundError,
    EngineGoneError,
    EngineTimeoutError,
)

RETRY_INTERVAL = 0.025
"""Seconds between two attempts."""
STOPPING = re.compile(
    r"already in progress|could not be stopped|improper state|state improper|busy", re.I
)
"""What engines answer while a container stops."""


async def remove_until_gone(
    remove: Callable[[], Awaitable[object]],
    timeout: float,
    *,
    is_listed: Callable[[], Awaitable[bool]] | None = None,
    engine_returns_within: float | None = None,
) -> None:
    """Call ``remove`` until it succeeds or the container does not exist any more.

    Args:
        remove: Asks the engine to remove the container.
        timeout: Seconds in which a container that is stopping has to become removable, and
            seconds in which a removed one has to leave the engine's list.
        is_listed: Returns whether the engine still lists the container, as it may for a moment
            after the removal; None if the engine does not.
        engine_returns_within: If containers outlive their engine, the seconds in which an
            engine that is away has to answer again; None if containers stop with the engine.

    Raises:
        EngineGoneError: If the engine stays away and the container may still run.
        EngineTimeoutError: If the engine does not answer, or still lists the container after
            ``timeout`` seconds.
        BackendError: If the engine refuses the removal for another reason than that the
            container is stopping, or does so for longer than ``timeout`` seconds.
    """
    removal = _Removal(remove, timeout, is_listed, engine_returns_within)
    await poll(removal.attempt, every=RETRY_INTERVAL, within=math.inf)


class _Removal:
    """The attempts at one removal, and since when they have met with the same obstacle."""

    def __init__(
        self,
        remove: Callable[[], Awaitable[object]],
        timeout: float,
        is_listed: Callable[[], Awaitable[bool]] | None,
        engine_returns_within: float | None,
    ) -> None:
        self._remove = remove
        self._timeout = timeout
        self._is_listed = is_listed
        self._engine_returns_within = engine_returns_within
        self._started = time.monotonic()
        self._away_since: float | None = None
        self._gone_since: float | None = None

    async def attempt(self) -> bool:
        """Return whether the container is gone; raise once it is clear that it stays."""
        # As long as the container is listed, also after a success: a connection that breaks looks
        # like an engine that has gone down and taken the container along.
        if not await self._is_removed():
            return False
        if self._is_listed is None or not await self._is_listed():
            return True
        self._gone_since = self._gone_since or time.monotonic()
        if time.monotonic() > self._gone_since + self._timeout:
            raise EngineTimeoutError(
                f"The engine still listed the container {self._timeout} s after its removal. "
                "Check that the engine is not overloaded."
            )
        return False

    async def _is_removed(self) -> bool:
        try:
            await self._remove()
        except ContainerNotFoundError:
            return True
        except BackendUnavailableError as error:
            return self._went_with_its_engine(error)
        except EngineTimeoutError:
            raise
        except BackendError as error:
            late = time.monotonic() > self._started + self._timeout
            if late or not STOPPING.search(str(error)):
                raise
            return False
        return True

    def _went_with_its_engine(self, error: BackendUnavailableError) -> bool:
        if self._engine_returns_within is None and isinstance(error, EngineGoneError):
            return True
        self._away_since = self._away_since or time.monotonic()
        if time.monotonic() > self._away_since + (self._engine_returns_within or 0.0):
            raise EngineGoneError(
                f"The engine is unreachable, and the container may still be running: {error}"
            ) from error
        return False
