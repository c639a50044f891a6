"""What asynchronous code here shares: cleanup that completes, resources, polling."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Coroutine
from types import TracebackType
from typing import Any, Self, TypeVar

T = TypeVar("T")


class AsyncResource(ABC):
    """An object that is closed at the end of an ``async with`` block."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()

    @abstractmethod
    async def aclose(self) -> None:
        """Release the resource. Safe to call more than once."""


async def shielded(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine to completion, even if the caller is cancelled meanwhile.

    Args:
        work: The coroutine, usually a cleanup step.

    Returns:
        The result of ``work``.

    Raises:
        asyncio.CancelledError: If the caller was cancelled; raised once ``work`` has finished,
            with the failure of ``work``, if any, as its cause.
    """
    task = asyncio.ensure_future(work)
    cancelled: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.wait([task])
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is not None:
        if not task.cancelled() and (failure := task.exception()) is not None:
            raise cancelled from failure
        raise cancelled
    return task.result()


async def poll(condition: Callable[[], Awaitable[bool]], *, every: float, within: float) -> bool:
    """Call ``condition`` repeatedly until it is true or the time is up.

    Args:
        condition: Is awaited at least once, and once more after each pause.
        every: Seconds between two calls.
        within: Seconds from now in which a new call may begin; ``math.inf`` for no limit.
            A call that has begun is never cancelled.

    Returns:
        Whether the condition became true in time.
    """
    loop = asyncio.get_running_loop()
    deadline = loop.time() + within
    while not await condition():
        if loop.time() > deadline:
            return False
        await asyncio.sleep(every)
    return True
