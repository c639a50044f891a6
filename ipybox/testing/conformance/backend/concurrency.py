"""Many containers at once."""

from __future__ import annotations

import asyncio

from ipybox.backend import Container
from ipybox.errors import ContainerStartError
from ipybox.testing.conformance.base import Conformance
from ipybox.testing.conformance.checks import check

COUNT = 5


class ConcurrencyChecks(Conformance):
    @check()
    async def test_many_containers_start_work_and_stop_at_once(self) -> None:
        containers = [await self.subject.create(self.spec()) for _ in range(COUNT)]
        try:
            endpoints = await asyncio.gather(*(each.start() for each in containers))
            assert len({(found.host, found.port) for found in endpoints}) == COUNT
            assert len({each.id for each in containers}) == COUNT
            texts = await asyncio.gather(*map(self._number, containers, range(COUNT)))
            assert texts == [f"{number}\n" for number in range(COUNT)]
        finally:
            await asyncio.gather(*(each.kill() for each in containers))
        assert await self.leftovers() == []

    @check()
    async def test_failed_start_does_not_disturb_another_container(self) -> None:
        good, bad = self.spec(), self.spec(token="short")  # the runtime refuses it
        containers = [await self.subject.create(spec) for spec in (good, bad)]
        try:
            started, failed = await asyncio.gather(
                *(each.start() for each in containers), return_exceptions=True
            )
            assert not isinstance(started, BaseException)
            assert isinstance(failed, ContainerStartError)
            assert await self._number(containers[0], 1) == "1\n"
            await containers[1].kill()
            assert await self._number(containers[0], 2) == "2\n"
        finally:
            await asyncio.gather(*(each.kill() for each in containers))

    @check()
    async def test_one_container_can_stop_while_another_starts(self) -> None:
        async with self.started() as first, self.created() as second:
            _, endpoint = await asyncio.gather(first.kill(), second.start())
            assert second.endpoint == endpoint
            assert await self._number(second, 1) == "1\n"

    async def _number(self, container: Container, number: int) -> str:
        return await self.python(f"print({number})", on=container)
