"""What goes wrong with an engine: each is told by its name, and leaves nothing."""

import asyncio
import concurrent.futures.thread  # noqa: F401  # nobody may not read where it is
import contextlib
import multiprocessing
import os
import signal
import subprocess
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
from ipybox_docker.backend import DockerBackend

from ipybox import (
    BackendUnavailableError,
    Bind,
    ContainerLostError,
    ExecutionClient,
    ExecutionContainer,
    InvalidArgumentError,
    Resources,
)
from ipybox.authoring import Availability, ContainerSpec, Surroundings
from ipybox.testing import Tries

ROOT = Path(__file__).parents[2]
ENGINE_PID = Path("/run/ipybox-engines/dockerd.pid")


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
        connection = backend.engine.connection
        connection.surroundings_of[connection.address] = Surroundings()
        try:
            await backend.create(ContainerSpec(binds=(bind,)))
        except InvalidArgumentError as error:
            return str(error)
        return "it was taken"

    assert "you may not read it" in str(as_nobody(ask))


def test_too_little_memory() -> None:
    with pytest.raises(InvalidArgumentError, match=r"memory_bytes must be at least .* got 1000000"):
        Resources(memory_bytes=1_000_000)


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
