"""Kernels that die, connections that break, containers that are killed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from ipybox.client import ExecutionClient
from ipybox.errors import (
    ConnectionLostError,
    ContainerLostError,
    ExecutionError,
    KernelDiedError,
    NotConnectedError,
)
from ipybox.kernel.timeouts import Timeouts
from ipybox.testing.conformance.checks import check
from ipybox.testing.conformance.session.base import SessionChecks
from ipybox.testing.cutting_proxy import CuttingProxy

LINES = 100_000


class FailureChecks(SessionChecks):
    """Each failure has an exception of its own, which carries the output printed before it."""

    @pytest.mark.parametrize(
        ("code", "exit_code"),
        [
            ("import os; os._exit(3)", 3),
            ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", -9),
            ("import ctypes; ctypes.string_at(0)", -11),
        ],
        ids=["exit", "SIGKILL", "SIGSEGV"],
    )
    @check()
    async def test_kernel_death_is_reported_with_its_exit_code(
        self, code: str, exit_code: int
    ) -> None:
        async with self.client() as client:
            waiting = [
                await client.submit(
                    f"print('before', flush=True)\nimport time\ntime.sleep(0.3)\n{code}"
                )
            ]
            waiting += [await client.submit("print('never')")]
            for execution in waiting:
                with pytest.raises(KernelDiedError) as caught:
                    await execution.result()
                assert caught.value.exit_code == exit_code
            with pytest.raises(KernelDiedError) as first:
                await waiting[0].result()
            assert first.value.text == "before"
            with pytest.raises(KernelDiedError):
                await client.execute("1")
            await client.restart()
            assert (await client.execute("print('new')")).text == "new"

    @check()
    async def test_restart_starts_an_empty_kernel(self) -> None:
        async with self.client() as client:
            await client.execute("x = 1")
            running = await client.submit("import time; time.sleep(60)")
            await asyncio.sleep(0)
            await client.restart()
            with pytest.raises(KernelDiedError, match="restarted"):
                await running.result()
            with pytest.raises(ExecutionError, match="NameError"):
                await client.execute("x")

    @check()
    async def test_calls_without_a_connection_are_refused(self) -> None:
        client = self.new_client()
        for _ in range(2):
            with pytest.raises(ValueError, match="connect"):
                _ = client.kernel_id
            for call in (
                client.execute("1"),
                client.submit("1"),
                client.interrupt(),
                client.restart(),
            ):
                with pytest.raises(NotConnectedError):
                    await call
            await client.connect()
            running = await client.submit("import time; time.sleep(60)")
            await client.disconnect()
            await client.disconnect()
            with pytest.raises(NotConnectedError):
                await running.result()

    @asynccontextmanager
    async def cut_off(
        self, first_cut: int | None = None, **options: Any
    ) -> AsyncIterator[tuple[CuttingProxy, ExecutionClient]]:
        """Connect a client to the shared container through a proxy that can cut the connection.

        Args:
            first_cut: Bytes towards the client after which the proxy cuts the connection for
                the first time; None: no cut by itself.
            options: Further arguments of :class:`ExecutionClient`.
        """
        endpoint = self.container.endpoint
        async with CuttingProxy(endpoint.port, endpoint.host) as proxy:
            if first_cut is not None:
                proxy.cut_at("to client", first_cut)
            async with ExecutionClient(proxy.port, token=endpoint.token, **options) as client:
                yield proxy, client

    @check()
    async def test_a_connection_that_breaks_repeatedly_loses_no_output(self) -> None:
        """The cuts come amid much output: each line arrives once, and the code runs once."""
        async with self.cut_off(first_cut=200_000, timeouts=Timeouts(reconnect=30)) as (
            proxy,
            client,
        ):
            await client.execute("count = 0")
            execution = await client.submit(
                f"count += 1\nfor i in range({LINES}): print(i)\nprint(count)"
            )
            seen = 0
            async for piece in execution.stream():
                seen += len(piece)
                if seen > (proxy.cuts + 1) * 100_000:
                    proxy.cut_now()
            assert proxy.cuts >= 2  # smaller pieces of text bring more cuts
            found = [int(line) for line in (await execution.result()).stdout.split()]
            assert found == [*range(LINES), 1]

    @check()
    async def test_output_of_a_short_disconnection_arrives_later(self) -> None:
        """The code runs on while the client is away, and the client gets what it printed."""
        async with self.cut_off(timeouts=Timeouts(reconnect=30)) as (proxy, client):
            code = "import time\nfor i in range(20):\n    print(i, flush=True); time.sleep(0.1)"
            execution = await client.submit(code)
            async for _ in execution.stream():
                break
            proxy.refusing = True
            proxy.cut_now()
            await asyncio.sleep(1)  # how long the client is away
            proxy.refusing = False
            assert (await execution.result()).stdout.split() == [str(i) for i in range(20)]

    @check()
    async def test_a_disconnection_beyond_the_grace_is_reported(self) -> None:
        async with self.cut_off(timeouts=Timeouts(reconnect=0.5)) as (proxy, client):
            execution = await client.submit("import time\nprint('on')\ntime.sleep(60)")
            async for _ in execution.stream():
                break
            proxy.refusing = True
            proxy.cut_now()
            with pytest.raises(ConnectionLostError, match=r"timeouts\.reconnect") as caught:
                await execution.result()
            assert caught.value.text == "on"
            with pytest.raises(ConnectionLostError):
                await client.execute("1")
            proxy.refusing = False
            await client.connect()
            assert (await client.execute("print('again')")).text == "again"

    @check()
    async def test_killing_the_container_fails_its_executions(self) -> None:
        async with self.running() as container:
            client = self.new_client(container)
            await client.connect()
            execution = await client.submit("import time\nprint('on')\ntime.sleep(60)")
            waiting = await client.submit("print('never')")
            async for _ in execution.stream():
                break
            await container.kill()
            with pytest.raises(ContainerLostError) as caught:
                await execution.result()
            assert caught.value.text == "on"
            with pytest.raises(ContainerLostError):
                await waiting.result()
            with pytest.raises(ContainerLostError):
                await client.execute("1")
            await client.disconnect()
