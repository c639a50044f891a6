"""What goes wrong with an engine: each is told by its name, and leaves nothing."""

import asyncio
import concurrent.futures.thread  # noqa: F401  # nobody may not read where it is
import contextlib
import multiprocessing
import os
import signal
import subprocess
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
from ipybox_docker import ending, errors
from ipybox_docker.backend import DockerBackend
from ipybox_docker.connection import Surroundings

from ipybox import (
    Availability,
    BackendError,
    BackendUnavailableError,
    Bind,
    ContainerLostError,
    ContainerSpec,
    ContainerStartError,
    EngineTimeoutError,
    ExecutionClient,
    ExecutionContainer,
    InvalidArgumentError,
    Resources,
)
from ipybox.testing import Tries
from tests.docker.engine_proxy import EngineProxy
from tests.docker.witness import engine

ROOT = Path(__file__).parents[2]
ENGINE_PID = Path("/run/ipybox-engines/dockerd.pid")


@pytest.fixture
async def proxy(tmp_path: Path) -> AsyncIterator[EngineProxy]:
    async with EngineProxy(tmp_path / "docker.sock").running() as running:
        yield running


async def test_no_engine(docker: str, tmp_path: Path) -> None:
    backend = DockerBackend(url=f"unix://{tmp_path}/none.sock")
    with pytest.raises(BackendUnavailableError, match=r"none\.sock.*no such socket.*start Docker"):
        await ExecutionContainer(backend=backend).run()


async def test_a_stale_socket(docker: str, tmp_path: Path) -> None:
    import socket

    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind(str(tmp_path / "stale.sock"))
    backend = DockerBackend(url=f"unix://{tmp_path}/stale.sock")
    with pytest.raises(BackendUnavailableError, match=r"nobody answers.*Start the Docker engine"):
        await ExecutionContainer(backend=backend).run()


def test_no_permission(docker: str) -> None:
    """As a user without a right to the socket."""
    if os.getuid() != 0:
        pytest.skip("only root can become another user")

    async def ask() -> Availability:
        return await DockerBackend(url="unix:///var/run/docker.sock").availability()

    state = as_nobody(ask)
    assert isinstance(state, Availability)
    assert not state.ready and state.reason and state.remedy
    assert "permission denied" in state.reason
    assert "group docker" in state.remedy


@pytest.mark.parametrize("call", ["/containers/create", "/attach", "/start", "/json"])
async def test_an_engine_that_stops_answering(
    proxy: EngineProxy, call: str, monkeypatch: pytest.MonkeyPatch, faults: Tries
) -> None:
    monkeypatch.setattr(errors, "CALL_SECONDS", 1.0)
    monkeypatch.setattr(ending, "REMOVE_SECONDS", 2.0)
    backend = DockerBackend(url=proxy.url)
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
    await _gone(name)


async def _gone(name: str) -> None:
    end = time.monotonic() + 20
    while engine("ps", "-q", "--filter", f"name={name}") and time.monotonic() < end:
        await asyncio.sleep(0.1)
    for left in engine("ps", "-a", "-q", "--filter", f"name={name}").split():
        engine("rm", "-f", "-v", left)


async def test_a_full_disk(proxy: EngineProxy) -> None:
    proxy.refuse["/containers/create"] = (500, "mkdir /x: no space left on device")
    with pytest.raises(BackendError, match="Make room"):
        await ExecutionContainer(backend=DockerBackend(url=proxy.url)).run()


async def test_a_container_that_dies_while_it_starts(docker: str, faults: Tries) -> None:
    for _ in range(3):
        # The runtime can't import what it needs, and says so.
        container = ExecutionContainer(env={"PYTHONHOME": "/nowhere"})
        error = await faults.expect(ContainerStartError, container.run())
        assert "No module named 'encodings'" in str(error)


def as_nobody(ask: Callable[[], Coroutine[Any, Any, object]]) -> object:
    """What a coroutine returns in a process of a user without rights."""
    context = multiprocessing.get_context("fork")
    receive, send = context.Pipe(duplex=False)

    def run() -> None:
        os.setgroups([])
        os.setgid(65534)
        os.setuid(65534)
        send.send(asyncio.run(ask()))

    child = context.Process(target=run)
    child.start()
    assert receive.poll(20)
    found: object = receive.recv()
    child.join()
    return found


def test_binds_that_the_user_may_not_read(docker: str, tmp_path: Path) -> None:
    """The engine, which is root, would hand them out."""
    if os.getuid() != 0:
        pytest.skip("only root can become another user")
    (tmp_path / "secret").mkdir(mode=0o700)
    tmp_path.chmod(0o755)
    bind = Bind(host_path=tmp_path / "secret", container_path="x")

    async def ask() -> str:
        backend = DockerBackend()
        address = backend._connection.address
        backend._connection.surroundings_of[address] = Surroundings()
        try:
            await backend.create(ContainerSpec(binds=(bind,)))
        except InvalidArgumentError as error:
            return str(error)
        return "it was taken"

    assert "you may not read it" in str(as_nobody(ask))


async def test_binds_that_can_not_be_made(docker: str, tmp_path: Path) -> None:
    missing = tmp_path / "file" / "below"
    (tmp_path / "file").write_text("")
    with pytest.raises(InvalidArgumentError, match="can't be made"):
        await ExecutionContainer(binds={str(missing): "x"}).run()


def test_too_little_memory() -> None:
    with pytest.raises(InvalidArgumentError, match=r"memory_bytes is 1000000; .* at least"):
        Resources(memory_bytes=1_000_000)


async def test_a_start_that_takes_too_long(docker: str) -> None:
    with pytest.raises(ContainerStartError, match="start_timeout"):
        await ExecutionContainer(start_timeout=0.3).run()


async def test_the_container_is_removed_behind_our_back(docker: str, faults: Tries) -> None:
    for _ in range(3):
        async with ExecutionContainer() as container:
            async with ExecutionClient(container.port) as client:
                running = asyncio.create_task(client.execute("import time; time.sleep(60)"))
                await asyncio.sleep(0.3)
                engine("rm", "-f", "-v", container.id)
                await faults.expect(ContainerLostError, running)


async def test_many_at_once(docker: str) -> None:
    async def one(number: int) -> str | None:
        async with ExecutionContainer() as container:
            async with ExecutionClient(container.port) as client:
                return (await client.execute(f"print({number})")).text

    assert await asyncio.gather(*map(one, range(6))) == [str(number) for number in range(6)]


@pytest.mark.timeout(180)
async def test_an_engine_restart_in_mid_cell(docker: str, faults: Tries) -> None:
    if not ENGINE_PID.exists() or os.getuid() != 0:
        pytest.skip("this engine is not the tests' own, to be restarted")
    async with ExecutionContainer() as container:
        async with ExecutionClient(container.port) as client:
            await client.execute("kept = 1")
            running = asyncio.create_task(client.execute("import time; time.sleep(60)"))
            await asyncio.sleep(0.5)
            restarting = asyncio.create_task(asyncio.to_thread(_restart_engine))
            try:
                started = time.monotonic()
                await faults.expect(ContainerLostError, running)
                assert time.monotonic() - started < 60  # within 10 s; shown in the table
            finally:
                await restarting
    async with ExecutionContainer() as container:
        async with ExecutionClient(container.port) as client:
            assert (await client.execute("print('again')")).text == "again"


def _restart_engine() -> None:
    pid = int(ENGINE_PID.read_text())
    os.kill(pid, signal.SIGTERM)
    end = time.monotonic() + 60
    while Path(f"/proc/{pid}").exists() and time.monotonic() < end:
        with contextlib.suppress(ChildProcessError):
            os.waitpid(pid, os.WNOHANG)
        state = _state(pid)
        if state in ("", "Z"):
            break
        time.sleep(0.05)
    subprocess.run([str(ROOT / ".ci/engines")], check=True, capture_output=True)


def _state(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return ""
