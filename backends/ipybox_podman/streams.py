"""A process's standard streams: a connection that podman-py has opened, handed to asyncio."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from ipybox.authoring import Lane, Streams, send_now
from ipybox.errors import EngineGoneError

HEADER_BYTES = 8
PIECE_BYTES = 65536


class _Reader(asyncio.StreamReader):
    """Gives all that has arrived before the connection broke; asyncio's own drops it."""

    broken: Exception | None = None

    def set_exception(self, exc: Exception) -> None:
        self.broken = exc
        self.feed_eof()


class PodmanStreams(Streams):
    """Of a container's first process, or of a command.

    Frames of a header (lane, and length as four bytes) and the data, as Docker's.
    """

    def __init__(
        self,
        reader: _Reader,
        writer: asyncio.StreamWriter,
        what: str,
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._what = what
        self._lane: Lane = "stdout"
        self._rest = 0

    @classmethod
    async def take_over(cls, response: Any, what: str) -> PodmanStreams:
        """From the answer to a request for an upgrade."""
        return cls(*await _taken_over(response), what)

    async def read(self) -> tuple[Lane, bytes] | None:
        try:
            while self._rest == 0:
                header = await self._reader.readexactly(HEADER_BYTES)
                self._lane = "stderr" if header[0] == 2 else "stdout"
                self._rest = int.from_bytes(header[4:])
            data = await self._reader.read(min(self._rest, PIECE_BYTES))
        except asyncio.IncompleteReadError:
            data = b""
        if not data:
            if self._reader.broken is not None:
                raise self._broken(self._reader.broken) from self._reader.broken
            return None
        self._rest -= len(data)
        return self._lane, data

    async def write(self, data: bytes) -> None:
        try:
            self._writer.write(send_now(self._writer.transport, data))
            await self._writer.drain()
        except OSError as error:
            raise self._broken(error) from error

    async def write_eof(self) -> None:
        try:
            self._writer.write_eof()
        except OSError as error:
            raise self._broken(error) from error

    async def aclose(self) -> None:
        # First the end of what we say, which Podman hands on by itself: to conmon (2.1.6) it may
        # be fatal to learn from a write that fails that somebody has left.
        with suppress(OSError):
            self._writer.write_eof()
        # Waiting for its end would be of no use, and could be cancelled but once.
        self._writer.transport.abort()

    def _broken(self, error: Exception) -> EngineGoneError:
        return EngineGoneError(f"The Podman engine broke off the streams of {self._what}: {error}")


async def body_begins(response: Any, what: str) -> None:
    """Raises EngineGoneError where it never does."""
    reader, writer = await _taken_over(response)
    try:
        begun = await reader.read(1)
    finally:
        writer.transport.abort()
    if not begun:
        raise EngineGoneError(f"The Podman engine was asked to {what}, and broke off.")


def frames(data: bytes) -> Iterator[tuple[Lane, bytes]]:
    """The frames of an answer that is complete."""
    while len(data) >= HEADER_BYTES:
        end = HEADER_BYTES + int.from_bytes(data[4:HEADER_BYTES])
        yield ("stderr" if data[0] == 2 else "stdout"), data[HEADER_BYTES:end]
        data = data[end:]


async def _taken_over(response: Any) -> tuple[_Reader, asyncio.StreamWriter]:
    loop = asyncio.get_running_loop()
    own, begun = _detach(response)
    reader = _Reader()
    # What has arrived with the head of the answer, before all that is still to come.
    reader.feed_data(begun)
    protocol = asyncio.StreamReaderProtocol(reader)
    try:
        transport, _ = await loop.create_connection(lambda: protocol, sock=own)
    except BaseException:
        own.close()
        raise
    return reader, asyncio.StreamWriter(transport, protocol, reader, loop)


def _detach(response: Any) -> tuple[socket.socket, bytes]:
    """A socket of our own on the answer's connection, and what was read of it already. The
    answer's own is closed at once: a later close could be cancelled, or forgotten."""
    buffered = response.raw._fp.fp
    original: socket.socket = buffered.raw._sock
    try:
        own = socket.socket(fileno=os.dup(original.fileno()))
        try:
            # So that a look at what was read does not wait for more.
            original.setblocking(False)
            return own, bytes(buffered.peek())
        except OSError as error:
            own.close()
            raise EngineGoneError(f"The Podman engine broke off its answer: {error}") from error
    finally:
        response.close()
