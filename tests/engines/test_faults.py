"""What goes wrong with any engine: each is told by its name, and leaves nothing."""

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from ipybox_docker import engine as docker_engine
from ipybox_docker import errors as docker_errors
from ipybox_docker.backend import DockerBackend
from ipybox_podman import connection as podman_connection
from ipybox_podman import engine as podman_engine
from ipybox_podman.backend import PodmanBackend

from ipybox import (
    BackendError,
    BackendUnavailableError,
    ContainerLostError,
    ContainerStartError,
    ExecutionClient,
    ExecutionContainer,
)
from ipybox.engine.output import Attachment
from ipybox.errors import EngineTimeoutError
from ipybox.testing import Tries
from tests.engine_proxy import EngineProxy
from tests.engines.witness import Witness


@pytest.fixture
async def proxy(engine: Witness, tmp_path: Path) -> AsyncIterator[EngineProxy]:
    async with EngineProxy(engine.socket, tmp_path / "engine.sock").running() as running:
        yield running


def behind(proxy: EngineProxy, engine: Witness) -> DockerBackend | PodmanBackend:
    return (DockerBackend if engine.name == "docker" else PodmanBackend)(url=proxy.url)


@pytest.mark.parametrize("call", ["/containers/create", "/attach", "/start", "/json"])
async def test_an_engine_that_stops_answering(
    engine: Witness,
    proxy: EngineProxy,
    call: str,
    monkeypatch: pytest.MonkeyPatch,
    faults: Tries,
) -> None:
    monkeypatch.setattr(docker_errors, "CALL_SECONDS", 1.0)
    monkeypatch.setattr(docker_engine, "REMOVE_SECONDS", 2.0)
    monkeypatch.setattr(podman_connection, "CALL_SECONDS", 1.0)
    monkeypatch.setattr(podman_engine, "REMOVE_SECONDS", 2.0)
    backend = behind(proxy, engine)
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
    # It could not be removed through an engine that does not answer: its lease ends it, and
    # what never ran the next sweep.
    await _gone(engine, name)


async def _gone(engine: Witness, name: str) -> None:
    end = time.monotonic() + 20
    while await engine("ps", "-q", "--filter", f"name={name}") and time.monotonic() < end:
        await asyncio.sleep(0.1)
    for left in (await engine("ps", "-a", "-q", "--filter", f"name={name}")).split():
        await engine("rm", "-f", "-v", left)


async def test_a_full_disk(engine: Witness, proxy: EngineProxy) -> None:
    proxy.refuse["/containers/create"] = (500, "mkdir /x: no space left on device")
    with pytest.raises(BackendError, match="Make room"):
        await ExecutionContainer(backend=behind(proxy, engine)).run()


async def test_a_container_that_dies_while_it_starts(engine: Witness, faults: Tries) -> None:
    for _ in range(3):
        # The runtime can't import what it needs, and says so.
        container = ExecutionContainer(env={"PYTHONHOME": "/nowhere"})
        error = await faults.expect(ContainerStartError, container.run())
        assert "No module named 'encodings'" in str(error)


@pytest.mark.blocks
@pytest.mark.parametrize("its_words", ["read", "not read yet"])
async def test_a_container_that_dies_before_it_reads(
    engine: Witness, monkeypatch: pytest.MonkeyPatch, faults: Tries, its_words: str
) -> None:
    write = Attachment.write

    async def late(self: Attachment, data: bytes) -> None:
        if its_words == "read":
            await self.ended.wait()
        else:
            time.sleep(2)  # the loop has not come to it
        await write(self, data)

    monkeypatch.setattr(Attachment, "write", late)
    for _ in range(3):
        container = ExecutionContainer(env={"PYTHONHOME": "/nowhere"})
        error = await faults.expect(ContainerStartError, container.run())
        assert "No module named 'encodings'" in str(error)


async def test_the_container_is_removed_behind_our_back(engine: Witness, faults: Tries) -> None:
    for _ in range(3):
        async with ExecutionContainer() as container:
            async with ExecutionClient(container.port) as client:
                running = asyncio.create_task(client.execute("import time; time.sleep(60)"))
                await asyncio.sleep(0.3)
                await engine("rm", "-f", "-v", container.id)
                await faults.expect(ContainerLostError, running)
