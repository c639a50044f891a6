"""Connections that are cut, and processes of the container that stop or die."""

import asyncio
import dataclasses
import os
import signal
from collections.abc import AsyncIterator, Callable
from typing import Any

import psutil
import pytest
from ipybox_local import container as local_container
from ipybox_local.translate import supervisor_config

from ipybox import (
    ConnectionLostError,
    ContainerLostError,
    ExecutionClient,
    ExecutionContainer,
    ExecutionInterruptedError,
    ExecutionTimeoutError,
    OutputLimits,
    Timeouts,
)
from ipybox.errors import GatewayError
from ipybox.gateway.rest import Gateway
from ipybox.gateway.started import find_container, forget, remember
from ipybox.testing import CuttingProxy, FaultTrials
from ipybox.testing.cutting_proxy import Direction

LINES = 400
CODE = f"""
count += 1
for i in range({LINES}):
    print(i, flush=True)
    if i == {LINES} // 2:
        display("half")
print("count", count)
"""
WHOLE = [str(i) for i in range(LINES)]


@pytest.fixture
async def proxy(container: ExecutionContainer) -> AsyncIterator[CuttingProxy]:
    async with CuttingProxy(container.port) as standing:
        yield standing


async def check_one_run(container: ExecutionContainer, proxy: CuttingProxy) -> None:
    """Connect and execute. Each line must arrive once, and the code must run once."""
    client = ExecutionClient(
        proxy.port, token=container.endpoint.token, timeouts=Timeouts(reconnect=20)
    )
    await client.connect(retry_interval=0.02)
    try:
        await client.execute("count = 0")
        result = await client.execute(CODE)
    finally:
        await client.disconnect()
    assert result.stdout.split() == [*WHOLE, "count", "1"]
    assert len(result.outputs) == 1
    assert not result.truncated


@pytest.mark.timeout(600)
@pytest.mark.parametrize(("direction", "trials"), [("to client", 200), ("to gateway", 60)])
async def test_a_cut_at_any_offset_loses_and_repeats_nothing(
    container: ExecutionContainer,
    proxy: CuttingProxy,
    faults: FaultTrials,
    direction: Direction,
    trials: int,
) -> None:
    """The offsets lie in the handshake, inside frames, and between them."""
    sizes = []
    for _ in range(3):  # the text arrives in a varying number of pieces
        await check_one_run(container, proxy)
        sizes.append(proxy.passed[direction])
    last = min(sizes)
    for number in range(trials):
        proxy.cut_at(direction, 1 + number * last // trials)
        await faults.run(check_one_run(container, proxy))
    assert proxy.cuts > trials * 0.7  # the last offsets may lie beyond a shorter conversation


async def test_repeated_cuts_lose_no_output(
    container: ExecutionContainer, proxy: CuttingProxy, faults: FaultTrials
) -> None:
    """The cuts come while so much output is on its way that all buffers are full."""
    async with ExecutionClient(
        proxy.port, token=container.endpoint.token, timeouts=Timeouts(reconnect=20)
    ) as client:
        for _ in range(3):
            execution = await client.submit("for i in range(300_000): print(i)")
            for _ in range(5):
                await asyncio.sleep(0.1)
                proxy.cut_now()
            await faults.run(execution.result())
            result = await execution.result()
            assert [int(line) for line in result.stdout.split()] == list(range(300_000))


async def test_output_of_a_short_absence_arrives_later(
    container: ExecutionContainer, proxy: CuttingProxy, faults: FaultTrials
) -> None:
    """The code goes on meanwhile, and its output arrives once the client is back."""
    async with ExecutionClient(
        proxy.port, token=container.endpoint.token, timeouts=Timeouts(reconnect=10)
    ) as client:
        code = "import time\nfor i in range(20):\n    print(i); time.sleep(0.1)"
        execution = await client.submit(code)
        await asyncio.sleep(0.5)
        proxy.refusing = True
        proxy.cut_now()
        await asyncio.sleep(1)
        proxy.refusing = False
        await faults.run(execution.result())
        assert (await execution.result()).stdout.split() == [str(i) for i in range(20)]


async def test_an_absence_beyond_the_reconnect_timeout_is_reported(
    container: ExecutionContainer, proxy: CuttingProxy, faults: FaultTrials
) -> None:
    for _ in range(3):
        client = ExecutionClient(
            proxy.port, token=container.endpoint.token, timeouts=Timeouts(reconnect=0.5)
        )
        await client.connect()
        execution = await client.submit("import time\nprint('on')\ntime.sleep(60)")
        async for _ in execution.stream():
            break
        proxy.refusing = True
        proxy.cut_now()
        error = await faults.expect(ConnectionLostError, execution.result())
        assert error.text == "on"
        assert "timeouts.reconnect" in str(error)
        with pytest.raises(ConnectionLostError):
            await client.execute("1")
        proxy.refusing = False
        await client.connect()
        await faults.run(client.execute("1"))
        await client.disconnect()


async def test_an_absence_during_much_output_loses_nothing_and_fills_no_memory(
    local: str, faults: FaultTrials
) -> None:
    """The gateway keeps some of the output, and then the code has to wait with the rest."""
    async with ExecutionContainer(backend="local") as container:
        async with (
            CuttingProxy(container.port) as proxy,
            ExecutionClient(
                proxy.port,
                token=container.endpoint.token,
                timeouts=Timeouts(reconnect=20),
                limits=OutputLimits(text=256 * 1024 * 1024),
            ) as client,
        ):
            gateway = await gateway_of(client)
            before = gateway.memory_info().rss
            code = "for i in range(1_000_000): print(f'{i:0100d}')\nprint('end')"
            execution = await client.submit(code)
            async for _ in execution.stream():
                break
            proxy.refusing = True
            proxy.cut_now()
            await asyncio.sleep(3)
            grown = gateway.memory_info().rss - before
            assert not execution.done
            proxy.refusing = False
            await faults.run(execution.wait())
            result = await execution.result()
            assert grown < 64 * 1024 * 1024
            assert len(result.stdout) == 101_000_000 + 4
            assert not result.truncated


async def test_a_client_that_the_gateway_has_dropped_gets_connection_lost(
    local: str, faults: FaultTrials, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A kernel does not wait for its client forever; the client gets an error on its return."""

    def impatient_config(*args: Any, **kwargs: Any) -> dict[str, Any]:
        config = supervisor_config(*args, **kwargs)
        config["gateway"]["absence_seconds"] = 0.3
        return config

    monkeypatch.setattr(local_container, "supervisor_config", impatient_config)
    async with ExecutionContainer(backend="local") as container:
        async with CuttingProxy(container.port) as proxy:
            client = ExecutionClient(
                proxy.port, token=container.endpoint.token, timeouts=Timeouts(reconnect=20)
            )
            await client.connect()
            kernel_id = client.kernel_id
            # More output than the gateway keeps: the code would wait forever.
            execution = await client.submit("for i in range(400_000): print('x' * 100)")
            async for _ in execution.stream():
                break
            proxy.refusing = True
            proxy.cut_now()
            async with ExecutionClient(container.port) as other:
                while await state_of(other, kernel_id) != "idle":
                    await asyncio.sleep(0.05)
            proxy.refusing = False
            error = await faults.expect(ConnectionLostError, execution.result())
            assert error.text is not None
            await client.connect()
            await faults.run(client.execute("1"))
            await client.disconnect()


async def state_of(client: ExecutionClient, kernel_id: str) -> str:
    kernels = (await client.status()).kernels
    return next(kernel.state for kernel in kernels if kernel.id == kernel_id)


async def test_a_container_is_killed_if_a_stuck_kernel_cannot_be_replaced(
    local: str, faults: FaultTrials, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The container is killed only if it is a real one, which is pretended here."""

    async def refuse(self: object) -> str:
        raise GatewayError("no kernel can be started")

    async with ExecutionContainer(backend="local") as container:
        started = find_container("localhost", container.port)
        assert started is not None
        real = dataclasses.replace(started, isolated=True)
        remember(real)
        try:
            client = ExecutionClient(container.port, timeouts=Timeouts(interrupt=0.2))
            await client.connect()
            monkeypatch.setattr(Gateway, "start_kernel", refuse)
            stuck = "import os, signal; os.kill(os.getpid(), signal.SIGSTOP)"
            error = await faults.expect(ExecutionTimeoutError, client.execute(stuck, timeout=0.3))
            assert error.state == "lost"
            await faults.expect(ContainerLostError, client.execute("1"))
            with pytest.raises(RuntimeError, match="not running"):
                _ = container.port
            await client.disconnect()
        finally:
            forget(real)


async def gateway_of(client: ExecutionClient) -> psutil.Process:
    """Return the gateway's process: an ancestor of the client's kernel."""
    pid = int((await client.execute("import os; print(os.getpid())")).text or 0)
    return next(
        process
        for process in psutil.Process(pid).parents()
        if "ipybox_runtime" in process.cmdline()
        or (
            "ipybox_runtime" in " ".join(process.cmdline())
            and "forkserver" not in " ".join(process.cmdline())
        )
    )


async def start_running(client: ExecutionClient) -> "asyncio.Task[object]":
    """Start an execution that has printed something and goes on; return the wait for its result."""
    execution = await client.submit("import time\nprint('on')\ntime.sleep(60)")
    async for _ in execution.stream():
        break
    return asyncio.ensure_future(execution.result(None))


async def test_a_stopped_gateway_is_reported_as_connection_lost(
    local: str, faults: FaultTrials
) -> None:
    async with ExecutionContainer(backend="local") as container:
        for _ in range(5):
            client = ExecutionClient(container.port)
            await client.connect()
            gateway = await gateway_of(client)
            execution = await start_running(client)
            gateway.suspend()
            try:
                error = await faults.expect(ConnectionLostError, execution)
            finally:
                gateway.resume()
            assert error.text == "on"
            await client.connect()
            await faults.run(client.execute("1"))
            await client.disconnect()


def kill_gateway(gateway: psutil.Process) -> None:
    gateway.kill()


def kill_supervisor(gateway: psutil.Process) -> None:
    gateway.parent().kill()


@pytest.mark.parametrize("kill", [kill_gateway, kill_supervisor])
async def test_a_dead_container_is_reported_as_lost(
    local: str, faults: FaultTrials, kill: Callable[[psutil.Process], None]
) -> None:
    for _ in range(3):
        async with ExecutionContainer(backend="local") as container:
            client = ExecutionClient(container.port)
            await client.connect()
            gateway = await gateway_of(client)
            execution = await start_running(client)
            kill(gateway)
            error = await faults.expect(ContainerLostError, execution)
            assert error.text == "on"
            await faults.expect(ContainerLostError, client.execute("1"))
            await client.disconnect()


async def test_a_container_killed_by_its_owner_is_reported_as_lost(
    backend: str, faults: FaultTrials
) -> None:
    container = ExecutionContainer(backend=backend)
    await container.run()
    client = ExecutionClient(container.port)
    await client.connect()
    execution = await start_running(client)
    await container.kill()
    await faults.expect(ContainerLostError, execution)
    await client.disconnect()


async def test_kernels_survive_the_death_of_the_fork_server(
    local: str, faults: FaultTrials
) -> None:
    """Its kernels live on, their exits are reported, and new kernels start without it."""
    for _ in range(3):
        async with (
            ExecutionContainer(backend="local") as container,
            ExecutionClient(container.port) as client,
        ):
            await client.execute("kept = 1")
            assert (await client.status()).kernels[0].forked
            pid = (await client.status()).kernels[0].pid
            assert pid is not None
            os.kill(psutil.Process(pid).ppid(), signal.SIGKILL)
            await faults.run(client.execute("print(kept)"))
            async with ExecutionClient(container.port) as second:
                await faults.run(second.execute("1"))
                kernels = (await second.status()).kernels
                assert [k.forked for k in kernels if k.id == second.kernel_id] == [False]
            assert any("kernels are spawned without it" in line for line in await container.logs())
            execution = await start_running(client)
            await client.interrupt()
            await faults.expect(ExecutionInterruptedError, execution)
            os.kill(pid, signal.SIGKILL)
            while (await client.status()).kernels[0].state != "dead":
                await asyncio.sleep(0.01)
