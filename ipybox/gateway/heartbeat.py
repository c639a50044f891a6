"""Detects that the other end of a connection has gone away without closing it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from websockets.asyncio.client import ClientConnection

TICK_INTERVAL = 0.5
"""Seconds between two checks while an answer is awaited."""
SILENT_TICKS = 3
"""The number of consecutive ticks without a sign of life (1.5 s) after which the other end counts
as gone. Ticks are counted rather than timed, so a program that blocks its own event loop does not
take a live gateway for a dead one."""


class Heartbeat:
    """Watches one connection, and aborts it when the other end is silent.

    It checks every half second while an answer from the kernel is awaited, and every ``interval``
    seconds otherwise.

    Args:
        interval: Seconds between two checks of an idle connection.
    """

    def __init__(self, interval: float) -> None:
        self._interval = interval
        self._tick = min(interval, TICK_INTERVAL)
        self._heard = False
        self._busy = asyncio.Event()
        self._pings: set[asyncio.Task[Any]] = set()

    def heard(self) -> None:
        """Take note that a frame has arrived."""
        self._heard = True

    def set_busy(self, busy: bool) -> None:
        """Set whether an answer from the kernel is awaited."""
        if busy:
            self._busy.set()
        else:
            self._busy.clear()

    async def watch(self, connection: ClientConnection) -> None:
        """Watch a connection. Returns once the other end was silent and the connection aborted."""
        silent = 0
        try:
            while silent < SILENT_TICKS:
                if not silent and not self._busy.is_set():
                    await self._wait_idle()
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

    async def _wait_idle(self) -> None:
        """Wait for ``interval`` seconds, or until an answer is awaited."""
        try:
            async with asyncio.timeout(self._interval):
                await self._busy.wait()
        except TimeoutError:
            pass

    def _ping(self, connection: ClientConnection) -> None:
        """Send a ping in a task: sending blocks while the other end accepts no data."""
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
