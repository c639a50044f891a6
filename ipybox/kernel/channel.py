"""The WebSocket to a kernel: one reader, which routes frames by their parent's id."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

from ipybox.errors import (
    ConnectFailedError,
    ConnectionLostError,
    GatewayError,
    IpyboxError,
    KernelDiedError,
    ProtocolError,
)
from ipybox.kernel.gateway import Gateway, unauthorized
from ipybox.kernel.messages import (
    V1_SUBPROTOCOL,
    Channel,
    Message,
    StatusContent,
    content_of,
    decode,
    encode,
    new_message_id,
)

if TYPE_CHECKING:
    from websockets.asyncio.client import ClientConnection

OPEN_SECONDS = 70.0
"""A gateway answers the handshake when the kernel is up; it gives up itself after 60 s."""
CLOSE_SECONDS = 2.0
HTTP_GONE = 410  # from ipybox_runtime: the kernel died before it could be talked to

log = logging.getLogger(__name__)


class Sink(Protocol):
    """Whoever waits for the answers to one request."""

    def feed(self, message: Message) -> None: ...

    def fail(self, error: IpyboxError) -> None: ...


def _wire_log() -> logging.Logger:
    """The log of the WebSocket library, without the header that holds the token."""
    wire = logging.getLogger(f"{__name__}.wire")
    if not wire.filters:
        wire.addFilter(lambda record: "authorization" not in record.getMessage().lower())
    return wire


class KernelChannel:
    """An open connection to one kernel.

    ``on_death`` is called once, with the error, when the kernel or the connection
    is gone; before that, each sink has failed with an error of its own.
    """

    def __init__(
        self,
        connection: ClientConnection,
        *,
        kernel_id: str,
        session: str,
        on_death: Callable[[IpyboxError], None],
    ) -> None:
        self._connection = connection
        self._kernel_id = kernel_id
        self._on_death = on_death
        self._session = session
        self._sinks: dict[str, Sink] = {}
        self._ended: IpyboxError | None = None
        self._reader = asyncio.create_task(self._read(), name=f"ipybox reader {kernel_id}")

    @classmethod
    async def open(
        cls,
        gateway: Gateway,
        kernel_id: str,
        *,
        heartbeat_interval: float,
        on_death: Callable[[IpyboxError], None],
    ) -> KernelChannel:
        """Connects.

        Raises AuthenticationError, KernelDiedError, GatewayError, ConnectFailedError.
        """
        from websockets.asyncio.client import connect
        from websockets.exceptions import InvalidStatus, WebSocketException

        session = new_message_id()
        path = f"/api/kernels/{kernel_id}/channels?session_id={session}"
        try:
            connection = await connect(
                f"ws://{gateway.address}{path}",
                subprotocols=[V1_SUBPROTOCOL],  # type: ignore[list-item]  # a NewType of str
                additional_headers=gateway.headers,
                open_timeout=OPEN_SECONDS,
                close_timeout=CLOSE_SECONDS,
                ping_interval=heartbeat_interval,
                ping_timeout=heartbeat_interval,
                max_size=None,  # large output is no reason to close the connection
                compression=None,
                proxy=None,  # a proxy would see the token
                logger=_wire_log(),
            )
        except InvalidStatus as error:
            raise _refused(gateway, error.response.status_code, error) from error
        except TimeoutError as error:
            raise ConnectFailedError(
                f"The gateway at {gateway.address} did not open a connection to the kernel "
                f"within {OPEN_SECONDS:.0f} s."
            ) from error
        except OSError as error:
            raise ConnectFailedError(
                f"The gateway at {gateway.address} can't be reached: {error}"
            ) from error
        except WebSocketException as error:
            raise GatewayError(
                f"{gateway.address} does not speak WebSocket as a gateway does: {error}"
            ) from error
        return cls(connection, kernel_id=kernel_id, session=session, on_death=on_death)

    @property
    def ended(self) -> IpyboxError | None:
        """Why it is of no use any more; None while it is."""
        return self._ended

    async def request(
        self, channel: Channel, msg_type: str, content: dict[str, Any], sink: Sink
    ) -> str:
        """Sends a request; what answers it goes to ``sink``, until :meth:`release`."""
        from websockets.exceptions import ConnectionClosed

        if self._ended is not None:
            raise self._ended
        msg_id = new_message_id()
        frame = encode(
            channel,
            msg_type,
            content,
            msg_id=msg_id,
            session=self._session,
            subprotocol=self._connection.subprotocol,
        )
        self._sinks[msg_id] = sink
        try:
            await self._connection.send(frame)
        except ConnectionClosed as error:
            self._sinks.pop(msg_id, None)
            await asyncio.wait([self._reader])  # it finds out why
            raise self._ended or _lost(self._kernel_id) from error
        except BaseException:
            self._sinks.pop(msg_id, None)
            raise
        return msg_id

    def release(self, msg_id: str) -> None:
        """Routes nothing more to the sink of this request."""
        self._sinks.pop(msg_id, None)

    async def aclose(self, reason: IpyboxError) -> None:
        """Closes; requests under way fail with ``reason``."""
        self._end(reason)
        self._reader.cancel()
        await asyncio.wait([self._reader])
        await self._connection.close()

    async def _read(self) -> None:
        from websockets.exceptions import ConnectionClosed

        error: IpyboxError = _lost(self._kernel_id)
        try:
            while True:
                frame = await self._connection.recv()
                self._route(decode(frame, self._connection.subprotocol))
                if self._ended is not None:
                    return
        except ConnectionClosed as closed:
            error = _lost(self._kernel_id, str(closed))
        except ProtocolError as broken:
            error = broken
        finally:
            self._end(error)
            if isinstance(error, ProtocolError):
                # It would go on sending; nobody listens any more.
                self._connection.transport.abort()

    def _route(self, message: Message) -> None:
        sink = self._sinks.get(message.parent_header.msg_id)
        if message.header.msg_type == "status" and not message.parent_header.msg_id:
            status = content_of(message, StatusContent)
            if status.execution_state in ("dead", "restarting"):
                self._end(kernel_died(self._kernel_id, status.exit_code))
        elif sink is not None:
            sink.feed(message)
        else:
            log.debug("unrouted %s on %s", message.header.msg_type, message.channel)

    def _end(self, error: IpyboxError) -> None:
        if self._ended is not None:
            return
        self._ended = error
        sinks, self._sinks = self._sinks, {}
        for sink in sinks.values():
            sink.fail(error)
        self._on_death(error)


def kernel_died(kernel_id: str, exit_code: int | None) -> KernelDiedError:
    """The error for a kernel whose process has ended."""
    how = "" if exit_code is None else f" with exit code {exit_code}"
    if exit_code is not None and exit_code < 0:
        how = f" by signal {-exit_code}"
    return KernelDiedError(
        f"Kernel {kernel_id} died{how}; its variables are lost. restart() gives a new one.",
        exit_code,
    )


def _lost(kernel_id: str, detail: str = "") -> ConnectionLostError:
    why = f" ({detail})" if detail else ""
    return ConnectionLostError(
        f"The connection to kernel {kernel_id} was lost{why}. "
        "Call connect() for a new kernel, if the container is still there."
    )


def _refused(gateway: Gateway, status: int, error: Exception) -> IpyboxError:
    if status == 401:
        return unauthorized(gateway.address, given=bool(gateway.headers))
    if status == HTTP_GONE:
        return KernelDiedError(f"The kernel died before it answered: {error}")
    return GatewayError(f"The gateway at {gateway.address} refused the connection: {error}")
