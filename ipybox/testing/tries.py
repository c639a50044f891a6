"""Tries of a fault, each of which must end by a name, and soon."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable
from dataclasses import dataclass
from typing import TypeVar

HANG_SECONDS = 20.0
"""Far above what is promised, so that a busy machine is not taken for a hang."""

Error = TypeVar("Error", bound=Exception)


@dataclass
class Tries:
    """Counts, and the slowest in seconds: a row of a report."""

    count: int = 0
    hangs: int = 0
    slowest: float = 0.0

    async def expect(self, error: type[Error], ending: Awaitable[object]) -> Error:
        """Awaits an ending that must be an error of this kind, and returns it.

        Raises AssertionError for a good end, and for none within HANG_SECONDS.
        """
        try:
            await self.well(ending)
        except error as caught:
            return caught
        raise AssertionError(f"it ended well, and {error.__name__} was expected")

    async def well(self, ending: Awaitable[object]) -> None:
        """Awaits an ending that may be a good one; what it raises is raised."""
        self.count += 1
        start = time.monotonic()
        task = asyncio.ensure_future(ending)
        done, _ = await asyncio.wait([task], timeout=HANG_SECONDS)
        self.slowest = max(self.slowest, time.monotonic() - start)
        if not done:
            self.hangs += 1
            task.cancel()
            raise AssertionError(f"it hung: no end within {HANG_SECONDS:.0f} s")
        await task
