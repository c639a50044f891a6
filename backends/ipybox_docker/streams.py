"""A process's standard streams, as aiodocker passes them on."""

from __future__ import annotations

import math
from contextlib import suppress

from aiodocker.stream import Stream

from ipybox.engine import CALL_TIMEOUT, StreamName, Streams, write_without_losing_reads
from ipybox.errors import UnsupportedError
from ipybox_docker.errors import engine_call
from ipybox_docker.raw import raw_open, raw_transport

STDERR = 2
"""The number of the standard error in a frame of Docker's."""


class DockerStreams(Streams):
    """The streams of a container's first process, or of a command."""

    def __init__(self, stream: Stream, what: str) -> None:
        """Wrap a stream; :meth:`open` also connects it.

        Args:
            stream: The stream.
            what: The process, for error messages.
        """
        self._stream = stream
        self._what = what

    @classmethod
    async def open(cls, stream: Stream, what: str) -> DockerStreams:
        """Connect a stream; arguments as for the constructor."""
        streams = cls(stream, what)
        try:
            async with engine_call(f"attach to {what}", CALL_TIMEOUT):
                await raw_open(stream)
        except BaseException:
            await streams.aclose()
            raise
        return streams

    async def read(self) -> tuple[StreamName, bytes] | None:
        async with engine_call(f"pass on the output of {self._what}", math.inf):
            message = await self._stream.read_out()
        if message is None:
            return None
        return ("stderr" if message.stream == STDERR else "stdout"), message.data

    async def write(self, data: bytes) -> None:
        async with engine_call(f"write to {self._what}", math.inf):
            transport = raw_transport(self._stream)
            rest = data if transport is None else write_without_losing_reads(transport, data)
            if rest:
                await self._stream.write_in(rest)

    async def write_eof(self) -> None:
        transport = raw_transport(self._stream)
        if transport is None or not transport.can_write_eof():
            raise UnsupportedError(
                "The input of a command can't be closed alone over TLS. Close the whole stream."
            )
        transport.write_eof()

    async def aclose(self) -> None:
        # aiodocker asserts that there is a connection, which is closed if the engine has ended it.
        with suppress(AssertionError):
            await self._stream.close()
