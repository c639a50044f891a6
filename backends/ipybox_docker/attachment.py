"""The standard streams of a container's first process."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

from aiodocker.stream import Stream

from ipybox import BackendError, ContainerStartError
from ipybox.authoring import LaunchOutput, start_failed
from ipybox_docker.errors import engine_call


class Attachment:
    """Reads what a container prints, from before its start to its end."""

    def __init__(self, stream: Stream, name: str) -> None:
        self.output = LaunchOutput()
        self.ended = asyncio.Event()
        """The container's streams have ended, or the connection to the engine."""
        self._stream = stream
        self._name = name
        self._events: dict[str, asyncio.Future[dict[str, Any]]] = {}
        self._reader = asyncio.create_task(self._read(), name=f"ipybox output of {name}")

    @classmethod
    async def open(cls, container: Any, name: str) -> Attachment:
        stream = container.attach(stdin=True, stdout=True, stderr=True)
        try:
            async with engine_call(f"attach to the container {name}"):
                await stream._init()  # it would be opened with the first read
        except BaseException:
            await _close(stream)
            raise
        return cls(stream, name)

    async def write(self, data: bytes) -> None:
        async with engine_call(f"write to the container {self._name}"):
            await self._stream.write_in(data)

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

    async def aclose(self) -> None:
        self._reader.cancel()
        await asyncio.wait([self._reader])
        await _close(self._stream)

    def _event(self, name: str) -> asyncio.Future[dict[str, Any]]:
        if name not in self._events:
            self._events[name] = asyncio.get_running_loop().create_future()
        return self._events[name]

    async def _read(self) -> None:
        try:
            # However it ends: who waits learns that it has.
            with suppress(BackendError, ContainerStartError):
                async with engine_call(f"pass on the output of {self._name}", None):
                    while (message := await self._stream.read_out()) is not None:
                        lane = "stderr" if message.stream == 2 else "stdout"
                        for event in self.output.feed(lane, message.data):
                            future = self._event(str(event.get("event")))
                            if not future.done():
                                future.set_result(event)
        finally:
            self.ended.set()


async def _close(stream: Stream) -> None:
    # aiodocker asserts that there is a connection, which has ended by then.
    with suppress(AssertionError):
        await stream.close()
