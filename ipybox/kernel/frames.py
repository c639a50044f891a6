"""The frames from and to a kernel, over as many connections as it takes."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ipybox.errors import (
    ConnectFailedError,
    ConnectionLostError,
    ContainerLostError,
    IpyboxError,
    KernelDiedError,
    ProtocolError,
)
from ipybox.gateway.heartbeat import Heartbeat
from ipybox.gateway.rest import Gateway
from ipybox.gateway.started import StartedContainer
from ipybox.gateway.versions import RESUME_SUBPROTOCOL, V1_SUBPROTOCOL
from ipybox.gateway.websocket import OPEN_TIMEOUT, count_at_gateway, open_connection
from ipybox.kernel.errors import connection_lost, container_lost
from ipybox.kernel.resume import FrameCounts

if TYPE_CHECKING:
    from websockets.asyncio.client import ClientConnection
    from websockets.exceptions import ConnectionClosed

RETRY_INTERVAL = 0.05
"""Seconds between two attempts to reconnect."""
EXIT_STATUS_TIMEOUT = 1.0
"""Seconds for a container's exit to show, after its gateway has stopped answering."""
CLOSE_MESSAGE_TOO_BIG = 1009
"""RFC 6455, 7.4.1."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class ConnectOptions:
    """How a client connects to a kernel.

    Attributes:
        heartbeat_interval: Seconds between two checks of an idle connection.
        reconnect_timeout: Seconds in which a broken connection may be resumed.
        max_message: The size of the largest message that the gateway may send, in bytes.
    """

    heartbeat_interval: float
    reconnect_timeout: float
    max_message: int


class FrameStream:
    """Sends and receives the frames of one session with a kernel, each exactly once.

    Client and gateway both count the frames that arrive. After a cut, the client reconnects
    within ``options.reconnect_timeout`` seconds and sends its count. The gateway sends the frames
    that are missing, and its own count; the client sends what the gateway lacks. So no frame is
    lost, duplicated, or executed twice. With a gateway that does not count (a stock one), the
    stream ends when its first connection breaks.

    Args:
        gateway: The gateway of the kernel.
        kernel_id: The id of the kernel.
        options: How to connect.
        session: The id of the session.
        container: The container that the gateway runs in, if this process started it. Its exit
            status explains why a connection was lost.

    Attributes:
        resumable: Whether the gateway counts, so that nothing can be missed from the first frame
            on.
        framing: How frames are encoded: V1_SUBPROTOCOL, or None for JSON.
    """

    def __init__(
        self,
        gateway: Gateway,
        kernel_id: str,
        options: ConnectOptions,
        *,
        session: str,
        container: StartedContainer | None,
    ) -> None:
        self.resumable = False
        self.framing: str | None = None
        self._gateway = gateway
        self._kernel_id = kernel_id
        self._options = options
        self._session = session
        self._container = container
        self._heartbeat = Heartbeat(options.heartbeat_interval)
        self._connection: ClientConnection
        self._counts = FrameCounts()
        self._sending = asyncio.Lock()

    async def connect(self) -> None:
        """Open the first connection.

        Raises:
            AuthenticationError: If the gateway refuses the token.
            KernelDiedError: If the kernel has died.
            VersionMismatchError: If the gateway's runtime does not fit this library.
            GatewayError: If the gateway refuses the connection, or is not a gateway.
            ConnectFailedError: If no gateway answers.
            ConnectionLostError: If the gateway does not know the session.
            ProtocolError: If the gateway sends no valid count.
        """
        await self._connect(OPEN_TIMEOUT)

    def set_busy(self, busy: bool) -> None:
        """Set whether an answer from the kernel is awaited; the heartbeat is faster then."""
        self._heartbeat.set_busy(busy)

    async def send(self, msg_id: str, frame: str | bytes) -> None:
        """Send a frame. If a resumable connection is broken, the next one sends it.

        Args:
            msg_id: The id of the frame's message.
            frame: The frame. It is kept until :meth:`forget`.

        Raises:
            ConnectionLostError: If the connection is broken and can't be resumed.
        """
        async with self._sending:
            await self._send(msg_id, frame)

    def forget(self, msg_id: str) -> None:
        """Discard the frames that are kept for a message."""
        self._counts.forget(msg_id)

    async def receive(self) -> AsyncGenerator[str | bytes, None]:
        """Yield the frames that arrive, and resume connections that break.

        Raises:
            ConnectionLostError: If a connection is broken and can't be resumed.
            ContainerLostError: If the container has exited.
            KernelDiedError: If the kernel has died while there was no connection.
            ProtocolError: If a message is larger than ``options.max_message``.
        """
        from websockets.exceptions import ConnectionClosed

        while True:
            heartbeat = asyncio.create_task(
                self._heartbeat.watch(self._connection), name="ipybox heartbeat"
            )
            try:
                while True:
                    frame = await self._connection.recv()
                    self._heartbeat.heard()
                    if self.resumable and self._counts.count_received(len(frame)):
                        await self._confirm()
                    yield frame
            except ConnectionClosed as closed:
                self._check_size(closed)
                why = "the gateway stopped answering" if heartbeat.done() else str(closed)
                if not self.resumable:
                    raise self._container_lost() or connection_lost(
                        self._kernel_id, why
                    ) from closed
            finally:
                heartbeat.cancel()
            log.info("kernel %s: the connection broke (%s); reconnecting", self._kernel_id, why)
            await self._reconnect(why)

    async def aclose(self) -> None:
        """Close the connection."""
        await self._connection.close()

    def abort(self) -> None:
        """Close the connection at once, without the closing handshake."""
        self._connection.transport.abort()

    async def _send(self, msg_id: str, frame: str | bytes) -> None:
        """Send a frame. The caller holds ``_sending``."""
        from websockets.exceptions import ConnectionClosed

        self._counts.count_sent(msg_id, frame)
        try:
            await self._connection.send(frame)
        except ConnectionClosed as closed:
            if not self.resumable:
                raise connection_lost(self._kernel_id, str(closed)) from closed

    async def _confirm(self) -> None:
        """Send the gateway the count of received frames."""
        from websockets.exceptions import ConnectionClosed

        with contextlib.suppress(ConnectionClosed):
            await self._connection.send(json.dumps({"received": self._counts.received}))

    def _check_size(self, closed: ConnectionClosed) -> None:
        """Raise a ProtocolError if this side closed the connection because of a large message."""
        sent = closed.sent
        if sent and sent.code == CLOSE_MESSAGE_TOO_BIG and not closed.rcvd_then_sent:
            raise ProtocolError(
                f"Kernel {self._kernel_id} sent a message of more than "
                f"{self._options.max_message} bytes (limits.message); the connection was closed. "
                "Call connect() to start a new kernel."
            ) from closed

    async def _connect(self, timeout: float) -> None:
        connection = await open_connection(
            self._gateway,
            self._kernel_id,
            session=self._session,
            received=self._counts.received,
            max_message=self._options.max_message,
            timeout=timeout,
        )
        self.resumable = connection.subprotocol == RESUME_SUBPROTOCOL
        self.framing = V1_SUBPROTOCOL if self.resumable else connection.subprotocol
        if self.resumable:
            try:
                known = await count_at_gateway(connection, self._kernel_id)
            except BaseException:
                connection.transport.abort()
                raise
            self._connection = connection
            await self._send_missing(known)
        self._connection = connection

    async def _send_missing(self, known: int) -> None:
        """Send again what the gateway lacks, which has received ``known`` frames."""
        async with self._sending:
            for msg_id, frame in self._counts.rewind(known):
                await self._send(msg_id, frame)

    async def _reconnect(self, why: str) -> None:
        """Resume the session over a new connection.

        Raises:
            ContainerLostError: If the container has exited.
            KernelDiedError: If the kernel has died meanwhile.
            ConnectionLostError: If the connection can't be resumed.
        """
        loop = asyncio.get_running_loop()
        timeout = self._options.reconnect_timeout
        deadline = loop.time() + timeout
        while True:
            left = deadline - loop.time()
            try:
                async with asyncio.timeout(max(left, 0)):
                    await self._connect(max(left, RETRY_INTERVAL))
                return
            except (ConnectFailedError, TimeoutError) as error:
                cause = error
            except (ConnectionLostError, KernelDiedError):
                raise
            except IpyboxError as error:
                raise self._container_lost() or connection_lost(
                    self._kernel_id, f"{why}; {error}"
                ) from error
            if lost := self._container_lost():
                raise lost from cause
            if left <= 0:
                if self._container is not None:
                    await self._container.status_within(EXIT_STATUS_TIMEOUT)
                detail = f"{why}; {cause}".rstrip("; ")
                raise self._container_lost() or connection_lost(
                    self._kernel_id, f"{detail}; gave up after {timeout} s (timeouts.reconnect)"
                ) from cause
            await asyncio.sleep(RETRY_INTERVAL)

    def _container_lost(self) -> ContainerLostError | None:
        container = self._container
        return container_lost(container.status) if container and container.status else None
