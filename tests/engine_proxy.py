"""A proxy in front of an engine's socket that simulates an engine in trouble."""

import asyncio
import contextlib
import json
import ssl
from collections.abc import AsyncIterator
from pathlib import Path


class EngineProxy:
    """A proxy that forwards all bytes until a test makes it freeze or refuse.

    Args:
        engine: Path of the engine's socket.
        path: Path of the proxy's socket; None to listen on a loopback port.

    Attributes:
        url: Address for clients of the proxy.
        port: Port on the loopback interface, 0 until it listens or if it has a socket path.
        frozen: Once set, nothing is forwarded any more.
        freeze_at: Part of a request's first line at which ``frozen`` is set.
        refuse: Maps part of a request's first line to the HTTP status and the message that
            the proxy answers instead of forwarding the request.
    """

    def __init__(self, engine: str, path: Path | None = None) -> None:
        self.engine = engine
        self.path = path
        self.url = f"unix://{path}"
        self.port = 0
        self.frozen = asyncio.Event()
        self.refuse: dict[str, tuple[int, str]] = {}
        self.freeze_at: str | None = None
        self._open: set[asyncio.Task[None]] = set()

    @contextlib.asynccontextmanager
    async def running(self, context: ssl.SSLContext | None = None) -> AsyncIterator["EngineProxy"]:
        """Listen until the block is left; a TCP port speaks TLS if ``context`` is given."""
        if self.path is not None:
            server = await asyncio.start_unix_server(self._serve, self.path)
        else:
            server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=context)
            self.port = server.sockets[0].getsockname()[1]
            self.url = f"tcp://127.0.0.1:{self.port}"
        try:
            yield self
        finally:
            server.close()
            for task in list(self._open):
                task.cancel()
            await asyncio.gather(*self._open, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._open.add(task)
        try:
            up_reader, up_writer = await asyncio.open_unix_connection(self.engine)
            try:
                await asyncio.gather(
                    self._pump(reader, up_writer, writer), self._pump(up_reader, writer, None)
                )
            finally:
                up_writer.close()
        except (OSError, asyncio.CancelledError):
            pass
        finally:
            self._open.discard(task)
            writer.close()

    async def _pump(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        back: asyncio.StreamWriter | None,
    ) -> None:
        while data := await reader.read(65536):
            line = data.split(b"\r\n")[0].decode("latin-1")
            if back is not None:
                if self.freeze_at is not None and self.freeze_at in line:
                    self.frozen.set()
                for part, (status, message) in self.refuse.items():
                    if part in line:
                        body = json.dumps({"message": message}).encode()
                        head = (
                            f"HTTP/1.1 {status} No\r\nContent-Type: application/json\r\n"
                            f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
                        )
                        back.write(head.encode() + body)
                        return
            if self.frozen.is_set():
                await asyncio.Event().wait()
            writer.write(data)
            await writer.drain()
        with contextlib.suppress(OSError):
            if writer.can_write_eof():
                writer.write_eof()
            else:
                writer.close()
