"""A process's standard streams: a connection that podman-py has opened, handed to asyncio."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from ipybox.engine import StreamName, Streams, write_without_losing_reads
from ipybox.errors import EngineGoneError

HEADER_BYTES = 8
STDERR = 2
"""The number of the standard error in a frame's header."""
MAX_READ_BYTES = 65536


class _Reader(asyncio.StreamReader):
    """Returns all that arrived before the connection broke, which asyncio's own reader drops."""

    broken: Exception | None = None

    def set_exception(self, exc: Exception) -> None:
        self.broken = exc
        self.feed_eof()


class PodmanStreams(Streams):
    """The streams of a container's first process, or of a command.

    They are sent as Docker's are: frames of a header (the stream's number in the first byte, the
    length in the last four) and data.
    """

    def __init__(self, reader: _Reader, writer: asyncio.StreamWriter, what: str) -> None:
        """Wrap a connection.

        Args:
            reader: Its input.
            writer: Its output.
            what: What the engine was asked to do, for error messages.
        """
        self._reader = reader
        self._writer = writer
        self._what = what
        self._stream: StreamName = "stdout"
        self._rest = 0

    @classmethod
    async def take_over(cls, response: Any, what: str) -> PodmanStreams:
        """Take over the connection of an answer to a request for an upgrade."""
        return cls(*await _take_over(response), what)

    async def read(self) -> tuple[StreamName, bytes] | None:
        try:
            while self._rest == 0:
                header = await self._reader.readexactly(HEADER_BYTES)
                self._stream = "stderr" if header[0] == STDERR else "stdout"
                self._rest = int.from_bytes(header[4:])
            data = await self._reader.read(min(self._rest, MAX_READ_BYTES))
        except asyncio.IncompleteReadError:
            data = b""
        if not data:
            if self._reader.broken is not None:
                raise self._broken(self._reader.broken) from self._reader.broken
            return None
        self._rest -= len(data)
        return self._stream, data

    async def write(self, data: bytes) -> None:
        try:
            self._writer.write(write_without_losing_reads(self._writer.transport, data))
            await self._writer.drain()
        except OSError as error:
            raise self._broken(error) from error

    async def write_eof(self) -> None:
        try:
            self._writer.write_eof()
        except OSError as error:
            raise self._broken(error) from error

    async def aclose(self) -> None:
        # The input ends first, which Podman passes on at once: conmon 2.1.6 may crash if it
        # learns from a failed write that an attached client has left.
        with suppress(OSError):
            self._writer.write_eof()
        # abort() does not wait, so that it cannot be cancelled.
        self._writer.transport.abort()

    def _broken(self, error: Exception) -> EngineGoneError:
        return EngineGoneError(
            f"The Podman engine was asked to {self._what}, and broke off the streams: {error}. "
            "Check that it is running."
        )


async def body_begins(response: Any, what: str) -> None:
    """Wait until the body of an answer begins.

    Args:
        response: An answer whose head has come.
        what: What the engine was asked to do, for error messages.

    Raises:
        EngineGoneError: If the answer ends without a body.
    """
    reader, writer = await _take_over(response)
    try:
        begun = await reader.read(1)
    finally:
        writer.transport.abort()
    if not begun:
        raise EngineGoneError(
            f"The Podman engine was asked to {what}, and broke off its answer. Check that it is "
            "running."
        )


def frames(data: bytes) -> Iterator[tuple[StreamName, bytes]]:
    """Yield the frames of a complete answer; a frame that is cut off is left out."""
    while len(data) >= HEADER_BYTES:
        end = HEADER_BYTES + int.from_bytes(data[4:HEADER_BYTES])
        yield ("stderr" if data[0] == STDERR else "stdout"), data[HEADER_BYTES:end]
        data = data[end:]


async def _take_over(response: Any) -> tuple[_Reader, asyncio.StreamWriter]:
    loop = asyncio.get_running_loop()
    own, begun = _detach(response)
    reader = _Reader()
    reader.feed_data(begun)  # what has arrived with the head of the answer
    protocol = asyncio.StreamReaderProtocol(reader)
    try:
        transport, _ = await loop.create_connection(lambda: protocol, sock=own)
    except BaseException:
        own.close()
        raise
    return reader, asyncio.StreamWriter(transport, protocol, reader, loop)


def _detach(response: Any) -> tuple[socket.socket, bytes]:
    """Return a second socket on an answer's connection, and what was read of it already.

    The answer's own socket is closed at once: closing it later could be cancelled or forgotten.
    """
    original, buffered = raw_socket(response), response.raw._fp.fp
    try:
        own = socket.socket(fileno=os.dup(original.fileno()))
        try:
            original.setblocking(False)  # otherwise peek() could wait for more
            return own, bytes(buffered.peek())
        except OSError as error:
            own.close()
            raise EngineGoneError(
                f"The Podman engine broke off its answer: {error}. Check that it is running."
            ) from error
    finally:
        response.close()


def raw_socket(response: Any) -> socket.socket:
    """Return the socket of an answer; requests has no public name for it."""
    found: socket.socket = response.raw._fp.fp.raw._sock
    return found
