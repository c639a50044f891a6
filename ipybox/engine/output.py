"""The standard streams of a container's first process."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

from ipybox._async import AsyncResource
from ipybox.engine.base import Engine, Streams
from ipybox.engine.inspection import Ref
from ipybox.errors import BackendError
from ipybox.runtime.launch import LaunchOutput, start_failed


class ContainerOutput(AsyncResource):
    """Reads what a container prints, from before its start to its end.

    Attributes:
        log: The container's log, and the runtime's events taken out of it.
        ended: Set once the container's streams have ended, or the connection to the engine.
    """

    def __init__(self, streams: Streams, name: str) -> None:
        """Start reading.

        Args:
            streams: The streams of the container's first process.
            name: The container's name, for error messages.
        """
        self.log = LaunchOutput()
        self.ended = asyncio.Event()
        self._streams = streams
        self._name = name
        self._events: dict[str, asyncio.Future[dict[str, Any]]] = {}
        self._reader = asyncio.create_task(self._read(), name=f"ipybox output of {name}")

    @classmethod
    async def open(cls, engine: Engine, ref: Ref) -> ContainerOutput:
        """Attach to a container that is not started yet."""
        return cls(await engine.attach(ref), ref.name)

    async def write(self, data: bytes) -> None:
        """Write to the standard input of the container's first process.

        Raises:
            EngineGoneError: If the connection breaks, as it does when the container exits.
        """
        await self._streams.write(data)

    async def event(self, name: str) -> dict[str, Any]:
        """Wait for one of the runtime's events.

        Raises:
            ContainerStartError: As soon as the event cannot come any more, since the runtime
                has failed or the output has ended.
        """
        event, failed = self._event(name), self._event("failed")
        ended = asyncio.ensure_future(self.ended.wait())
        try:
            waited: set[asyncio.Future[Any]] = {event, failed, ended}
            await asyncio.wait(waited, return_when=asyncio.FIRST_COMPLETED)
        finally:
            ended.cancel()
        if event.done():
            return event.result()
        reason = str(failed.result().get("reason")) if failed.done() else "it has exited"
        raise start_failed(self._name, reason, self.log.tail())

    async def reported(self, name: str, timeout: float) -> bool:
        """Wait for the end of the output, and return whether the runtime has sent an event.

        Args:
            name: The event's name.
            timeout: Seconds to wait at most.
        """
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout):
                await self.ended.wait()
        return self._event(name).done()

    async def aclose(self) -> None:
        """Stop reading and close the streams; the container runs on."""
        self._reader.cancel()
        await asyncio.wait([self._reader])
        await self._streams.aclose()

    def _event(self, name: str) -> asyncio.Future[dict[str, Any]]:
        if name not in self._events:
            self._events[name] = asyncio.get_running_loop().create_future()
        return self._events[name]

    async def _read(self) -> None:
        try:
            with suppress(BackendError):
                while (piece := await self._streams.read()) is not None:
                    for event in self.log.feed(*piece):
                        future = self._event(str(event.get("event")))
                        if not future.done():
                            future.set_result(event)
        finally:
            self.ended.set()  # waiters must wake up even if the streams fail
