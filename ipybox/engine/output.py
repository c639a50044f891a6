"""The standard streams of a container's first process."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

from ipybox.engine.base import Engine, Ref, Streams
from ipybox.errors import BackendError
from ipybox.runtime.launch import LaunchOutput, start_failed


class Attachment:
    """Reads what a container prints, from before its start to its end."""

    def __init__(self, streams: Streams, name: str) -> None:
        self.output = LaunchOutput()
        self.ended = asyncio.Event()
        """The container's streams have ended, or the connection to the engine."""
        self._streams = streams
        self._name = name
        self._events: dict[str, asyncio.Future[dict[str, Any]]] = {}
        self._reader = asyncio.create_task(self._read(), name=f"ipybox output of {name}")

    @classmethod
    async def open(cls, engine: Engine, ref: Ref) -> Attachment:
        return cls(await engine.attach(ref), ref.name)

    async def write(self, data: bytes) -> None:
        await self._streams.write(data)

    async def event(self, name: str) -> dict[str, Any]:
        """The runtime's event of that name. Raises ContainerStartError as soon as it is
        clear that it does not come."""
        future = self._event(name)
        ended = asyncio.ensure_future(self.ended.wait())
        failed = self._event("failed")
        try:
            waited: set[asyncio.Future[Any]] = {future, ended, failed}
            await asyncio.wait(waited, return_when=asyncio.FIRST_COMPLETED)
        finally:
            ended.cancel()
        if future.done():
            return future.result()
        reason = str(failed.result().get("reason")) if failed.done() else "it has ended"
        raise start_failed(self._name, reason, self.output.tail())

    async def told(self, name: str, seconds: float) -> bool:
        """Whether the runtime has told that event by the end, which is waited for."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self.ended.wait()
        return self._event(name).done()

    async def aclose(self) -> None:
        self._reader.cancel()
        await asyncio.wait([self._reader])
        await self._streams.aclose()

    def _event(self, name: str) -> asyncio.Future[dict[str, Any]]:
        if name not in self._events:
            self._events[name] = asyncio.get_running_loop().create_future()
        return self._events[name]

    async def _read(self) -> None:
        try:
            # However it ends: who waits learns that it has.
            with suppress(BackendError):
                while (piece := await self._streams.read()) is not None:
                    for event in self.output.feed(*piece):
                        future = self._event(str(event.get("event")))
                        if not future.done():
                            future.set_result(event)
        finally:
            self.ended.set()
