"""The first frame of a connection that can be resumed; it is untrusted."""

from typing import TYPE_CHECKING, cast

import pytest

from ipybox.errors import ProtocolError
from ipybox.gateway.websocket import count_at_gateway

if TYPE_CHECKING:
    from websockets.asyncio.client import ClientConnection


class OneFrame:
    """A connection that receives one frame."""

    def __init__(self, frame: str | bytes) -> None:
        self._frame = frame

    async def recv(self) -> str | bytes:
        return self._frame


async def count_in(frame: str | bytes) -> int:
    return await count_at_gateway(cast("ClientConnection", OneFrame(frame)), "kernel")


async def test_the_count_is_read() -> None:
    assert await count_in('{"received": 7}') == 7


@pytest.mark.parametrize(
    "frame",
    [
        "",
        b"\xff",
        "[]",
        "7",
        "{}",
        '{"received": null}',
        '{"received": "many"}',
        '{"received": Infinity}',
        '{"received": NaN}',
        "[" * 100_000,
    ],
    ids=lambda frame: ascii(frame)[:30],
)
async def test_a_malformed_count_raises_a_protocol_error(frame: str | bytes) -> None:
    with pytest.raises(ProtocolError, match="how many frames"):
        await count_in(frame)
