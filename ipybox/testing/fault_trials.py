"""Trials of a fault, each of which must finish with a named outcome, and soon."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable
from dataclasses import dataclass
from typing import TypeVar

HANG_TIMEOUT = 20.0
"""Seconds after which a trial counts as hung. Far above what is promised, so that a busy machine
is not taken for a hang."""

Error = TypeVar("Error", bound=Exception)


@dataclass
class FaultTrials:
    """The trials of one fault: a row of a report.

    Attributes:
        count: The number of trials.
        hangs: The number of trials that did not finish within HANG_TIMEOUT.
        slowest: Seconds that the slowest trial took.
    """

    count: int = 0
    hangs: int = 0
    slowest: float = 0.0

    async def expect(self, error: type[Error], trial: Awaitable[object]) -> Error:
        """Run a trial that must raise an error.

        Args:
            error: The type of the error.
            trial: The trial.

        Returns:
            The error.

        Raises:
            AssertionError: If the trial raised nothing, or hung.
        """
        try:
            await self.run(trial)
        except error as caught:
            return caught
        raise AssertionError(f"The trial succeeded, expected {error.__name__}.")

    async def run(self, trial: Awaitable[object]) -> None:
        """Run a trial that may succeed. What it raises is raised.

        Args:
            trial: The trial.

        Raises:
            AssertionError: If the trial hung.
        """
        self.count += 1
        start = time.monotonic()
        task = asyncio.ensure_future(trial)
        done, _ = await asyncio.wait([task], timeout=HANG_TIMEOUT)
        self.slowest = max(self.slowest, time.monotonic() - start)
        if not done:
            self.hangs += 1
            task.cancel()
            raise AssertionError(f"The trial hung: it did not finish within {HANG_TIMEOUT:.0f} s.")
        await task
