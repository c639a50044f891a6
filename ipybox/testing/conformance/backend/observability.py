"""What a container logs and uses, and pausing it: ``logs``, ``stats``, ``pause``."""

from __future__ import annotations

import asyncio

import httpx
import pytest

from ipybox.backend import Capability, Container
from ipybox.client import ExecutionClient
from ipybox.errors import BackendError
from ipybox.testing.conformance.backend.probes import BURN, GATEWAY
from ipybox.testing.conformance.base import SOON_SECONDS, Conformance
from ipybox.testing.conformance.checks import check

MEBIBYTE = 1024 * 1024
GROWN_BYTES = 150 * MEBIBYTE


class ObservabilityChecks(Conformance):
    @check()
    async def test_logs_return_lines_oldest_first(self) -> None:
        code = f"""{GATEWAY}
with open(f"/proc/{{gateway()}}/fd/2", "w") as log:
    for number in range(5):
        print("line", number, "é", file=log, flush=True)
"""
        async with self.started() as container:
            await self.python(code, on=container)

            async def logged() -> bool:
                return (await container.logs())[-5:] == [f"line {i} é" for i in range(5)]

            await self.until(logged, "five lines in the log")
            assert await container.logs(tail=2) == ["line 3 é", "line 4 é"]
            assert await container.logs(tail=0) == []

    @check()
    async def test_logs_contain_neither_token_nor_runtime_events(self) -> None:
        endpoint = self.shared.endpoint
        assert endpoint is not None
        text = "\n".join(await self.shared.logs(1000))
        assert endpoint.token not in text
        assert '{"event"' not in text

    @check()
    async def test_logs_before_start_and_after_kill_raise_nothing(self) -> None:
        async with self.created() as container:
            assert await container.logs() == []
            await container.start()
            await container.kill()
            assert isinstance(await container.logs(), list)
            assert await container.logs(tail=0) == []

    @check(Capability.STATS)
    async def test_stats_fit_a_gateway_and_a_kernel(self) -> None:
        stats = await self.shared.stats()
        assert 0 < stats.cpu_seconds < 3600
        assert 10 * MEBIBYTE < stats.memory_bytes < 1024 * MEBIBYTE
        assert stats.pids is None or 2 <= stats.pids < 500

    @check(Capability.STATS)
    async def test_stats_count_processor_time(self) -> None:
        before = (await self.shared.stats()).cpu_seconds
        used = float(await self.python(BURN.format(seconds=0.5)))
        assert (await self.shared.stats()).cpu_seconds - before >= used * 0.9

    @check(Capability.STATS)
    async def test_stats_count_memory(self) -> None:
        endpoint = self.shared.endpoint
        assert endpoint is not None
        async with ExecutionClient(endpoint.port, endpoint.host, token=endpoint.token) as client:
            await client.execute("1")
            before = (await self.shared.stats()).memory_bytes
            await client.execute(f"kept = b'x' * {GROWN_BYTES}")
            assert (await self.shared.stats()).memory_bytes - before > GROWN_BYTES * 0.8

    @check(Capability.STATS)
    async def test_stats_need_a_running_container(self) -> None:
        async with self.created() as container:
            with pytest.raises(BackendError):
                await container.stats()
            await container.start()
            await container.kill()
            with pytest.raises(BackendError):
                await container.stats()

    @check(Capability.PAUSE)
    async def test_pause_freezes_and_unpause_loses_nothing(self) -> None:
        async with self.started() as container:
            endpoint = container.endpoint
            assert endpoint is not None
            async with ExecutionClient(
                endpoint.port, endpoint.host, token=endpoint.token
            ) as client:
                await client.execute("x = 41")
                await container.pause()
                assert not await _answers(container, within=2.0)
                await container.unpause()
                assert await _answers(container, within=SOON_SECONDS)
                assert (await client.execute("print(x + 1)")).stdout == "42\n"

    @check(Capability.PAUSE)
    async def test_paused_container_can_be_killed(self) -> None:
        async with self.started() as container:
            await container.pause()
            await container.kill()
            with pytest.raises(BackendError):
                await container.pause()
        assert await self.leftovers() == []

    @check(Capability.PAUSE)
    async def test_paused_container_can_be_stopped(self) -> None:
        async with self.started() as container:
            await container.pause()
            async with asyncio.timeout(SOON_SECONDS):
                await container.stop()
        assert await self.leftovers() == []

    @check(Capability.PAUSE, Capability.ATTACH)
    async def test_paused_container_counts_as_running(self) -> None:
        async with self.started() as container:
            await container.pause()
            waiting = asyncio.create_task(container.wait())
            (state,) = [i.state for i in await self.subject.list() if i.id == container.id]
            assert state == "paused"
            assert not (await asyncio.wait([waiting], timeout=0.5))[0]
            await container.unpause()
            assert await self.python("print(1)", on=container) == "1\n"

    @check(Capability.PAUSE, Capability.LEASES)
    async def test_pause_suspends_the_lease(self) -> None:
        async with self.running(lease=6.0) as container:
            await container.pause()
            waiting = asyncio.create_task(container.wait())
            assert not (await asyncio.wait([waiting], timeout=8.0))[0]
            await container.unpause()
            assert not (await asyncio.wait([waiting], timeout=0.5))[0]
            waiting.cancel()
            assert await self.python("print(1)", on=container.container) == "1\n"


async def _answers(container: Container, *, within: float) -> bool:
    endpoint = container.endpoint
    assert endpoint is not None
    async with httpx.AsyncClient(timeout=within) as http:
        try:
            await http.get(f"http://{endpoint.host}:{endpoint.port}/api")
        except httpx.TimeoutException:
            return False
        return True
