"""A process's standard streams, as aiodocker passes them on."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from aiodocker.stream import Stream

from ipybox.authoring import Lane, Streams, send_now
from ipybox.errors import UnsupportedError
from ipybox_docker.errors import engine_call


class DockerStreams(Streams):
    """Of a container's first process, or of a command."""

    def __init__(self, stream: Stream, what: str) -> None:
        self._stream = stream
        self._what = what

    @classmethod
    async def open(cls, stream: Stream, what: str) -> DockerStreams:
        streams = cls(stream, what)
        try:
            async with engine_call(f"attach to {what}"):
                await stream._init()  # it would be opened with the first read
        except BaseException:
            await streams.aclose()
            raise
        return streams

    async def read(self) -> tuple[Lane, bytes] | None:
        async with engine_call(f"pass on the output of {self._what}", None):
            message = await self._stream.read_out()
        if message is None:
            return None
        return ("stderr" if message.stream == 2 else "stdout"), message.data

    async def write(self, data: bytes) -> None:
        async with engine_call(f"write to {self._what}", None):
            transport = self._transport
            rest = data if transport is None else send_now(transport, data)
            if rest:
                await self._stream.write_in(rest)

    async def write_eof(self) -> None:
        transport = self._transport
        if transport is None or not transport.can_write_eof():
            raise UnsupportedError(
                "Over TLS, a command's input can't be ended alone; close the stream instead."
            )
        transport.write_eof()

    @property
    def _transport(self) -> Any:
        response = self._stream._resp
        return response.connection.transport if response and response.connection else None

    async def aclose(self) -> None:
        # aiodocker asserts that there is a connection, which has ended by then.
        with suppress(AssertionError):
            await self._stream.close()
