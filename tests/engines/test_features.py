"""What a container reports, and which containers are ipybox's, on a real engine."""

import asyncio

import pytest

from ipybox import ExecutionClient, ExecutionContainer, KernelDiedError, Port, Resources
from ipybox.errors import ContainerNotFoundError
from ipybox.plugins.selection import load_backend
from tests.engines.engine_cli import EngineCli


async def test_the_exit_status_is_reported(engine: EngineCli) -> None:
    async with ExecutionContainer() as container:
        await engine("kill", container.id)
        status = await asyncio.wait_for(container.wait(), 10)
        assert status.code == -9
        assert not status.out_of_memory
    async with ExecutionContainer() as container:
        stopping = asyncio.create_task(container.wait())
        await container.stop()
        assert (await asyncio.wait_for(stopping, 10)).code == 0


async def test_out_of_memory_is_reported(engine: EngineCli) -> None:
    if not engine.limits_hold:
        pytest.skip("this user's limits are not enforced")
    limits = Resources(memory_bytes=400 * 2**20)
    async with ExecutionContainer(resources=limits) as container:
        async with ExecutionClient(container.port) as client:
            with pytest.raises(KernelDiedError) as caught:
                await client.execute("x = b'x' * 2_000_000_000")
            assert caught.value.out_of_memory
            await client.restart()
            assert (await client.execute("print(1)")).text == "1"


async def test_both_protocols_of_a_port_are_reported(engine: EngineCli) -> None:
    wanted = (Port(container_port=53), Port(container_port=53, protocol="udp"))
    async with ExecutionContainer(ports=wanted) as container:
        found = (await engine.inspect(container.id))["NetworkSettings"]["Ports"]
        tcp, udp = (int(found[f"53/{protocol}"][0]["HostPort"]) for protocol in ("tcp", "udp"))
        assert dict(container.ports) == {(53, "tcp"): tcp, (53, "udp"): udp}
        assert container.ports[53] == tcp


async def test_foreign_containers_are_not_touched(engine: EngineCli) -> None:
    name = (await engine("create", "gradion/ipybox")).strip()
    try:
        async with load_backend(engine.name) as backend:
            with pytest.raises(ContainerNotFoundError, match="not one of ipybox's"):
                await backend.remove(name)
            with pytest.raises(ContainerNotFoundError):
                await backend.attach(name)
            with pytest.raises(ContainerNotFoundError):
                await backend.remove("no-such-container")
            assert name not in [info.id for info in await backend.list()]
    finally:
        await engine("rm", name)
