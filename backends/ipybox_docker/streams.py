"""A process's standard streams, as aiodocker passes them on."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import Any

from aiodocker.stream import Stream

from ipybox import UnsupportedError
from ipybox.authoring import Lane, Streams
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
            rest = self._send(data)
            if rest:
                await self._stream.write_in(rest)

    def _send(self, data: bytes) -> bytes:
        """Writes what there is room for, returns the rest. Where a transport's own write
        fails, it drops what was not read yet: the last words of a container."""
        transport = self._transport
        if (
            transport is None
            or transport.get_extra_info("sslcontext") is not None
            or transport.get_write_buffer_size()
            or transport.is_closing()
        ):
            return data
        try:
            return data[os.write(transport.get_extra_info("socket").fileno(), data) :]
        except BlockingIOError:
            return data

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
