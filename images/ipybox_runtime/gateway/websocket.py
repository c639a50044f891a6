"""A client's WebSocket to its kernel."""

import asyncio
import json
from typing import Any

import tornado.web
from jupyter_server.services.kernels.connection.base import (
    BaseKernelWebsocketConnection,
    deserialize_binary_message,
    serialize_binary_message,
)
from tornado.websocket import WebSocketClosedError

from ipybox_runtime import RESUME_SUBPROTOCOL
from ipybox_runtime.gateway.relay import DEFAULT_MESSAGE_BYTES, Frame
from ipybox_runtime.gateway.sessions import ClientSession
from ipybox_runtime.wire import parts_v1

V1_SUBPROTOCOL = "v1.kernel.websocket.jupyter.org"
"""Jupyter Server's subprotocol for binary frames."""

HTTP_GONE = 410
"""Status for a kernel that exited before it was ready."""

CLOSE_GONE = 4410
"""Close code for a client that comes back too late: the gateway no longer has what it missed."""

CLOSE_NORMAL = 1000
"""Close code of a client that will not come back (RFC 6455, 7.4.1)."""


class RuntimeWebsocketConnection(BaseKernelWebsocketConnection):  # type: ignore[misc]
    """Passes every message on at once.

    There are three framings: Jupyter Server's two, and v1 with counted frames for clients that can
    come back (:class:`ClientSession`). With the latter, text frames are for the gateway itself:
    ``{"received": N}`` says how many frames have arrived.

    Attributes:
        client_session: The client's session; None before :meth:`connect` and after the end.
    """

    client_session: ClientSession | None = None
    _confirmed = 0  # frames the system has taken, for a client that does not count

    async def prepare(self) -> None:
        """Choose the framing.

        Raises:
            tornado.web.HTTPError: The kernel exited before it was ready (410).
        """
        offered = self.websocket_handler.request.headers.get("Sec-WebSocket-Protocol", "")
        resumable = RESUME_SUBPROTOCOL in [name.strip() for name in offered.split(",")]
        self.kernel_ws_protocol = RESUME_SUBPROTOCOL if resumable else V1_SUBPROTOCOL
        if self.kernel_manager.exited and not self.kernel_manager.came_up:
            code = self.kernel_manager.exit_code
            reason = f"The kernel died before it was ready, exit code {code}."
            raise tornado.web.HTTPError(HTTP_GONE, reason=reason)

    def connect(self) -> "asyncio.Future[None]":
        """Open a session for the client, or resume the one that it names."""
        # With Nagle's algorithm, delayed acknowledgements would add 40 ms to each reply over
        # loopback.
        self.websocket_handler.set_nodelay(True)
        self.multi_kernel_manager.notify_connect(self.kernel_id)
        arguments = self.websocket_handler.get_argument
        try:
            known = int(arguments("received", "0"))
            max_message = int(arguments("max_message", str(DEFAULT_MESSAGE_BYTES)))
        except ValueError:
            known = -1
            max_message = DEFAULT_MESSAGE_BYTES
        self._open(known, max_message)
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        done.set_result(None)
        return done

    def _open(self, known: int, max_message: int) -> None:
        """Attach to the client's session, new or kept; close the connection if that fails."""
        sessions = self.kernel_manager.sessions
        session = sessions.get(self.session.session)
        if session is not None and not self._resumable:
            sessions.drop(session)
            session = None
        if session is None:
            if known:
                self.websocket_handler.close(CLOSE_GONE, "the gateway no longer has this session")
                return
            session = sessions.add(
                self.session.session, resumable=self._resumable, max_message=max_message
            )
        elif not session.has_since(known):
            self.websocket_handler.close(CLOSE_GONE, "the gateway no longer has the missed frames")
            return
        if isinstance(session.wire, RuntimeWebsocketConnection):
            session.wire.replace()
        self.client_session = session
        session.attach(self)
        if self._resumable:
            self.websocket_handler.write_message(json.dumps({"received": session.received}))
            session.confirm(known)
            session.replay()

    def replace(self) -> None:
        """End the session's use of this connection: the client reconnected before this one was
        found broken."""
        self.client_session = None
        self.websocket_handler.close()

    def disconnect(self) -> None:
        """Detach from the session, which is kept if the client may come back."""
        self.multi_kernel_manager.notify_disconnect(self.kernel_id)
        session, self.client_session = self.client_session, None
        if session is None:
            return
        left = self.websocket_handler.close_code == CLOSE_NORMAL
        self.kernel_manager.sessions.disconnected(session, for_good=left or not session.resumable)

    def handle_incoming_message(self, ws_msg: str | bytes) -> None:
        """Pass a client's message on; drop and log a malformed one."""
        session = self.client_session
        if session is None:
            return
        try:
            if self._resumable and isinstance(ws_msg, str):
                session.confirm(int(json.loads(ws_msg)["received"]))
                return
            session.received += 1
            channel, parts = self._parse(ws_msg)
        except (ValueError, KeyError, TypeError, IndexError, UnicodeError) as error:
            self.log.warning(
                "a client sent a malformed frame of %d bytes; dropping it: %s", len(ws_msg), error
            )
            return
        session.forward(channel, parts)

    def handle_outgoing_message(self, stream: str, outgoing_msg: list[Any]) -> None:
        """Do nothing: messages to the client come from the session."""

    def send(self, frame: Frame) -> None:
        """Send a frame of the session in this connection's framing."""
        session = self.client_session
        data: str | bytes = frame
        if self.subprotocol not in (RESUME_SUBPROTOCOL, V1_SUBPROTOCOL):
            try:
                data = _legacy(frame)
            except (ValueError, KeyError, TypeError, RecursionError) as error:
                self.log.warning("a kernel sent a malformed message; dropping it: %s", error)
                return
        try:
            written = self.websocket_handler.write_message(data, binary=isinstance(data, bytes))
        except WebSocketClosedError:
            return
        if session is not None and not session.resumable:
            written.add_done_callback(self._written)

    def _written(self, written: "asyncio.Future[None]") -> None:
        """Confirm a frame for a client that does not count, once the system has taken it."""
        if not written.cancelled() and written.exception() is None and self.client_session:
            self._confirmed += 1
            self.client_session.confirm(self._confirmed)

    @property
    def subprotocol(self) -> str | None:
        protocol: str | None = self.websocket_handler.selected_subprotocol
        return protocol

    @property
    def _resumable(self) -> bool:
        return self.subprotocol == RESUME_SUBPROTOCOL

    def _parse(self, ws_msg: str | bytes) -> tuple[str, list[bytes]]:
        """Return a message's channel, and its parts in the form that ZMQ sends."""
        if self.subprotocol in (RESUME_SUBPROTOCOL, V1_SUBPROTOCOL):
            if isinstance(ws_msg, str):
                raise ValueError("The subprotocol needs a binary frame, got a text frame.")
            count = int.from_bytes(ws_msg[:8], "little") - 1
            if not 5 <= count <= 1024:
                raise ValueError(f"A frame must have 5 to 1024 parts, got {count}.")
            channel, *parts = parts_v1(ws_msg, count)
            return channel.decode(), parts
        if isinstance(ws_msg, bytes):
            message = deserialize_binary_message(ws_msg)
        else:
            message = {"buffers": [], **json.loads(ws_msg)}
        names = ("header", "parent_header", "metadata", "content")
        parts = [self.session.pack(message.get(name) or {}) for name in names]
        return message.get("channel") or "shell", [*parts, *message["buffers"]]


def _legacy(frame: Frame) -> str | bytes:
    """Return a frame for a client without a subprotocol: JSON, or binary if it has buffers."""
    count = int.from_bytes(frame[:8], "little") - 1
    channel, header, parent, metadata, content, *buffers = parts_v1(frame, count)
    message: dict[str, Any] = {
        "channel": channel.decode(),
        "header": json.loads(header),
        "parent_header": json.loads(parent),
        "metadata": json.loads(metadata),
        "content": json.loads(content),
        "buffers": buffers,
    }
    message["msg_id"] = message["header"]["msg_id"]
    message["msg_type"] = message["header"]["msg_type"]
    if not buffers:
        return json.dumps(message)
    binary: bytes = serialize_binary_message(message)
    return binary
