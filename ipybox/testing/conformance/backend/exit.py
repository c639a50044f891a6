"""How a container exits, and what ``wait`` reports about it."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from ipybox.backend import Capability, Container
from ipybox.errors import IpyboxError
from ipybox.spec.resources import Resources
from ipybox.testing.conformance.backend.probes import GATEWAY
from ipybox.testing.conformance.base import SOON_SECONDS, Conformance
from ipybox.testing.conformance.checks import check

MEMORY_BYTES = 300 * 1024 * 1024


class ExitChecks(Conformance):
    @check()
    async def test_wait_returns_0_after_kill(self) -> None:
        async with self.started() as container:
            waiting = asyncio.create_task(container.wait())
            assert not (await asyncio.wait([waiting], timeout=0.2))[0]
            await container.kill()
            async with asyncio.timeout(SOON_SECONDS):
                status = await waiting
            assert (status.code, status.out_of_memory) == (0, False)

    @check()
    async def test_wait_before_start_returns_at_once(self) -> None:
        async with self.created() as container:
            async with asyncio.timeout(SOON_SECONDS):
                assert (await container.wait()).code is None

    @check()
    async def test_wait_returns_the_same_again(self) -> None:
        async with self.started() as container:
            await container.kill()
            async with asyncio.timeout(SOON_SECONDS):
                assert (await container.wait()).code == (await container.wait()).code == 0

    @check()
    async def test_cancelling_one_wait_does_not_disturb_the_others(self) -> None:
        async with self.started() as container:
            waiting = [asyncio.create_task(container.wait()) for _ in range(4)]
            await asyncio.wait(waiting, timeout=0.2)
            waiting[0].cancel()
            await asyncio.wait(waiting[:1])
            assert waiting[0].cancelled()
            await container.kill()
            async with asyncio.timeout(SOON_SECONDS):
                assert [(await task).code for task in waiting[1:]] == [0, 0, 0]

    @check()
    async def test_container_exits_with_its_gateway(self) -> None:
        async with self.started() as container:
            waiting = asyncio.create_task(container.wait())
            await self._run_last(container, f"{GATEWAY}\nos.kill(gateway(), 9)")
            async with asyncio.timeout(SOON_SECONDS):
                status = await waiting
            assert status.code == -9
            assert not status.out_of_memory
            assert status.reason
            await container.kill()
            assert (await container.wait()).code in (-9, 0)

    @check(Capability.RESOURCES)
    async def test_wait_reports_out_of_memory(self) -> None:
        async with self.started(resources=Resources(memory_bytes=MEMORY_BYTES)) as container:
            if container.guarantees.details.get("memory") != "enforced":
                # Then nothing stops the container, and its guarantees have to say so.
                assert any("memory" in text for text in container.guarantees.unmet)
                return
            # The out-of-memory killer takes the gateway first.
            code = f"""{GATEWAY}
open(f"/proc/{{gateway()}}/oom_score_adj", "w").write("1000")
kept = b"x" * {2 * MEMORY_BYTES}
"""
            waiting = asyncio.create_task(container.wait())
            await self._run_last(container, code)
            async with asyncio.timeout(SOON_SECONDS):
                status = await waiting
            assert (status.code, status.out_of_memory) == (-9, True)

    async def _run_last(self, container: Container, code: str) -> None:
        """Run code that its container does not survive."""
        with suppress(IpyboxError):  # how the connection breaks is not up to the backend
            await self.python(code, on=container)
