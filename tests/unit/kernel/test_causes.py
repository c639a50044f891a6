"""An exception that is raised for several callers keeps its cause for each of them."""

import asyncio
from collections.abc import Awaitable, Sequence
from typing import Any, TypeVar

import pytest
from websockets.exceptions import ConnectionClosed

from ipybox import ExecutionClient, Timeouts
from ipybox.errors import (
    ConnectionLostError,
    ExecutionTimeoutError,
    GatewayError,
    IpyboxError,
)
from ipybox.gateway.rest import Gateway
from ipybox.kernel.channel import KernelChannel
from ipybox.kernel.requests import Reply
from ipybox.testing import FakeGateway, Fault

Error = TypeVar("Error", bound=IpyboxError)


async def failures(kind: type[Error], calls: Sequence[Awaitable[Any]]) -> list[Error]:
    """Return the error of each call; each must be an object of its own."""
    found = await asyncio.gather(*calls, return_exceptions=True)
    errors = [error for error in found if isinstance(error, kind)]
    assert len(errors) == len(calls), found
    assert len({id(error) for error in errors}) == len(calls)
    return errors


async def test_each_waiting_execution_keeps_the_cause_of_a_lost_connection() -> None:
    async with FakeGateway(Fault.CLOSE_IN_EXECUTION) as gateway:
        async with ExecutionClient(gateway.port) as client:
            executions = [await client.submit("1") for _ in range(3)]
            results = [execution.result() for execution in executions]
            for error in await failures(ConnectionLostError, results):
                assert isinstance(error.__cause__, ConnectionClosed)


async def test_each_call_of_result_keeps_the_cause() -> None:
    async with FakeGateway(Fault.CLOSE_IN_EXECUTION) as gateway:
        async with ExecutionClient(gateway.port) as client:
            execution = await client.submit("1")
            for _ in range(2):
                results = [execution.result() for _ in range(3)]
                for error in await failures(ConnectionLostError, results):
                    assert isinstance(error.__cause__, ConnectionClosed)
                    assert error.text == "hello"


async def test_each_call_after_a_lost_connection_keeps_the_cause() -> None:
    async with FakeGateway(Fault.CLOSE_IN_EXECUTION) as gateway:
        async with ExecutionClient(gateway.port) as client:
            await failures(ConnectionLostError, [client.execute("1")])
            calls = [
                client.submit("1"),
                client.submit("1"),
                client.complete("a"),
                client.execute(""),
            ]
            for error in await failures(ConnectionLostError, calls):
                assert isinstance(error.__cause__, ConnectionClosed)


async def test_each_waiting_request_keeps_the_cause_of_a_closed_channel() -> None:
    async with FakeGateway() as gateway:
        async with ExecutionClient(gateway.port) as client:
            gateway.fault = Fault.MUTE_KERNEL
            channel: KernelChannel = client._connected().channel
            replies = [Reply(idle=False) for _ in range(3)]
            for reply in replies:
                await channel.request("shell", "kernel_info_request", {}, reply)
            lost = ConnectionLostError("The connection was lost.")
            lost.__cause__ = OSError("cut")
            await channel.aclose(lost)
            for error in await failures(ConnectionLostError, [one.wait(1) for one in replies]):
                assert error.__cause__ is lost.__cause__


@pytest.mark.slow
async def test_each_call_after_a_failed_replacement_keeps_the_cause(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cause = OSError("no route")

    async def refuse(self: Gateway) -> str:
        raise GatewayError("No kernel can be started.") from cause

    async with FakeGateway() as gateway:
        timeouts = Timeouts(interrupt=0.1, probe=0.1)
        async with ExecutionClient(gateway.port, timeouts=timeouts) as client:
            gateway.fault = Fault.MUTE_KERNEL
            monkeypatch.setattr(Gateway, "start_kernel", refuse)
            with pytest.raises(ExecutionTimeoutError):
                await client.execute("1", timeout=0.1)
            calls = [client.execute("1") for _ in range(3)]
            for error in await failures(GatewayError, calls):
                assert error.__cause__ is cause
