"""Measures how long an event loop was blocked: ipybox must never block it."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path
from typing import Self

from ipybox._async import AsyncResource

POLL_INTERVAL = 0.05
"""Seconds between two looks at the loop."""


class LoopWatch(AsyncResource):
    """An async context manager that watches the running event loop from a thread.

    Time for which the loop's thread was ready to run, but got no processor, does not count (on
    Linux): that is the machine's doing.

    Attributes:
        longest: The longest time for which the loop stood still, in seconds; it is complete
            once the context is left.
    """

    def __init__(self) -> None:
        self.longest = 0.0
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        schedule = Path(f"/proc/self/task/{threading.get_native_id()}/schedstat")
        self._thread = threading.Thread(target=self._watch, args=(loop, schedule), daemon=True)
        self._thread.start()
        return self

    async def aclose(self) -> None:
        self._stop.set()
        if self._thread is not None:
            await asyncio.to_thread(self._thread.join)

    def _watch(self, loop: asyncio.AbstractEventLoop, schedule: Path) -> None:
        while not self._stop.is_set():
            answered = threading.Event()
            waited, starved = 0.0, _run_delay(schedule)
            try:
                loop.call_soon_threadsafe(answered.set)
            except RuntimeError:  # the loop is closed
                return
            while not answered.wait(POLL_INTERVAL) and not self._stop.is_set():
                waited += POLL_INTERVAL  # not the clock: on a busy machine this thread is late, too
            self.longest = max(self.longest, waited - (_run_delay(schedule) - starved))
            self._stop.wait(POLL_INTERVAL)


def _run_delay(schedule: Path) -> float:
    """Return the seconds that a thread has waited for a processor; 0 if that is unknown.

    The second field of Linux' ``schedstat`` has them in nanoseconds (Documentation/scheduler,
    sched-stats).
    """
    try:
        return int(schedule.read_text().split()[1]) / 1e9
    except (OSError, IndexError, ValueError):
        return 0.0
