"""Every call returns or raises an IpyboxError in time, whatever the gateway does."""

import asyncio
import random

import pytest

from ipybox import ConnectionLostError, ExecutionClient, IpyboxError, KernelDiedError
from ipybox.errors import GatewayError, ProtocolError
from ipybox.kernel import requests
from ipybox.testing import FakeGateway, Fault

HANG_SECONDS = 10


async def run(gateway: FakeGateway) -> str | None:
    async with asyncio.timeout(HANG_SECONDS):
        client = ExecutionClient(gateway.port, heartbeat_interval=1)
        await client.connect(retries=1)
        try:
            return (await client.execute("anything", timeout=5)).text
        finally:
            await client.disconnect()


async def test_a_gateway_without_a_fault_works() -> None:
    async with FakeGateway() as gateway:
        assert await run(gateway) == "hello"


@pytest.mark.parametrize(
    ("fault", "error", "says"),
    [
        (Fault.STATUS_500, GatewayError, "500.*it broke"),
        (Fault.HTML, GatewayError, "did not answer with JSON.*Welcome"),
        (Fault.NO_ID, GatewayError, "without a valid id"),
        (Fault.CLOSE_AT_ONCE, GatewayError, "no valid answer"),
        (Fault.HALF_FRAME, ConnectionLostError, "lost"),
        (Fault.WRONG_TYPES, ProtocolError, "not a kernel message"),
        (Fault.NOISE, ProtocolError, "claims"),
        (Fault.CLOSE_IN_EXECUTION, ConnectionLostError, "lost"),
        (Fault.KERNEL_DIES, KernelDiedError, "signal 9"),
    ],
)
async def test_each_fault_raises_an_error_of_its_own(
    fault: Fault, error: type[IpyboxError], says: str
) -> None:
    async with FakeGateway(fault) as gateway:
        with pytest.raises(error, match=says) as caught:
            await run(gateway)
    if fault in (Fault.CLOSE_IN_EXECUTION, Fault.KERNEL_DIES):
        assert caught.value.text == "hello"  # type: ignore[attr-defined]


@pytest.mark.slow
async def test_a_silent_gateway_raises(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ipybox.gateway.rest.START_TIMEOUT", 3.0)
    async with FakeGateway(Fault.SILENT) as gateway:
        with pytest.raises(GatewayError, match="Timeout"):
            await run(gateway)


async def test_a_silent_kernel_raises(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(requests.probe, "__defaults__", (0.5,))
    async with FakeGateway(Fault.MUTE_KERNEL) as gateway:
        with pytest.raises(IpyboxError, match="did not answer within"):
            await run(gateway)


async def test_a_client_can_connect_again_after_it_lost_its_connection() -> None:
    async with FakeGateway(Fault.CLOSE_IN_EXECUTION) as gateway:
        client = ExecutionClient(gateway.port)
        await client.connect()
        with pytest.raises(ConnectionLostError):
            await client.execute("1")
        with pytest.raises(ConnectionLostError, match=r"connect\(\)"):
            await client.execute("1")
        gateway.fault = Fault.NONE
        await client.connect()
        assert (await client.execute("1")).text == "hello"
        await client.disconnect()


@pytest.mark.slow
async def test_1000_mutated_executions_finish() -> None:
    chance = random.Random(20261122)

    def mutate(frame: str | bytes) -> str | bytes:
        if chance.random() < 0.6:
            return frame
        text = list(frame if isinstance(frame, str) else frame.decode())
        for _ in range(chance.randint(1, 5)):
            position = chance.randrange(len(text))
            match chance.randrange(4):
                case 0:
                    text[position] = chance.choice('{}[]",:0aé\x01')
                case 1:
                    del text[position : position + chance.randint(1, 30)]
                case 2:
                    text[position:position] = chance.choice(["null", "[", '"', "1e999", "\\ud800"])
                case _:
                    return "".join(text[:position])
        return "".join(text) or "{}"

    async def one(gateway: FakeGateway) -> str:
        client = ExecutionClient(gateway.port)
        await client.connect(retries=1)
        try:
            result = await client.execute("x", timeout=0.2)
            return f"result {result.text}"
        except IpyboxError as error:
            return type(error).__name__
        finally:
            await client.disconnect()

    ends: dict[str, int] = {}
    async with FakeGateway(mutate=mutate) as gateway:
        for _ in range(50):
            for end in await asyncio.gather(*(one(gateway) for _ in range(20))):
                ends[end] = ends.get(end, 0) + 1
    assert sum(ends.values()) == 1000
    assert ends.get("result hello", 0) > 0
    assert ends.get("ProtocolError", 0) > 0
