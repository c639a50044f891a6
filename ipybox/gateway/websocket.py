"""One WebSocket to a kernel, opened with all the headers and options that the gateway needs."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from ipybox.errors import (
    ConnectFailedError,
    ConnectionLostError,
    GatewayError,
    IpyboxError,
    KernelDiedError,
    ProtocolError,
)
from ipybox.gateway.rest import Gateway, unauthorized
from ipybox.gateway.versions import (
    RESUME_SUBPROTOCOL,
    V1_SUBPROTOCOL,
    VERSION_HEADER,
    check_version,
)

if TYPE_CHECKING:
    from websockets.asyncio.client import ClientConnection

OPEN_TIMEOUT = 70.0
"""Seconds. A gateway answers the handshake once the kernel is up; a stock one gives up after 60."""
CLOSE_TIMEOUT = 2.0
"""Seconds for the closing handshake."""
FRAME_OVERHEAD_BYTES = 4 * 1024 * 1024
"""How much larger than ``max_message`` a frame may be: the limit does not count everything in it.
Text output has a limit of its own, so a piece of it always fits."""
HTTP_GONE = 410
"""From ipybox_runtime: the kernel died before a connection to it was opened."""
CLOSE_GONE = 4410
"""From ipybox_runtime: the output that the client missed is no longer kept."""


async def open_connection(
    gateway: Gateway,
    kernel_id: str,
    *,
    session: str,
    received: int,
    max_message: int,
    timeout: float = OPEN_TIMEOUT,
) -> ClientConnection:
    """Open a WebSocket to a kernel.

    Args:
        gateway: The gateway of the kernel.
        kernel_id: The id of the kernel.
        session: The id of the client's session, which outlasts its connections.
        received: The number of frames of this session that have arrived before.
        max_message: The size of the largest message that the gateway may send, in bytes.
        timeout: Seconds for the opening handshake.

    Raises:
        AuthenticationError: If the gateway refuses the token.
        KernelDiedError: If the kernel has died.
        VersionMismatchError: If the gateway's runtime does not fit this library.
        GatewayError: If the gateway refuses the connection, or does not speak WebSocket.
        ConnectFailedError: If the gateway can't be reached, or does not answer in time.
    """
    from websockets.asyncio.client import connect
    from websockets.exceptions import InvalidStatus, WebSocketException

    query = {"session_id": session, "received": received, "max_message": max_message}
    try:
        return await connect(
            f"ws://{gateway.address}/api/kernels/{kernel_id}/channels?{urlencode(query)}",
            subprotocols=[RESUME_SUBPROTOCOL, V1_SUBPROTOCOL],  # type: ignore[list-item]
            additional_headers=gateway.headers,
            open_timeout=timeout,
            close_timeout=CLOSE_TIMEOUT,
            ping_interval=None,  # the channel has a heartbeat of its own
            max_size=max_message + FRAME_OVERHEAD_BYTES,
            compression=None,
            proxy=None,  # a proxy would see the token
            logger=_wire_log(),
        )
    except InvalidStatus as error:
        headers, status = error.response.headers, error.response.status_code
        check_version(gateway.address, status, headers.get(VERSION_HEADER))
        raise _refused(gateway, kernel_id, status, error) from error
    except TimeoutError as error:
        raise ConnectFailedError(
            f"The gateway at {gateway.address} did not open a connection to kernel {kernel_id} "
            f"within {timeout:.0f} s."
        ) from error
    except OSError as error:
        raise ConnectFailedError(
            f"The gateway at {gateway.address} can't be reached: {error}. Check that the "
            "container is running."
        ) from error
    except WebSocketException as error:
        if isinstance(error.__cause__, EOFError):
            raise ConnectFailedError(
                f"The gateway at {gateway.address} closed the connection to kernel {kernel_id} "
                "before it was open."
            ) from error
        raise GatewayError(
            f"The server at {gateway.address} does not speak WebSocket as a kernel gateway does: "
            f"{error}. Check the port."
        ) from error


async def count_at_gateway(connection: ClientConnection, kernel_id: str) -> int:
    """Read the first frame of a session that can be resumed.

    Args:
        connection: A connection that was just opened.
        kernel_id: The id of the kernel, for error messages.

    Returns:
        The number of the client's frames that the gateway has received.

    Raises:
        ConnectionLostError: If the gateway no longer keeps the frames that the client missed.
        ConnectFailedError: If the gateway closed the connection.
        ProtocolError: If the frame contains no count.
    """
    from websockets.exceptions import ConnectionClosed

    try:
        first = await connection.recv()
        return int(json.loads(first)["received"])
    except ConnectionClosed as closed:
        if connection.close_code == CLOSE_GONE:
            raise ConnectionLostError(
                f"The connection to kernel {kernel_id} could not be resumed: the client was away "
                f"longer than the gateway keeps output ({closed}). Call connect() to start a new "
                "kernel."
            ) from closed
        raise ConnectFailedError(
            f"The gateway closed the new connection to kernel {kernel_id}: {closed}"
        ) from closed
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError) as error:
        raise ProtocolError(
            f"The gateway did not send how many frames it has received for kernel {kernel_id}."
        ) from error


def _refused(gateway: Gateway, kernel_id: str, status: int, error: Exception) -> IpyboxError:
    """Return the error for a handshake that the gateway answered with an HTTP error status."""
    if status == 401:
        return unauthorized(gateway.address, given=gateway.has_token)
    if status == HTTP_GONE:
        return KernelDiedError(f"Kernel {kernel_id} died before it answered: {error}")
    return GatewayError(
        f"The gateway at {gateway.address} refused the connection to kernel {kernel_id}: {error}"
    )


def _wire_log() -> logging.Logger:
    """Return the logger for the WebSocket library, without the header that holds the token."""
    wire = logging.getLogger(f"{__name__}.wire")
    if not wire.filters:
        wire.addFilter(lambda record: "authorization" not in record.getMessage().lower())
    return wire
