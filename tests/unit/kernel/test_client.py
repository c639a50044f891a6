"""ExecutionClient against a fake gateway."""

import pytest

from ipybox import ExecutionClient, NotConnectedError, TransportError
from ipybox.errors import AlreadyConnectedError, ProtocolError
from ipybox.spec.status import Completions
from ipybox.testing import FakeGateway


async def test_a_second_connect_raises_already_connected() -> None:
    async with FakeGateway() as gateway:
        async with ExecutionClient(gateway.port) as client:
            with pytest.raises(AlreadyConnectedError, match=client.kernel_id) as caught:
                await client.connect()
            assert isinstance(caught.value, TransportError)
            assert (await client.execute("1")).text == "hello"
        await client.connect()  # again, after disconnect()
        await client.disconnect()


async def test_a_client_that_is_not_connected_raises_not_connected() -> None:
    async with FakeGateway() as gateway:
        client = ExecutionClient(gateway.port)
        for _ in range(2):
            with pytest.raises(NotConnectedError):
                _ = client.kernel_id
            for call in (client.execute("1"), client.interrupt(), client.restart(),
                         client.complete("a"), client.status()):  # fmt: skip
                with pytest.raises(NotConnectedError, match=r"connect\(\)"):
                    await call
            await client.connect()
            await client.disconnect()


def reply_with(content: str) -> FakeGateway:
    """Return a gateway whose kernel answers each request with this content."""

    def mutate(frame: str | bytes) -> str | bytes:
        assert isinstance(frame, str)
        return frame.replace('"content": {"status": "ok"}', f'"content": {content}')

    return FakeGateway(mutate=mutate)


async def test_completions_are_returned_and_can_be_unpacked() -> None:
    reply = '{"status": "ok", "matches": ["abc", "abd"], "cursor_start": 1, "cursor_end": 3}'
    async with reply_with(reply) as gateway, ExecutionClient(gateway.port) as client:
        completions = await client.complete("(ab")
        assert completions == Completions(("abc", "abd"), 1, 3)
        matches, start, end = completions
        assert (matches, start, end) == (["abc", "abd"], 1, 3)


@pytest.mark.parametrize(
    "reply",
    [
        "[]",
        "null",
        "{}",
        '{"status": 7}',
        '{"status": "ok", "matches": "abc"}',
        '{"status": "ok", "matches": [1]}',
        '{"status": "ok", "cursor_start": "0"}',
        '{"status": "ok", "cursor_start": -1}',
        '{"status": "ok", "cursor_start": 2, "cursor_end": 1}',
        '{"status": "ok", "cursor_end": 4}',
        '{"status": "ok", "cursor_end": 1e999}',
        f'{{"status": "ok", "cursor_end": {10**400}}}',
    ],
    ids=lambda reply: reply[:60],
)
async def test_malformed_completions_raise_a_protocol_error(reply: str) -> None:
    async with reply_with(reply) as gateway, ExecutionClient(gateway.port) as client:
        with pytest.raises(ProtocolError):
            await client.complete("abc")
