"""``kill`` and ``stop``: at any time, by any caller, and nothing is left behind."""

from __future__ import annotations

import asyncio
import fcntl
from contextlib import nullcontext, suppress
from pathlib import Path

import pytest

from ipybox.backend import Capability, Container
from ipybox.errors import ContainerStartError, IpyboxError
from ipybox.spec.container import Bind
from ipybox.testing.conformance.backend.probes import GATEWAY
from ipybox.testing.conformance.base import SOON_SECONDS, Conformance
from ipybox.testing.conformance.checks import check

FREEZE = f"""{GATEWAY}
import subprocess
# With a delay: the gateway still has to report that this code has run.
script = f"sleep 0.3; kill -STOP {{gateway()}}"
_ = subprocess.Popen(["sh", "-c", script], start_new_session=True)
"""


class KillChecks(Conformance):
    @check()
    async def test_kill_before_start_prevents_the_start(self) -> None:
        async with self.created() as container:
            await container.kill()
            await container.kill()
            with pytest.raises(ContainerStartError):
                await container.start()
            assert container.endpoint is None
            assert await self.leftovers() == []

    @check()
    async def test_kill_is_idempotent(self) -> None:
        async with self.started() as container:
            endpoint = container.endpoint
            assert endpoint is not None
            await container.kill()
            with pytest.raises(OSError):
                await asyncio.open_connection(endpoint.host, endpoint.port)
            assert await self.leftovers() == []
            await container.kill()

    @check()
    async def test_kill_can_be_called_concurrently(self) -> None:
        async with self.started() as container:
            async with asyncio.timeout(SOON_SECONDS):
                await asyncio.gather(*(container.kill() for _ in range(5)))
            assert await self.leftovers() == []
            assert (await container.wait()).code == 0

    @check()
    async def test_kill_during_start_ends_the_start(self) -> None:
        """The start raises an IpyboxError, and no container is left running unnoticed."""
        for delay in (0.0, 0.01, 0.1, 0.3):
            container = await self.subject.create(self.spec())
            try:
                starting = asyncio.create_task(container.start())
                await asyncio.wait([starting], timeout=delay)
                await asyncio.sleep(0)  # lets the start begin even if the delay is 0
                came_up = delay > 0 and starting.done()  # on a fast machine, before the kill
                await container.kill()
                async with asyncio.timeout(SOON_SECONDS):
                    with nullcontext() if came_up else pytest.raises(IpyboxError):
                        await starting
                assert container.endpoint is None
            finally:
                await container.kill()
            assert await self.leftovers() == []

    @check()
    async def test_kill_after_a_crash_removes_the_container(self) -> None:
        async with self.started() as container:
            with pytest.raises(IpyboxError):
                await self.python(f"{GATEWAY}\nos.kill(gateway(), 9)", on=container)
            await container.kill()
        assert await self.leftovers() == []

    @check()
    async def test_kill_removes_a_container_with_a_frozen_gateway(self) -> None:
        async with self.started() as container:
            await self._freeze(container)
            async with asyncio.timeout(SOON_SECONDS):
                await container.kill()
        assert await self.leftovers() == []

    @check(Capability.BINDS)
    async def test_kill_ends_detached_processes(self, tmp_path: Path) -> None:
        lock = tmp_path / "lock"
        lock.touch()
        code = """
            import subprocess, sys
            hold = "import fcntl, sys, time; f = open('in/lock', 'r+'); fcntl.flock(f, 2);" \\
                   "print(flush=True); time.sleep(600)"
            process = subprocess.Popen([sys.executable, "-c", hold], start_new_session=True,
                                       stdout=subprocess.PIPE)
            process.stdout.readline()
        """
        async with self.started(
            binds=(Bind(host_path=tmp_path, container_path="in"),)
        ) as container:
            await self.python(code, on=container)
            assert not _can_lock(lock)
            await container.kill()
            assert _can_lock(lock)

    @check()
    async def test_stop_removes_the_container(self) -> None:
        async with self.started() as container:
            waiting = asyncio.create_task(container.wait())
            async with asyncio.timeout(SOON_SECONDS):
                await container.stop()
                assert (await waiting).code == 0
            assert container.endpoint is None
            assert await self.leftovers() == []
            await container.stop()

    @check()
    async def test_stop_before_start_raises_nothing(self) -> None:
        async with self.created() as container:
            await container.stop()

    @check()
    async def test_stop_waits_no_longer_than_grace(self) -> None:
        async with self.started() as container:
            await self._freeze(container)
            async with asyncio.timeout(SOON_SECONDS):
                await container.stop(grace=1.0)
            assert await self.leftovers() == []

    async def _freeze(self, container: Container) -> None:
        """Stop the gateway with SIGSTOP, so that it can neither answer nor exit."""
        with suppress(IpyboxError):  # the gateway may freeze before it has answered
            await self.python(FREEZE, on=container)
        endpoint = container.endpoint
        assert endpoint is not None

        async def silent() -> bool:
            reader, writer = await asyncio.open_connection(endpoint.host, endpoint.port)
            try:
                writer.write(b"GET /api HTTP/1.1\r\nHost: localhost\r\n\r\n")
                async with asyncio.timeout(0.5):
                    return not await reader.read(1)
            except TimeoutError:
                return True
            finally:
                writer.close()

        await self.until(silent, "the gateway is frozen")


def _can_lock(path: Path) -> bool:
    with path.open("r+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        return True
