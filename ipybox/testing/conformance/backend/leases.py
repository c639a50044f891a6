"""Leases: a container stops soon after the process that owns it has died."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from contextlib import suppress
from typing import Any, ClassVar

from ipybox.backend import Capability
from ipybox.container import ExecutionContainer
from ipybox.testing.conformance.base import SOON_SECONDS, Conformance
from ipybox.testing.conformance.checks import check

LEASE_SECONDS = 3.0
OWNER = """
import asyncio, importlib, json, sys
from ipybox import ExecutionContainer

async def main():
    module, name, options = sys.argv[1:]
    make = getattr(importlib.import_module(module), name)
    async with ExecutionContainer(backend=make(), **json.loads(options)) as container:
        print(json.dumps([container.endpoint.host, container.port]), flush=True)
        await asyncio.Event().wait()

asyncio.run(main())
"""


class LeaseChecks(Conformance):
    maker: ClassVar[str | None] = None
    """Callable without arguments, as ``module:name``, that makes the backend in another process.
    None: the backend's class."""

    @check()
    async def test_container_of_a_killed_owner_stops(self) -> None:
        host, port = await self._dead_owner(lease=LEASE_SECONDS)

        async def silent() -> bool:
            return not await _listens(host, port)

        await self.until(silent, "the gateway is gone", LEASE_SECONDS + SOON_SECONDS)
        await self._gone()

    @check(Capability.LEASES)
    async def test_lease_is_as_requested(self) -> None:
        for lease in (60.0, 3.5, None):
            async with self.created(lease=lease) as container:
                assert container.lease == lease

    @check(Capability.LEASES)
    async def test_container_stops_when_its_lease_expires(self) -> None:
        async with self.started(lease=LEASE_SECONDS) as container:
            async with asyncio.timeout(LEASE_SECONDS + SOON_SECONDS):
                status = await container.wait()
            assert status.code not in (0, None)
            assert "lease" in status.reason

    @check(Capability.LEASES)
    async def test_owner_renews_the_lease(self) -> None:
        async with self.running(lease=6.0) as container:
            waiting = asyncio.create_task(container.wait())
            assert not (await asyncio.wait([waiting], timeout=8.0))[0]
            waiting.cancel()
            assert await self.python("print(1)", on=container.container) == "1\n"

    @check(Capability.LEASES, Capability.ATTACH)
    async def test_sweep_removes_abandoned_containers_only(self) -> None:
        name = self.new_name()
        await self._dead_owner(lease=600.0, name=name)
        (info,) = [info for info in await self.subject.list() if info.name == name]
        assert info.abandoned
        async with self.started() as mine:
            assert name in [info.name for info in await self.subject.sweep()]
            assert name not in await self.existing()
            assert name not in [info.name for info in await self.subject.sweep()]
            assert await self.python("print(1)", on=mine) == "1\n"

    @check(Capability.LEASES, Capability.ATTACH)
    async def test_container_without_a_lease_outlives_its_owner(self) -> None:
        name = self.new_name()
        host, port = await self._dead_owner(lease=None, name=name)
        try:
            (info,) = [info for info in await self.subject.list() if info.name == name]
            assert not info.abandoned
            assert name not in [info.name for info in await self.subject.sweep()]
            assert await _listens(host, port)
        finally:
            await self.subject.remove(name)

    @check(Capability.LEASES, Capability.ATTACH)
    async def test_attach_renews_the_lease(self) -> None:
        """Its owner is dead, but attaching renews the lease, and a sweep spares the container."""
        name = self.new_name()
        await self._dead_owner(lease=10.0, name=name)
        async with ExecutionContainer.attach(name, backend=self.subject) as container:
            waiting = asyncio.create_task(container.wait())
            assert await self.python("print(1)", on=container.container) == "1\n"

            async def spared() -> bool:
                return not await self._swept(name)

            await self.until(spared, "a sweep spares the container")
            assert not (await asyncio.wait([waiting], timeout=12.0))[0]
            waiting.cancel()
            await container.kill()

    async def _swept(self, name: str) -> bool:
        return name in [info.name for info in await self.subject.sweep()]

    async def _dead_owner(self, **options: Any) -> tuple[str, int]:
        """Start a container in a process, kill the process, and return the gateway's address."""
        cls = type(self.subject)
        module, name = (self.maker or f"{cls.__module__}:{cls.__qualname__}").split(":")
        options = {"tag": self.tag, "name": self.new_name(), **options}
        owner = await asyncio.create_subprocess_exec(
            sys.executable, "-c", OWNER, module, name, json.dumps(options),
            stdout=asyncio.subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        )  # fmt: skip
        assert owner.stdout is not None
        try:
            line = await owner.stdout.readline()
            assert line, "the owner did not start a container; see its output above"
        finally:
            with suppress(ProcessLookupError):
                owner.send_signal(signal.SIGKILL)
            await owner.wait()
        host, port = json.loads(line)
        return host, port

    async def _gone(self) -> None:
        async def gone() -> bool:
            return not await self.leftovers()

        await self.until(gone, "the container is gone")


async def _listens(host: str, port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection(host, port)
    except OSError:
        return False
    writer.close()
    return True
