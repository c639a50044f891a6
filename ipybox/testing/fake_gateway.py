"""A gateway that misbehaves on purpose: HTTP and WebSocket, implemented by hand.

It does not replace a real gateway in tests. It shows what a real gateway does only when it is
broken, or when hostile code has taken its place.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import enum
import hashlib
import json
import struct
from collections.abc import Callable
from typing import Any, Self

from ipybox._async import AsyncResource
from ipybox.kernel.messages import encode, new_message_id

KERNEL_ID = "00000000-0000-4000-8000-000000000000"
_WEBSOCKET_GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455, 1.3
_TEXT, _BINARY, _CLOSE, _PING, _PONG = 0x1, 0x2, 0x8, 0x9, 0xA

Frames = list[str | bytes]
Mutate = Callable[[str | bytes], str | bytes]


class Fault(enum.Enum):
    """What the gateway does wrong."""

    NONE = "nothing"
    STATUS_500 = "answers every request with status 500"
    HTML = "answers with an HTML page"
    NO_ID = "answers the start of a kernel without a valid id"
    SILENT = "accepts connections and sends nothing"
    MUTE_KERNEL = "opens the WebSocket, and answers no request there"
    CLOSE_AT_ONCE = "closes every connection at once"
    HALF_FRAME = "closes the connection in the middle of a frame"
    WRONG_TYPES = "sends frames whose fields have wrong types"
    CLOSE_IN_EXECUTION = "closes the connection after the first output of an execution"
    KERNEL_DIES = "reports, after the first output, that the kernel is dead"
    NOISE = "sends bytes that are not a frame of the protocol"


class FakeGateway(AsyncResource):
    """A gateway on 127.0.0.1, to be used with ``async with``.

    Each execution prints "hello" and succeeds, unless ``fault`` says otherwise.

    Args:
        fault: What the gateway does wrong. It can be changed at any time.
        mutate: Is applied to each frame of an execution before it is sent.

    Attributes:
        port: The port, chosen by the system.
        fault: What the gateway does wrong.
        answers: The bodies of answers to GET requests, by path. Other requests are answered as if
            they had started a kernel.
    """

    def __init__(self, fault: Fault = Fault.NONE, *, mutate: Mutate | None = None) -> None:
        self.port = 0
        self.fault = fault
        self.answers: dict[str, str] = {}
        self._mutate = mutate
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.StreamWriter] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def aclose(self) -> None:
        """Stop listening, and close all connections."""
        if self._server is None:
            return
        self._server.close()
        for writer in list(self._open):
            writer.transport.abort()
        await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open.add(writer)
        try:
            with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
                while await self._answer(reader, writer):
                    pass
        finally:
            self._open.discard(writer)
            writer.transport.abort()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Answer one HTTP request. Return whether more may follow on this connection."""
        if self.fault is Fault.CLOSE_AT_ONCE:
            return False
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        lines = head.split("\r\n")
        headers = {
            name.lower(): value.strip()
            for name, _, value in (line.partition(":") for line in lines[1:])
        }
        await reader.readexactly(int(headers.get("content-length", 0)))
        if self.fault is Fault.SILENT:
            await reader.read()
            return False
        if "upgrade" in headers.get("connection", "").lower():
            accept = hashlib.sha1(  # noqa: S324  # required by RFC 6455
                (headers["sec-websocket-key"] + _WEBSOCKET_GUID).encode()
            ).digest()
            writer.write(
                b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                b"Connection: Upgrade\r\nSec-WebSocket-Accept: " + base64.b64encode(accept)
            )
            writer.write(b"\r\n\r\n")
            await self._talk(reader, writer)
            return False
        method, path, _ = lines[0].split()
        self._respond(writer, method, path)
        return True

    def _respond(self, writer: asyncio.StreamWriter, method: str, path: str) -> None:
        status, body = "201 Created", json.dumps({"id": KERNEL_ID})
        if method == "DELETE":
            status, body = "204 No Content", ""
        elif self.fault is Fault.STATUS_500:
            status, body = "500 Internal Server Error", "it broke"
        elif self.fault is Fault.HTML:
            status, body = "200 OK", "<!DOCTYPE html><title>Welcome</title>"
        elif self.fault is Fault.NO_ID:
            body = json.dumps({"id": "../../etc"})
        elif method == "GET" and path in self.answers:
            status, body = "200 OK", self.answers[path]
        content = body.encode()
        writer.write(f"HTTP/1.1 {status}\r\nContent-Length: {len(content)}\r\n\r\n".encode())
        writer.write(content)

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer the requests to the kernel, in frames without a subprotocol (JSON)."""
        while True:
            opcode, payload = await _read_frame(reader)
            if opcode == _PING:
                writer.write(_frame(payload, _PONG))
            elif opcode == _CLOSE:
                writer.write(_frame(payload, _CLOSE))
                return
            elif opcode in (_TEXT, _BINARY) and self.fault is not Fault.MUTE_KERNEL:
                header = json.loads(payload)["header"]
                if header["msg_type"] == "kernel_info_request":
                    self._send(writer, _answer_to(header, "kernel_info_reply", []))
                elif not self._execute(writer, header):
                    return

    def _execute(self, writer: asyncio.StreamWriter, header: dict[str, Any]) -> bool:
        """Answer an execution. Return whether the connection stays open."""
        output: tuple[str, dict[str, Any]] = ("stream", {"name": "stdout", "text": "hello\n"})
        frames = _answer_to(header, "execute_reply", [output])
        if self._mutate is not None:
            frames = [self._mutate(frame) for frame in frames]
        match self.fault:
            case Fault.HALF_FRAME:
                writer.write(_frame(frames[1].encode() if isinstance(frames[1], str) else b"")[:-7])
                return False
            case Fault.WRONG_TYPES:
                frames[1] = json.dumps({"header": 7, "content": [], "channel": {}})
            case Fault.NOISE:
                frames[1] = b"\x00\xff" * 40
            case Fault.CLOSE_IN_EXECUTION:
                self._send(writer, frames[:2])
                return False
            case Fault.KERNEL_DIES:
                content = {"execution_state": "dead", "exit_code": -9}
                frames[2:] = [_message({}, "iopub", "status", content)]
            case _:
                pass
        self._send(writer, frames)
        return True

    def _send(self, writer: asyncio.StreamWriter, frames: Frames) -> None:
        for frame in frames:
            if isinstance(frame, str):
                writer.write(_frame(frame.encode(errors="surrogatepass"), _TEXT))
            else:
                writer.write(_frame(frame, _BINARY))


def _answer_to(
    request: dict[str, Any], reply_type: str, outputs: list[tuple[str, dict[str, Any]]]
) -> Frames:
    """Return the messages that answer a request: busy, the outputs, the reply, idle."""
    return [
        _message(request, "iopub", "status", {"execution_state": "busy"}),
        *(_message(request, "iopub", kind, content) for kind, content in outputs),
        _message(request, "shell", reply_type, {"status": "ok"}),
        _message(request, "iopub", "status", {"execution_state": "idle"}),
    ]


def _message(
    parent: dict[str, Any], channel: Any, msg_type: str, content: dict[str, Any]
) -> str | bytes:
    frame = encode(
        channel, msg_type, content, msg_id=new_message_id(), session="fake", subprotocol=None
    )
    return json.dumps({**json.loads(frame), "parent_header": parent})


def _frame(payload: bytes, opcode: int = _TEXT) -> bytes:
    """Return a WebSocket frame from a server: final and not masked (RFC 6455, 5.2)."""
    if len(payload) < 126:
        head = struct.pack("!BB", 0x80 | opcode, len(payload))
    elif len(payload) < 1 << 16:
        head = struct.pack("!BBH", 0x80 | opcode, 126, len(payload))
    else:
        head = struct.pack("!BBQ", 0x80 | opcode, 127, len(payload))
    return head + payload


async def _read_frame(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    """Return the opcode and payload of a frame from a client, which masks its frames."""
    first, second = await reader.readexactly(2)
    length = second & 0x7F
    if length == 126:
        (length,) = struct.unpack("!H", await reader.readexactly(2))
    elif length == 127:
        (length,) = struct.unpack("!Q", await reader.readexactly(8))
    mask = await reader.readexactly(4)
    masked = await reader.readexactly(length)
    return first & 0x0F, bytes(byte ^ mask[i % 4] for i, byte in enumerate(masked))
