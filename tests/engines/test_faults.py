"""Faults of any engine: each raises an error of its own, and leaves nothing behind."""

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from ipybox_docker import engine as docker_engine
from ipybox_docker import images as docker_images
from ipybox_docker import streams as docker_streams
from ipybox_docker.backend import DockerBackend
from ipybox_podman import connection as podman_connection
from ipybox_podman import engine as podman_engine
from ipybox_podman import images as podman_images
from ipybox_podman.backend import PodmanBackend

from ipybox import (
    BackendError,
    BackendUnavailableError,
    ContainerLostError,
    ContainerStartError,
    ExecutionClient,
    ExecutionContainer,
)
from ipybox.engine.output import ContainerOutput
from ipybox.errors import EngineTimeoutError
from ipybox.testing import FaultTrials
from tests.engine_proxy import EngineProxy
from tests.engines.engine_cli import EngineCli


@pytest.fixture
async def proxy(engine: EngineCli, tmp_path: Path) -> AsyncIterator[EngineProxy]:
    async with EngineProxy(engine.socket, tmp_path / "engine.sock").running() as running:
        yield running


def backend_behind(proxy: EngineProxy, engine: EngineCli) -> DockerBackend | PodmanBackend:
    return (DockerBackend if engine.name == "docker" else PodmanBackend)(url=proxy.url)


@pytest.mark.parametrize("call", ["/containers/create", "/attach", "/start", "/json"])
async def test_an_engine_that_stops_answering_raises_and_leaves_nothing(
    engine: EngineCli,
    proxy: EngineProxy,
    call: str,
    monkeypatch: pytest.MonkeyPatch,
    faults: FaultTrials,
) -> None:
    docker, podman = (docker_engine, docker_images, docker_streams), (podman_engine, podman_images)
    for module in (*docker, *podman, podman_connection):
        monkeypatch.setattr(module, "CALL_TIMEOUT", 1.0)
    for module in (docker_engine, podman_engine):
        monkeypatch.setattr(module, "REMOVE_TIMEOUT", 2.0)
    backend = backend_behind(proxy, engine)
    async with backend:
        await backend.availability()
        proxy.freeze_at = call
        name = f"ipybox-test-{time.monotonic_ns()}"
        container = ExecutionContainer(backend=backend, name=name, lease=2)
        starting = asyncio.create_task(container.run())
        error = await faults.expect(BackendError, starting)
        assert isinstance(error, EngineTimeoutError | BackendUnavailableError)
        proxy.freeze_at = None
        proxy.frozen.clear()
    # The container could not be removed through an engine that does not answer. If it runs, its
    # lease ends it; if it has never run, the next sweep would remove it.
    await _remove_when_stopped(engine, name)


async def _remove_when_stopped(engine: EngineCli, name: str) -> None:
    end = time.monotonic() + 20
    while await engine("ps", "-q", "--filter", f"name={name}") and time.monotonic() < end:
        await asyncio.sleep(0.1)
    for left in (await engine("ps", "-a", "-q", "--filter", f"name={name}")).split():
        await engine("rm", "-f", "-v", left)


async def test_a_full_disk_raises_with_advice(engine: EngineCli, proxy: EngineProxy) -> None:
    proxy.refuse["/containers/create"] = (500, "mkdir /x: no space left on device")
    with pytest.raises(BackendError, match="Make room"):
        await ExecutionContainer(backend=backend_behind(proxy, engine)).run()


async def test_a_container_that_dies_while_it_starts_raises_with_its_log(
    engine: EngineCli, faults: FaultTrials
) -> None:
    for _ in range(3):
        # The runtime cannot import what it needs, and logs that.
        container = ExecutionContainer(env={"PYTHONHOME": "/nowhere"})
        error = await faults.expect(ContainerStartError, container.run())
        assert "No module named 'encodings'" in str(error)


@pytest.mark.blocks
@pytest.mark.parametrize("its_output", ["read", "not read yet"])
async def test_a_container_that_dies_before_it_reads_raises_with_its_log(
    engine: EngineCli, monkeypatch: pytest.MonkeyPatch, faults: FaultTrials, its_output: str
) -> None:
    write = ContainerOutput.write

    async def late(self: ContainerOutput, data: bytes) -> None:
        if its_output == "read":
            await self.ended.wait()
        else:
            time.sleep(2)  # blocks the loop, so that the output is not read
        await write(self, data)

    monkeypatch.setattr(ContainerOutput, "write", late)
    for _ in range(3):
        container = ExecutionContainer(env={"PYTHONHOME": "/nowhere"})
        error = await faults.expect(ContainerStartError, container.run())
        assert "No module named 'encodings'" in str(error)


async def test_a_container_removed_by_another_program_is_lost(
    engine: EngineCli, faults: FaultTrials
) -> None:
    for _ in range(3):
        async with ExecutionContainer() as container:
            async with ExecutionClient(container.port) as client:
                running = asyncio.create_task(client.execute("import time; time.sleep(60)"))
                await asyncio.sleep(0.3)
                await engine("rm", "-f", "-v", container.id)
                await faults.expect(ContainerLostError, running)
