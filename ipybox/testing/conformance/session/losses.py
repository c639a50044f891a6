"""Kernels that die, connections that break, containers that go."""

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
    IpyboxError,
    KernelDiedError,
    NotConnectedError,
)
from ipybox.testing.conformance.checks import check
from ipybox.testing.conformance.session.shared import SessionChecks
from ipybox.testing.cutting_proxy import CuttingProxy

LINES = 100_000
HOSTILE = {
    "a size that is none": "output._messages.send(PACKET_HEAD.pack(3, 0, 0, 10**9) + b'junk')",
    "a barrier far ahead": "output._messages.send(PACKET_HEAD.pack(3, 0, 10**6, 4) + b'junk')",
    "no message": "output._messages.send(PACKET_HEAD.pack(3, 0, 0, 4) + b'junk')",
    "no header": "output._messages.send(b'x')",
    "marks of its own": "[os.write(1, output._marks.barrier(10**6 + n)) for n in range(99)]",
    "a parent that is none": "os.write(1, output._marks.parent(b'junk') + b'text')",
}


class LossChecks(SessionChecks):
    """Each end has its name, and what was printed before is there."""

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
    async def test_kernel_death_is_told(self, code: str, exit_code: int) -> None:
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
    async def test_restart_gives_an_empty_kernel(self) -> None:
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
    async def test_calls_before_connect_and_after_disconnect(self) -> None:
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
        """A client whose connection to the shared container can be cut, the first time after
        so many bytes from there."""
        endpoint = self.container.endpoint
        async with CuttingProxy(endpoint.port, endpoint.host) as proxy:
            if first_cut is not None:
                proxy.cut_at("to client", first_cut)
            async with ExecutionClient(proxy.port, token=endpoint.token, **options) as client:
                yield proxy, client

    @check()
    async def test_a_connection_that_breaks_again_and_again(self) -> None:
        """While much is on its way: each line comes once, and the code runs once."""
        async with self.cut_off(first_cut=200_000, reconnect_grace=30) as (proxy, client):
            await client.execute("count = 0")
            execution = await client.submit(
                f"count += 1\nfor i in range({LINES}): print(i)\nprint(count)"
            )
            seen = 0
            async for piece in execution.stream():
                seen += len(piece)
                if seen > (proxy.cuts + 1) * 100_000:
                    proxy.cut_now()
            assert proxy.cuts >= 2  # more where the text comes in smaller pieces
            found = [int(line) for line in (await execution.result()).stdout.split()]
            assert found == [*range(LINES), 1]

    @check()
    async def test_a_short_absence(self) -> None:
        """The code runs on meanwhile, and what it printed is there afterwards."""
        async with self.cut_off(reconnect_grace=30) as (proxy, client):
            code = "import time\nfor i in range(20):\n    print(i, flush=True); time.sleep(0.1)"
            execution = await client.submit(code)
            async for _ in execution.stream():
                break
            proxy.refusing = True
            proxy.cut_now()
            await asyncio.sleep(1)  # how long it is away
            proxy.refusing = False
            assert (await execution.result()).stdout.split() == [str(i) for i in range(20)]

    @check()
    async def test_an_absence_that_is_too_long(self) -> None:
        async with self.cut_off(reconnect_grace=0.5) as (proxy, client):
            execution = await client.submit("import time\nprint('on')\ntime.sleep(60)")
            async for _ in execution.stream():
                break
            proxy.refusing = True
            proxy.cut_now()
            with pytest.raises(ConnectionLostError, match="reconnect_grace") as caught:
                await execution.result()
            assert caught.value.text == "on"
            with pytest.raises(ConnectionLostError):
                await client.execute("1")
            proxy.refusing = False
            await client.connect()
            assert (await client.execute("print('again')")).text == "again"

    @check()
    async def test_a_container_that_is_killed_by_its_owner(self) -> None:
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

    @pytest.mark.parametrize("name", HOSTILE)
    @check()
    async def test_a_kernel_that_forges_its_output(self, name: str) -> None:
        """What it does to its own client is told by a name; others notice nothing."""
        code = (
            "import os\nfrom ipybox_runtime.wire import PACKET_HEAD\n"
            "output = get_ipython().kernel.iopub_socket\n"
            f"{HOSTILE[name]}\nos.kill(os.getpid(), 9)"
        )
        async with self.client() as other, self.client() as client:
            with pytest.raises(IpyboxError):
                await client.execute(code, timeout=10)
            await client.restart()
            assert (await client.execute("print(6 * 7)")).text == "42"
            assert (await other.execute("print(6 * 7)")).text == "42"
