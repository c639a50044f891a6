"""Whether an event loop goes on: nothing of ours may block it."""

from __future__ import annotations

import asyncio
import threading
from types import TracebackType
from typing import Self

STEP_SECONDS = 0.05


class LoopWatch:
    """Watches the running loop, from a thread, between entering and leaving it.

    ``longest``: seconds that the loop stood still at most.
    """

    def __init__(self) -> None:
        self.longest = 0.0
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        self._thread = threading.Thread(target=self._watch, args=(loop,), daemon=True)
        self._thread.start()
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stop.set()
        if self._thread is not None:
            await asyncio.to_thread(self._thread.join)

    def _watch(self, loop: asyncio.AbstractEventLoop) -> None:
        while not self._stop.is_set():
            answered = threading.Event()
            waited = 0.0
            try:
                loop.call_soon_threadsafe(answered.set)
            except RuntimeError:  # the loop is closed
                return
            while not answered.wait(STEP_SECONDS) and not self._stop.is_set():
                waited += STEP_SECONDS  # our own waits: on a full machine both are late
            self.longest = max(self.longest, waited)
            self._stop.wait(STEP_SECONDS)
