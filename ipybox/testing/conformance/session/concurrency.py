"""Many executions and connections at once."""

from __future__ import annotations

import asyncio

import pytest

from ipybox.errors import ExecutionError, TransportError
from ipybox.testing.conformance.checks import check
from ipybox.testing.conformance.session.base import SessionChecks


class ConcurrencyChecks(SessionChecks):
    """Executions run one after the other, and none is lost or mixed up with another."""

    @check()
    async def test_50_concurrent_submits_keep_their_own_output(self) -> None:
        async with self.client() as client:
            executions = [await client.submit(f"print({i} * {i})") for i in range(50)]
            results = await asyncio.gather(
                *(execution.result() for execution in reversed(executions))
            )
            assert [result.text for result in reversed(results)] == [str(i * i) for i in range(50)]

    @check()
    async def test_unread_executions_lose_no_output(self) -> None:
        async with self.client() as client:
            first = await client.submit("for i in range(1000): print(i)")
            _never_consumed = await client.submit("print('x' * 100_000)")
            third = await client.submit("print('third')")
            assert (await third.result()).text == "third"
            streamed = "".join([piece async for piece in first.stream()])
            assert streamed == "".join(f"{i}\n" for i in range(1000))
            assert (await first.result()).text == streamed.strip()
            assert "".join([piece async for piece in first.stream()]) == streamed

    @check()
    async def test_an_error_does_not_stop_queued_executions(self) -> None:
        async with self.client() as client:
            failing = await client.submit("1 / 0")
            behind = await client.submit("print('runs')")
            assert (await behind.result()).text == "runs"
            with pytest.raises(ExecutionError, match="ZeroDivisionError"):
                await failing.result()

    @check()
    async def test_output_arrives_while_the_code_runs(self) -> None:
        async with self.client() as client:
            first = asyncio.Event()

            async def answer(prompt: str, password: bool) -> str:
                await first.wait()
                return "2"

            # The code prints the second line only after the first has arrived here.
            execution = await client.submit("print(1)\nprint(input())", stdin=answer)
            text = ""
            async for piece in execution.stream():
                text += piece
                if text == "1\n":
                    first.set()
            assert text == "1\n2\n"

    @check()
    async def test_concurrent_connects_and_restarts_leave_one_kernel(self) -> None:
        before = await self.kernels()
        client = self.new_client()
        outcomes = await asyncio.gather(
            client.connect(), client.connect(), client.connect(), return_exceptions=True
        )
        assert sum(isinstance(outcome, TransportError) for outcome in outcomes) == 2
        await asyncio.gather(client.restart(), client.restart(), client.restart())
        assert (await client.execute("1")).text == "1"
        assert await self.kernels() == sorted([*before, client.kernel_id])
        restarting = asyncio.ensure_future(client.restart())
        await asyncio.sleep(0)
        await client.disconnect()
        await asyncio.wait([restarting])
        assert await self.kernels() == before

    @check()
    async def test_cancelled_connect_leaves_no_kernel(self) -> None:
        before = await self.kernels()
        for seconds in (0, 0.01, 0.02, 0.05, 0.1, 0.3):
            client = self.new_client()
            connecting = asyncio.ensure_future(client.connect())
            await asyncio.wait([connecting], timeout=seconds)
            connecting.cancel()
            await asyncio.wait([connecting])
            if not connecting.cancelled():  # connect() was faster
                await client.disconnect()
        assert await self.kernels() == before
