"""A TCP proxy that cuts a WebSocket after a given number of bytes."""

from __future__ import annotations

import asyncio
from typing import Literal, Self

from ipybox._async import AsyncResource

Direction = Literal["to client", "to gateway"]


class CuttingProxy(AsyncResource):
    """A TCP proxy on 127.0.0.1 in front of a gateway, to be used with ``async with``.

    The first WebSocket after :meth:`cut_at` is cut without a closing handshake once a number of
    bytes have passed in one direction. Later connections pass unharmed.

    Args:
        target: The port of the gateway.
        host: The host of the gateway.

    Attributes:
        port: The port of the proxy, chosen by the system.
        cuts: The number of cuts so far.
        passed: The bytes that have passed through the last connection that was not cut.
        refusing: Whether new connections are closed at once; can be set at any time.
    """

    def __init__(self, target: int, host: str = "127.0.0.1") -> None:
        self.port = 0
        self.cuts = 0
        self.passed: dict[Direction, int] = {}
        self.refusing = False
        self._target = (host, target)
        self._cut: tuple[Direction, int] | None = None
        self._server: asyncio.Server | None = None
        self._pumps: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def aclose(self) -> None:
        """Stop listening, and close all connections."""
        if self._server is None:
            return
        self._server.close()
        for pump in list(self._pumps):
            pump.cancel()
        if self._pumps:
            await asyncio.wait(self._pumps)

    def cut_at(self, direction: Direction, offset: int) -> None:
        """Cut the next WebSocket after ``offset`` bytes in a direction."""
        self._cut = (direction, offset)

    def cut_now(self) -> None:
        """Cut all open connections."""
        self.cuts += 1
        for pump in list(self._pumps):
            pump.cancel()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._pumps.add(task)
        ends = [writer]
        try:
            if self.refusing:
                return
            there, back = await asyncio.open_connection(*self._target)
            ends.append(back)
            first = await reader.read(65536)
            cut = self._cut if b"/channels?" in first.split(b"\r\n")[0] else None
            if cut is not None:
                self._cut = None
            back.write(first)
            pumps = {
                asyncio.ensure_future(self._pump(there, writer, cut, "to client", 0)),
                asyncio.ensure_future(self._pump(reader, back, cut, "to gateway", len(first))),
            }
            try:
                await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for pump in pumps:
                    pump.cancel()
                await asyncio.wait(pumps)
        except (OSError, asyncio.CancelledError):
            pass
        finally:
            self._pumps.discard(task)
            for end in ends:
                end.transport.abort()

    async def _pump(
        self,
        source: asyncio.StreamReader,
        target: asyncio.StreamWriter,
        cut: tuple[Direction, int] | None,
        direction: Direction,
        passed: int,
    ) -> None:
        self.passed[direction] = passed
        left = cut[1] - passed if cut is not None and cut[0] == direction else None
        while data := await source.read(65536):
            if left is not None and len(data) >= left:
                if left > 0:
                    target.write(data[:left])
                    await target.drain()
                self.cuts += 1
                return
            self.passed[direction] += len(data)
            if left is not None:
                left -= len(data)
            target.write(data)
            await target.drain()
