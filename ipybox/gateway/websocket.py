"""One WebSocket to a gateway, opened with all that it needs."""

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

OPEN_SECONDS = 70.0
"""A gateway answers the handshake when the kernel is up; a stock one gives up after 60 s."""
CLOSE_SECONDS = 2.0
FRAME_OVERHEAD_BYTES = 4 * 1024 * 1024
"""What a frame may have besides what is capped; so a piece of text, which has a cap of its
own, always fits."""
HTTP_GONE = 410  # from ipybox_runtime: the kernel died before it could be talked to
CLOSE_GONE = 4410  # from ipybox_runtime: what was missed is not kept any more


async def open_connection(
    gateway: Gateway,
    kernel_id: str,
    *,
    session: str,
    received: int,
    max_message: int,
    seconds: float = OPEN_SECONDS,
) -> ClientConnection:
    """Connects. ``received``: how many frames of this session have come already.

    Raises AuthenticationError, KernelDiedError, VersionMismatchError, GatewayError,
    ConnectFailedError.
    """
    from websockets.asyncio.client import connect
    from websockets.exceptions import InvalidStatus, WebSocketException

    query = {"session_id": session, "received": received, "max_message": max_message}
    try:
        return await connect(
            f"ws://{gateway.address}/api/kernels/{kernel_id}/channels?{urlencode(query)}",
            subprotocols=[RESUME_SUBPROTOCOL, V1_SUBPROTOCOL],  # type: ignore[list-item]
            additional_headers=gateway.headers,
            open_timeout=seconds,
            close_timeout=CLOSE_SECONDS,
            ping_interval=None,  # the channel has a heartbeat of its own
            max_size=max_message + FRAME_OVERHEAD_BYTES,
            compression=None,
            proxy=None,  # a proxy would see the token
            logger=_wire_log(),
        )
    except InvalidStatus as error:
        headers, status = error.response.headers, error.response.status_code
        check_version(gateway.address, status, headers.get(VERSION_HEADER))
        raise _refused(gateway, status, error) from error
    except TimeoutError as error:
        raise ConnectFailedError(
            f"The gateway at {gateway.address} did not open a connection to the kernel "
            f"within {seconds:.0f} s."
        ) from error
    except OSError as error:
        raise ConnectFailedError(
            f"The gateway at {gateway.address} can't be reached: {error}"
        ) from error
    except WebSocketException as error:
        if isinstance(error.__cause__, EOFError):
            raise ConnectFailedError(
                f"The gateway at {gateway.address} closed the connection before it was open."
            ) from error
        raise GatewayError(
            f"{gateway.address} does not speak WebSocket as a gateway does: {error}"
        ) from error


async def count_at_gateway(connection: ClientConnection) -> int:
    """The first frame of a resumed session: how many of our frames have arrived.

    Raises ConnectionLostError where the gateway has not kept what we have missed.
    """
    from websockets.exceptions import ConnectionClosed

    try:
        first = await connection.recv()
        return int(json.loads(first)["received"])
    except ConnectionClosed as closed:
        if connection.close_code == CLOSE_GONE:
            raise ConnectionLostError(f"it was away for too long: {closed}") from closed
        raise ConnectFailedError(f"The gateway closed the connection: {closed}") from closed
    except (ValueError, KeyError, TypeError) as error:
        raise ProtocolError("the gateway did not say how many frames it has") from error


def _refused(gateway: Gateway, status: int, error: Exception) -> IpyboxError:
    if status == 401:
        return unauthorized(gateway.address, given=gateway.has_token)
    if status == HTTP_GONE:
        return KernelDiedError(f"The kernel died before it answered: {error}")
    return GatewayError(f"The gateway at {gateway.address} refused the connection: {error}")


def _wire_log() -> logging.Logger:
    """The log of the WebSocket library, without the header that holds the token."""
    wire = logging.getLogger(f"{__name__}.wire")
    if not wire.filters:
        wire.addFilter(lambda record: "authorization" not in record.getMessage().lower())
    return wire
