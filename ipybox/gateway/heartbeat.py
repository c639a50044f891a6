"""Finds out that nobody is at the other end any more."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from websockets.asyncio.client import ClientConnection

TICK_SECONDS = 0.5
SILENT_TICKS = 3
"""So many in a row without a sign of life: a second and a half. They are counted and not timed,
so that a program that blocks its own event loop takes nobody for dead."""


class Heartbeat:
    """Watches one connection. While nothing is asked of the kernel it looks every
    ``interval`` seconds, else every half second. A silent connection is aborted."""

    def __init__(self, interval: float) -> None:
        self._interval = interval
        self._tick = min(interval, TICK_SECONDS)
        self._heard = False
        self._busy = asyncio.Event()
        self._pings: set[asyncio.Task[Any]] = set()

    def heard(self) -> None:
        """Something has arrived."""
        self._heard = True

    def set_busy(self, busy: bool) -> None:
        """Whether an answer is waited for."""
        if busy:
            self._busy.set()
        else:
            self._busy.clear()

    async def watch(self, connection: ClientConnection) -> None:
        """Returns when the connection is silent, and aborted; runs until then."""
        silent = 0
        try:
            while silent < SILENT_TICKS:
                if not silent and not self._busy.is_set():
                    await self._idle()
                await asyncio.sleep(self._tick)
                if self._heard:
                    self._heard, silent = False, 0
                    continue
                silent += 1
                if silent == 1:
                    self._ping(connection)
            connection.transport.abort()
        finally:
            for ping in self._pings:
                ping.cancel()

    async def _idle(self) -> None:
        try:
            async with asyncio.timeout(self._interval):
                await self._busy.wait()
        except TimeoutError:
            pass

    def _ping(self, connection: ClientConnection) -> None:
        """In a task: where the other end takes nothing, a ping would not return."""
        task = asyncio.create_task(self._await_pong(connection), name="ipybox ping")
        self._pings.add(task)
        task.add_done_callback(self._pings.discard)

    async def _await_pong(self, connection: ClientConnection) -> None:
        from websockets.exceptions import ConnectionClosed

        try:
            await (await connection.ping())
        except ConnectionClosed:
            return
        self.heard()
