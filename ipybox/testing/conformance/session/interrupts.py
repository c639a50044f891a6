"""Timeouts, interrupts and cancellation."""

from __future__ import annotations

import asyncio

import pytest

from ipybox.errors import (
    ExecutionError,
    ExecutionInterruptedError,
    ExecutionTimeoutError,
    InvalidArgumentError,
)
from ipybox.kernel.timeouts import Timeouts
from ipybox.testing.conformance.base import SOON_SECONDS
from ipybox.testing.conformance.checks import check
from ipybox.testing.conformance.session.base import PATIENT, SessionChecks


class InterruptChecks(SessionChecks):
    """Code that is stopped from outside keeps its state, or is reported to have lost it."""

    @check()
    async def test_timeout_interrupts_and_keeps_state(self) -> None:
        async with self.client(timeouts=PATIENT) as client:
            await client.execute("kept = 7")
            execution = await self.begun(client, "print('started')\nwhile True: pass")
            with pytest.raises(asyncio.TimeoutError) as caught:
                await execution.result(timeout=0.5)
            assert isinstance(caught.value, ExecutionTimeoutError)
            assert caught.value.state == "preserved"
            assert caught.value.text == "started"
            assert (await client.execute("print(kept)")).text == "7"

    @pytest.mark.parametrize("timeout", [0.0001, 0.001, 0.005, 0.01, 0.05])
    @check()
    async def test_a_very_short_timeout_keeps_state(self, timeout: float) -> None:
        async with self.client(timeouts=PATIENT) as client:
            await client.execute("kept = 7")
            for _ in range(5):
                with pytest.raises(ExecutionTimeoutError) as caught:
                    await client.execute("while True: pass", timeout=timeout)
                assert caught.value.state == "preserved"
            assert (await client.execute("print(kept)")).text == "7"

    @check()
    async def test_stream_timeout_interrupts(self) -> None:
        async with self.client() as client:
            execution = await self.begun(
                client, "import sys, time\nsys.stdout.write('a\\n')\ntime.sleep(60)"
            )
            pieces = []
            with pytest.raises(ExecutionTimeoutError):
                async for piece in execution.stream(timeout=0.5):
                    pieces.append(piece)
            assert pieces == ["a\n"]
            with pytest.raises(ExecutionTimeoutError):
                await execution.result()
            assert (await client.execute("print('b')")).text == "b"

    @check()
    async def test_timeout_replaces_a_kernel_that_ignores_interrupts(self) -> None:
        async with self.client(timeouts=Timeouts(interrupt=1)) as client:
            stubborn = """
                import time
                while True:
                    try:
                        print("asleep")
                        time.sleep(60)
                    except BaseException:
                        pass
            """
            execution = await self.begun(client, stubborn)
            with pytest.raises(ExecutionTimeoutError) as caught:
                await execution.result(timeout=0.5)
            assert caught.value.state == "lost"
            assert (await client.execute("print('again')")).text == "again"

    @check()
    async def test_timeout_replaces_a_stopped_kernel(self) -> None:
        async with self.client(timeouts=Timeouts(interrupt=1)) as client:
            stuck = "print('on')\nimport os, signal; os.kill(os.getpid(), signal.SIGSTOP)"
            execution = await self.begun(client, stuck)
            with pytest.raises(ExecutionTimeoutError) as caught:
                await execution.result(timeout=0.5)
            assert (caught.value.state, caught.value.text) == ("lost", "on")
            assert (await client.execute("print('again')")).text == "again"

    @check()
    async def test_timeout_of_a_queued_execution_leaves_the_running_one_alone(self) -> None:
        async with self.client() as client:
            first = await client.submit("import time\ntime.sleep(3)\nprint('whole')")
            second = await client.submit("print('never')\nran = True")
            with pytest.raises(ExecutionTimeoutError):
                await second.result(timeout=0.5)
            assert (await first.result()).text == "whole"
            with pytest.raises(ExecutionError, match="NameError"):
                await client.execute("ran")

    @check()
    async def test_an_execution_queued_behind_a_timeout_keeps_the_kernel(self) -> None:
        """The queued execution starts once a probe has shown that the kernel is well.

        It may take any time itself: the probe has finished by then.
        """
        async with self.client(timeouts=PATIENT) as client:
            await client.execute("import time; kept = 1")
            first = await client.submit("time.sleep(60)")
            second = await client.submit("time.sleep(3); print(kept)")
            with pytest.raises(ExecutionTimeoutError) as caught:
                await first.result(timeout=0.5)
            assert caught.value.state == "preserved"
            assert (await second.result()).text == "1"

    @check()
    async def test_cancelling_execute_stops_the_code(self) -> None:
        async with self.client() as client:
            await client.execute("count = 0")
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(3):
                    await client.execute(
                        "import time\nwhile True:\n    count += 1\n    time.sleep(0.01)"
                    )
            first = (await client.execute("count")).text
            assert first != "0"
            assert (await client.execute("count")).text == first

    @check()
    async def test_interrupt_stops_the_running_code(self) -> None:
        async with self.client() as client:
            execution = await client.submit("print('on', flush=True)\nimport time\ntime.sleep(60)")
            async for _ in execution.stream():
                await client.interrupt()
                break
            with pytest.raises(ExecutionInterruptedError) as caught:
                await asyncio.wait_for(execution.wait(), SOON_SECONDS)
                await execution.result()
            assert caught.value.text == "on"
            assert (await client.execute("1")).text == "1"

    @pytest.mark.parametrize("timeout", [0, -1, "1", float("nan"), True])
    @check()
    async def test_invalid_timeouts_are_refused(self, timeout: float) -> None:
        async with self.client() as client:
            with pytest.raises(InvalidArgumentError, match="timeout"):
                await client.execute("1", timeout=timeout)
            execution = await client.submit("1")
            with pytest.raises(InvalidArgumentError):
                await execution.result(timeout=timeout)
            with pytest.raises(InvalidArgumentError):
                async for _ in execution.stream(timeout=timeout):
                    pass
